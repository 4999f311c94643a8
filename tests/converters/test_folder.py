"""The folder converter: what is real and what is fake follows from names by a fixed rule, and is never guessed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from converters.folder_to_swift import main
from swift_plugins.core.records import read_rows
from swift_plugins.core.tasks import fakevlm


def tree(root: Path, *names: str) -> Path:
    """A folder with these images, all different; a name that is no image's gets a file of text."""
    for i, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".png", ".jpg"):
            Image.new("RGB", (48, 32), (i, 0, 0)).save(path)
        else:
            path.write_text("text")
    return root


class Converted:
    """What a conversion wrote."""

    def __init__(self, src: Path, out: Path, *options: str):
        assert main(["--src", str(src), "--out", str(out), "--workers", "1", *options]) == 0
        self.manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        self.rows = [row for split in self.manifest["counts"] for _, row in read_rows(out / f"{split}.jsonl")]
        self.rejects = {row["where"]: row["reason"] for _, row in read_rows(out / "rejects.jsonl")}

    def of(self, *keys: str) -> dict[str, tuple]:
        """image -> these entries of its meta."""
        return {row["meta"]["image"]: tuple(row["meta"][key] for key in keys) for row in self.rows}


@pytest.fixture
def convert(tmp_path):
    """Convert a folder of these images."""

    def call(*names: str, options: tuple[str, ...] = ()) -> Converted:
        return Converted(tree(tmp_path / "Set", *names), tmp_path / "out", *options)

    return call


@pytest.fixture
def refused(tmp_path, capsys):
    """The one line that a conversion ends with."""

    def call(*options: str) -> str:
        assert main(["--src", str(tmp_path / "Set"), "--out", str(tmp_path / "out"), *options]) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("error: ")
        return error

    return call


def test_an_image_becomes_this_row(convert, tmp_path):
    assert convert("BigGAN/train/ai/1.png").rows == [
        {
            "id": "BigGAN/train/ai/1.png",
            "task": "fakevlm",
            "messages": [
                {"role": "user", "content": "<image>Does the image looks real/fake?"},
                {"role": "assistant", "content": "This is a fake image."},
            ],
            "images": [str(tmp_path / "Set" / "BigGAN/train/ai/1.png")],
            "meta": {
                "media_id": "BigGAN/train/ai/1.png",
                "image": "BigGAN/train/ai/1.png",
                "split": "train",
                "source": "BigGAN",
                "label": "fake",
                "dataset": "set",
                "category": "",
                "manipulation": "",
                "video": "",
                "part": "",
                "width": 48,
                "height": 32,
                "explanation": "",
                "task_version": fakevlm.VERSION,
            },
        }
    ]


@pytest.mark.parametrize(
    ("layout", "found"),
    [
        (  # GenImage, whose val is the test set
            ["ADM/train/ai/1.png", "ADM/train/nature/2.jpg", "glide/val/ai/3.png", "glide/val/nature/4.jpg"],
            [("fake", "train", "ADM"), ("real", "train", "ADM"), ("fake", "test", "glide"), ("real", "test", "glide")],
        ),
        (  # CNNDetection and AIDE, with and without classes
            ["progan/0_real/1.png", "progan/1_fake/2.png", "test/gaugan/car/1_fake/3.png", "train/gaugan/0_real/4.png"],
            [
                ("real", "test", "progan"),
                ("fake", "test", "progan"),
                ("fake", "test", "gaugan"),
                ("real", "train", "gaugan"),
            ],
        ),
        (["test/0_real/1.jpg", "test/1_fake/2.jpg"], [("real", "test", "set"), ("fake", "test", "set")]),  # Chameleon
        (  # DMimage: nothing is called fake, so what lies beside real_* is
            ["biggan_256/1.png", "dalle_2/x/2.png", "real_ucid/3.png", "real_coco_valid/4.png"],
            [
                ("fake", "test", "biggan_256"),
                ("fake", "test", "dalle_2"),
                ("real", "test", "real_ucid"),
                ("real", "test", "real_coco_valid"),
            ],
        ),
        (["Set/biggan/1.png", "Set/real_ucid/2.png"], [("fake", "test", "biggan"), ("real", "test", "real_ucid")]),
        (["biggan/real_sub/1.png", "biggan/fake/2.png"], [("real", "test", "biggan"), ("fake", "test", "biggan")]),
        (  # any case; val is val where it is not GenImage's
            [
                "VAL/Real/1.png",
                "Validation/FAKE/2.png",
                "train/Tampered/3.png",
                "Authentic/4.png",
                "valid/full_synthetic/5.png",
            ],
            [
                ("real", "val", "set"),
                ("fake", "val", "set"),
                ("fake", "train", "set"),
                ("real", "test", "set"),
                ("fake", "val", "set"),
            ],
        ),
    ],
    ids=["genimage", "cnndetection", "chameleon", "dmimage", "dmimage-below", "real-below", "others"],
)
def test_layouts(convert, layout, found):
    done = convert(*layout)
    assert done.of("label", "split", "source") == dict(zip(layout, found, strict=True))
    assert done.rejects == {}


def test_folders_that_say_both_or_nothing_are_not_guessed(convert, capsys):
    done = convert("real/1.png", "fake/2.png", "real/fake/3.png", "others/4.png", "5.png", "fake/realistic/6.png")
    assert done.of("label") == {"real/1.png": ("real",), "fake/2.png": ("fake",), "fake/realistic/6.png": ("fake",)}
    assert done.rejects == {
        "real/fake/3.png": "label: the folders say both real and fake (real, fake)",
        "others/4.png": "label: the folders say neither real nor fake",
        "5.png": "label: the folders say neither real nor fake",
    }
    printed = capsys.readouterr().out
    assert "  fake: fake, test, 2 images, such as fake/2.png\n" in printed
    assert (
        "  others: not used (label: the folders say neither real nor fake), 1 images, such as others/4.png\n" in printed
    )


def test_beside_real_something_nothing_is_fake_once_a_folder_says_fake(convert):
    done = convert("real_a/1.png", "other/2.png", "fake/3.png")
    assert done.rejects == {"other/2.png": "label: the folders say neither real nor fake"}


def test_a_real_something_above_a_plain_name_or_with_fake_in_its_name_says_nothing(convert):
    done = convert(
        "real_vs_fake/train/fake/1.png",
        "Real_vs_Fake/train/real/2.png",
        "sets/real_world/ai/3.png",
        "real_and_fake/4.png",
        "fake/real_people/5.png",
    )
    assert done.of("label", "source") == {
        "real_vs_fake/train/fake/1.png": ("fake", "real_vs_fake"),
        "Real_vs_Fake/train/real/2.png": ("real", "Real_vs_Fake"),
        "sets/real_world/ai/3.png": ("fake", "sets"),
    }
    assert done.rejects == {
        "real_and_fake/4.png": "label: the folders say neither real nor fake",
        "fake/real_people/5.png": "label: the folders say both real and fake (fake, real_people)",
    }


def test_what_lies_beside_a_real_something_that_says_nothing_is_not_fake(convert):
    done = convert("real_world/real/1.png", "real_vs_fake/2.png", "other/3.png")
    assert done.of("label") == {"real_world/real/1.png": ("real",)}


def test_a_file_name_says_nothing(convert, refused):
    with pytest.raises(AssertionError):
        convert("fake.png", "real_1.png")
    assert "no usable image; the first one: fake.png: label: the folders say neither" in refused()


def test_options_name_the_dataset_and_the_split_of_what_has_none(convert):
    done = convert("fake/1.png", "test/real/2.png", options=("--dataset", "dmimage", "--split", "val"))
    assert done.of("dataset", "split", "source") == {
        "fake/1.png": ("dmimage", "val", "dmimage"),
        "test/real/2.png": ("dmimage", "test", "dmimage"),
    }


def test_other_files_are_counted_and_hidden_ones_passed_over(convert):
    done = convert("fake/1.png", "fake/notes.txt", "a.csv", ".cache/fake/2.png", "fake/.3.png", "fake/._4.png")
    assert list(done.of()) == ["fake/1.png"]
    assert done.manifest["other_files"] == {".csv": 1, ".txt": 1}


def test_an_image_is_one_by_its_content_whatever_it_is_called(tmp_path, capsys):
    src = tree(tmp_path / "Set", "fake/1.png", "fake/2.png", "real/1.png", "real/2.png", "real/README", "fake/a.txt")
    (src / "real" / "1.png").rename(src / "real" / "b56e2bc6fe59d060")
    (src / "real" / "2.png").rename(src / "real" / "photo.txt")
    (tmp_path / "out_of_it").write_bytes((src / "fake" / "1.png").read_bytes())
    (src / "real" / "link").symlink_to(tmp_path / "out_of_it")
    done = Converted(src, tmp_path / "out", "--check", "decode")
    assert {*done.of()} == {"fake/1.png", "fake/2.png", "real/b56e2bc6fe59d060", "real/photo.txt"}
    assert "note: 3 files are no images: 2 without a suffix, 1 .txt" in capsys.readouterr().out
    (tmp_path / "t.csv").write_text("path,label\nreal/b56e2bc6fe59d060,real\nfake/1.png,fake\n")
    assert len(Converted(src, tmp_path / "by_table", "--csv", str(tmp_path / "t.csv")).rows) == 2


def test_what_cannot_be_opened_is_listed(tmp_path):
    src = tree(tmp_path / "Set", "fake/good.png", "fake/torn.jpg", "real/good.jpg")
    (src / "fake" / "text.png").write_text("no image")
    (src / "fake" / "empty.png").touch()
    (src / "fake" / "torn.jpg").write_bytes((src / "fake" / "torn.jpg").read_bytes()[:-60])
    done = Converted(src, tmp_path / "out", "--check", "decode")
    assert set(done.of()) == {"fake/good.png", "real/good.jpg"}
    assert {name: reason[:30] for name, reason in done.rejects.items()} == {
        "fake/empty.png": "media: the file has 0 bytes; 1",
        "fake/text.png": "media: the image cannot be rea",
        "fake/torn.jpg": "media: the image cannot be rea",
    }
    assert done.manifest["rows_in"] == 5


def test_links_are_followed_only_to_files_below_the_folder(tmp_path):
    src = tree(tmp_path / "Set", "fake/a.png", "pool/b.png")
    secret = tree(tmp_path / "secret", "s.png")
    (src / "fake" / "in.png").symlink_to(src / "pool" / "b.png")
    (src / "fake" / "again.png").symlink_to(src / "fake" / "a.png")
    (src / "fake" / "out.png").symlink_to(secret / "s.png")
    (src / "real").symlink_to(secret)
    done = Converted(src, tmp_path / "out")
    assert {row["id"]: row["images"] for row in done.rows} == {
        "fake/a.png": [str(src / "fake/a.png")],
        "fake/in.png": [str(src / "pool/b.png")],
    }
    assert {name: reason.split(":")[0] for name, reason in done.rejects.items()} == {
        "fake/again.png": "duplicate",
        "fake/out.png": "image",
        "real": "link",
        "pool/b.png": "label",
    }


def test_a_name_that_is_no_text_costs_its_image(tmp_path):
    src = tree(tmp_path / "Set", "fake/a.png")
    (src / "fake" / "\udcff.png").write_bytes((src / "fake" / "a.png").read_bytes())  # the byte 0xff on the disk
    done = Converted(src, tmp_path / "out")
    assert list(done.of()) == ["fake/a.png"]
    assert done.rejects == {"fake/\\udcff.png": "name: it is not UTF-8; rename the file"}


def test_a_folder_that_cannot_be_listed_is_no_secret(tmp_path, monkeypatch):
    src = tree(tmp_path / "Set", "fake/a.png", "real/b.png")
    scandir = os.scandir

    def closed(path):
        if str(path).endswith("/real"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    assert Converted(src, tmp_path / "out").rejects == {"real": "folder: it cannot be listed: Permission denied"}


def test_shortcuts_of_the_files_are_reported(convert, capsys):
    folders = [f"{split}/{name}" for split in ("train", "test") for name in ("real/{}.jpg", "fake/{}.png")]
    done = convert(*(name.format(i) for name in folders for i in range(4)))
    assert done.manifest["image_audit"]["rules"]["format"]["balanced_accuracy"] == 100.0
    assert "shortcut: format alone gives 100.0 % balanced accuracy on 8 images" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ((), "is no folder"),
        (("a.txt", "b.txt"), "holds no images, only other files: 2 .txt"),
        (("x/1.png",), "no usable image; the first one: x/1.png: label"),
    ],
)
def test_a_folder_without_anything_usable_is_refused(tmp_path, refused, names, complaint):
    tree(tmp_path / "Set", *names)
    assert complaint in refused()
    assert not (tmp_path / "out" / "manifest.json").exists()
