"""What the names of folders are taken for: evidence that counts beside the other class, and never more than it says."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from converters.folder_to_swift import main
from tests.converters.test_folder import Converted, convert, refused, tree

__all__ = ["convert", "refused"]  # fixtures

UNSAID = "label: the folders say neither real nor fake"


def alone(name: str) -> str:
    return f"label: no folder of the other class lies beside {name!r}"


def labelled(layout: dict[str, str]) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """What of a layout, image -> its label and split or why it is set aside, is used, and the rest."""
    used = {name: tuple(says.split(" ")) for name, says in layout.items() if ":" not in says}
    return used, {name: says for name, says in layout.items() if ":" in says}


LAYOUTS = {
    "a container of both": {
        "real_vs_ai/test/ai-generated/1.png": "fake test",
        "real_vs_ai/test/real/2.png": "real test",
        "140k-real-and-fake/real-vs-fake/valid/fake/3.png": "fake val",
        "140k-real-and-fake/real-vs-fake/train/real/4.png": "real train",
        "fake_or_real/5.png": UNSAID,
    },
    "a container of a real name": {
        "Real_AI_SD_LD_Dataset/test/AI_SD_baroque/1.png": alone("AI_SD_baroque"),
        "Real_AI_SD_LD_Dataset/test/baroque/2.png": UNSAID,
        "x/real/3.png": "real test",
    },
    "containers beside each other": {
        "fake_face_set/real/1.png": "real test",
        "fake_face_set/fake/2.png": "fake test",
        "real_world_set/real/3.png": "real test",
        "real_world_set/fake/4.png": "fake test",
    },
    "names of several words": {
        "FakeImages/1.png": "fake test",
        "Real Images/2.png": "real test",
        "AI_SD_baroque/3.png": "fake test",
        "baroque/4.png": UNSAID,
    },
    "split and class in one name": {
        "faces/training_fake/1.png": "fake train",
        "faces/training_real/2.png": "real train",
        "faces/real_test/3.png": "real test",
    },
    "splits by any name": {
        "Training/real/1.png": "real train",
        "dev/fake/2.png": "fake val",
        "validation/real/3.png": "real val",
        "testing/fake/4.png": "fake test",
        "train/test/fake/5.png": "split: the folders say test and train",
    },
    "negations": {
        "fake/1.png": "fake test",
        "fake/realistic/2.png": "fake test",
        "fake/unreal_engine/3.png": "fake test",
        "not_fake/4.png": "label: 'not_fake' says only what the images are not",
        "fake/non-fake/5.png": "label: 'non-fake' says only what the images are not",
        "unreal/6.png": "label: 'unreal' says only what the images are not",
        "real/no_ai/7.png": "label: 'no_ai' says only what the images are not",
    },
    "nature as a topic": {
        "train/fake/nature/1.png": "fake train",
        "train/real/nature/2.png": "real train",
        "val/fake/nature/3.png": "fake val",
        "val/real/nature/4.png": "real val",
        "val/real/natural/5.png": "real val",
        "val/fake/natural/6.png": "fake val",
    },
    "nature and ai beside each other as topics": {
        "val/fake/nature/1.png": "fake val",
        "val/fake/ai/2.png": "fake val",
        "val/real/ai/3.png": "label: the folders say both real and fake (real, ai)",
    },
    "topics below names of several words": {
        "fake_images/nature/1.png": "fake test",
        "fake_images/ai/2.png": "fake test",
        "real_images/nature/3.png": "real test",
        "real_images/ai/4.png": "label: the folders say both real and fake (real_images, ai)",
    },
    "GenImage in a container": {
        "fake_detection_sets/GenImage/ADM/train/ai/1.png": "fake train",
        "fake_detection_sets/GenImage/ADM/train/nature/2.png": "real train",
    },
    "nature without ai": {"nature/1.png": alone("nature"), "people/2.png": UNSAID, "x/fake/3.png": "fake test"},
    "ai as one topic of many": {"ai/1.png": alone("ai"), "people/2.png": UNSAID, "x/fake/3.png": "fake test"},
    "GenImage beside a set with a test split": {
        "ADM/val/ai/1.png": "fake val",
        "ADM/val/nature/2.png": "real val",
        "mine/test/real/3.png": "real test",
    },
    "DMimage's concepts where it is not": {
        "real_photos/1.png": alone("real_photos"),
        "sdxl/2.png": UNSAID,
        "x/real/3.png": "real test",
    },
    "DMimage and what lies beside it": {
        "real_ucid/1.png": "real test",
        "stylegan3_t_ffhqu_256x256/2.png": "fake test",
        "notes/3.png": UNSAID,
        "masks/4.png": "auxiliary: 'masks' is called as what goes with images: masks, thumbnails, edges",
    },
    "FaceForensics++": {
        "original_sequences/youtube/c23/frames/000/1.png": "real test",
        "manipulated_sequences/Deepfakes/c23/frames/000_001/2.png": "fake test",
    },
    "generators of a telling name": {
        "fake/RealVisXL_V4/1.png": "fake test",
        "fake/Real-ESRGAN/2.png": "fake test",
        "real/Human-generated/3.png": "label: 'Human-generated' says only what the images are not",
    },
    "two that contradict": {
        "fake/1.png": "fake test",
        "real/2.png": "real test",
        "fake/real_people/3.png": "label: the folders say both real and fake (fake, real_people)",
        "tampered/original/4.png": "label: the folders say both real and fake (tampered, original)",
    },
    "names of a zip of Windows": {"set\\real\\1.png": "real test", "set\\fake\\2.png": "fake test"},
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_name_counts_where_it_says_one_class(convert, layout):
    done = convert(*layout)
    assert (done.of("label", "split"), done.rejects) == labelled(layout)


AUXILIARY = ("masks", "Mask", "thumbs", "Thumbnails", "gt", "GroundTruth", "ground_truth", "edges", "depth", "edgemask")


@pytest.mark.parametrize("name", AUXILIARY)
def test_what_goes_with_images_is_none_of_them(convert, name):
    done = convert("tampered/1.png", f"tampered/{name}/1.png", f"{name}/1.png", "authentic/2.png")
    assert done.of("label") == {"tampered/1.png": ("fake",), "authentic/2.png": ("real",)}
    assert {reason.split(":")[0] for reason in done.rejects.values()} == {"auxiliary"}


def test_a_file_called_as_the_mask_of_another_is_none_and_a_picture_of_a_mask_is_one(convert):
    done = convert("fake/1.png", "fake/1_mask.png", "real/1-gt.jpg", "real/carnival_mask.png", "fake/sd2-depth/5.png")
    assert {*done.of()} == {"fake/1.png", "real/carnival_mask.png", "fake/sd2-depth/5.png"}
    assert {*done.rejects.values()} == {"auxiliary: it is called as the mask or thumbnail of '1'"}


def draw(path, mode: str, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).convert(mode).save(path)


@pytest.mark.parametrize("mode", ["L", "1", "RGB", "I;16"])
def test_black_and_white_images_of_the_names_and_sizes_of_others_are_masks(tmp_path, mode):
    random = np.random.default_rng(0)
    mask = np.zeros((48, 64), np.uint8)
    mask[10:20, 10:40] = 255
    for i in range(3):
        photo = random.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        draw(tmp_path / f"tampered/{i}.jpg", "RGB", photo)
        draw(tmp_path / f"authentic/doc/{i}.png", "L", mask[:24])  # a scan, of another size
        draw(tmp_path / f"tampered/regions/{i}.png", mode, mask.astype(np.uint16) * 257 if mode == "I;16" else mask)
    done = Converted(tmp_path, tmp_path / "out")
    assert {name.rpartition("/")[0] for name in done.of()} == {"tampered", "authentic/doc"}
    why = "auxiliary: 'tampered/regions' holds black-and-white images of the names and sizes of others"
    assert {*done.rejects.values()} == {why}
    assert why in [row["problem"] for row in done.manifest["understood"]]
    assert len(Converted(tmp_path, tmp_path / "out", "--check", "none").rows) == 9


# ------------------------------------------------------------------------------------------------------- a user's word


def test_a_map_says_what_folders_mean(convert, capsys):
    layout = ("CASIA2/Au/1.png", "CASIA2/Tp/2.png", "CASIA2/Tp/masks/2.png", "CASIA2/other/3.png", "x/real/4.png")
    done = convert(*layout, options=("--label-map", "Au=real,TP=fake,gone=fake"))
    assert done.of("label", "source") == {
        "CASIA2/Au/1.png": ("real", "CASIA2"),
        "CASIA2/Tp/2.png": ("fake", "CASIA2"),
        "x/real/4.png": ("real", "x"),
    }
    assert {*done.rejects} == {"CASIA2/Tp/masks/2.png", "CASIA2/other/3.png"}
    printed = capsys.readouterr().out
    assert "  CASIA2/Tp: fake, test, 1 images, such as CASIA2/Tp/2.png\n" in printed
    assert "  note: folders of --label-map not used: gone\n" in printed


@pytest.mark.parametrize(
    ("given", "layout"),
    [
        ("AI_*=fake,baroque=real", {"AI_SD_baroque/1.png": "fake test", "baroque/2.png": "real test"}),
        ("real/masks=real,fake/masks=fake", {"real/masks/1.png": "real test", "fake/masks/2.png": "fake test"}),
        ("not_fake=real", {"not_fake/1.png": "real test", "fake/2.png": "fake test"}),
        ("0=fake,1.0=real", {"0/1.png": "fake test", "1/2.png": "real test"}),
        ("true=fake,no=real", {"True/1.png": "fake test", "false/2.png": "real test"}),
        ("sets=fake,sets/coco=real", {"sets/sdxl/1.png": "fake test", "sets/coco/2.png": "real test"}),
        ("Tp=fake", {"Tp/1.png": "fake test", "Tp/real/2.png": "label: the folders say both real and fake (Tp, real)"}),
    ],
)
def test_a_map_has_a_name_the_end_of_a_path_or_a_pattern(convert, given, layout):
    done = convert(*layout, options=("--label-map", given))
    assert (done.of("label", "split"), done.rejects) == labelled(layout)


def test_where_a_folder_says_nothing_it_is_asked_what_it_holds(tmp_path, refused, capsys):
    tree(tmp_path / "Set", "Au/1.png", "Tp/2.png")
    asked = "Say what folders hold, if it is images of one class, such as --label-map Au=fake"
    assert refused().endswith(f". {asked}; not used: Au, Tp")
    tree(tmp_path / "Set", "real/3.png")
    assert main(["--src", str(tmp_path / "Set"), "--out", str(tmp_path / "out")]) == 0
    assert f"  {asked}\n" in capsys.readouterr().out


def test_what_became_which_label_is_printed_however_many_folders_there_are(tmp_path, capsys):
    tree(tmp_path, *(f"set{i:02}/{name}/1.png" for i in range(50) for name in ("real", "fake", "else")))
    assert main(["--src", str(tmp_path), "--out", str(tmp_path / "out"), "--check", "none"]) == 0
    assert capsys.readouterr().out.splitlines()[:3] == [
        "  …/fake: fake, test, 50 images, such as set00/fake/1.png",
        "  …/real: real, test, 50 images, such as set00/real/1.png",
        f"  …/else: not used ({UNSAID}), 50 images, such as set00/else/1.png",
    ]
