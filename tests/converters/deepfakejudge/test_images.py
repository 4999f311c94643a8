"""The images of DeepfakeJudge: checked, kept below the dataset, and held against leakage and shortcuts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from converters.conversion.audit import audit_lines
from converters.layouts.deepfakejudge import SUBSETS
from tests.converters.deepfakejudge.making import NAMES, Converted, pairwise, pointwise, source
from tests.converters.deepfakejudge.test_bad_input import fate


@pytest.mark.parametrize("level", ["none", "header", "decode"])
def test_check_rejects_what_the_files_contradict(tmp_path, capsys, level):
    rows = [pointwise(i) for i in range(6)]
    src = source(
        tmp_path / "Judge",
        {
            "pointwise/test": [
                *rows,
                pointwise(1, images=["images/cut.png"]),
                pointwise(1, images=["./images/none.png"]),
                pointwise(1, images=["images/none.png"]),
                pointwise(1, images=["images/" + "n" * 400 + ".png"]),
                pointwise(1, images=["images"]),
                pointwise(1, images=["images/text.png"]),
            ]
        },
    )
    images = (src / SUBSETS["pointwise/test"].path).parent / "images"
    Image.frombytes("RGB", (90, 90), os.urandom(90 * 90 * 3)).save(images / "cut.png")
    (images / "cut.png").write_bytes((images / "cut.png").read_bytes()[:9000])
    (images / "text.png").write_text("no picture")
    done = Converted(src, tmp_path / "out", "--check", level)
    told = capsys.readouterr().out
    if level == "none":
        assert (len(done.rows), done.manifest["media_checked"], done.manifest["media_missing"]) == (12, "none", 3)
        assert "note: 3 images are not there" in told
        assert len({row["meta"]["media_id"] for row in done.rows}) == 11  # with ./ or without, it is one image
        return
    reasons = {reject["id"].split("/")[-1]: reject["reason"] for reject in done.rejects}
    assert reasons.keys() == {*["7"] * (level == "decode"), "8", "9", "10", "11", "12"}  # cut short is seen by decoding
    assert done.manifest["reject_reasons"] == {"media": len(reasons)}
    assert len(done.rows) == 12 - len(reasons)
    assert reasons["8"] == "media: the file does not exist: './images/none.png'"
    assert reasons["12"].startswith("media: the image cannot be read")
    assert "note: " not in told


def test_a_link_may_stay_in_the_dataset_but_not_leave_it(tmp_path):
    rows = [pointwise(i) for i in range(6)]
    rows[0]["images"] = ["images/inside.png"]
    rows += [pointwise(0, images=["images/outside.png"]), pointwise(0, images=["away/a.png"])]
    src = source(tmp_path / "Judge", {"pointwise/test": rows})
    folder = (src / SUBSETS["pointwise/test"].path).parent
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    (folder / "images" / "inside.png").symlink_to("d.png")  # whose label it has
    (folder / "images" / "outside.png").symlink_to(tmp_path / "a.png")
    (folder / "away").symlink_to(tmp_path)
    done = Converted(src, tmp_path / "out")
    assert all(r["reason"].startswith("image: the path leaves Judge/: ") for r in fate(done, "pointwise/test", 2))
    assert done.rows[0]["images"] == [str(folder / "images" / "d.png")]


def test_a_video_is_no_image(tmp_path, sample):
    video = next((sample / "videos").iterdir())
    src = source(tmp_path / "Judge", {"pointwise/test": [*map(pointwise, range(6)), pointwise(0, images=["x.mp4"])]})
    (src / SUBSETS["pointwise/test"].path).with_name("x.mp4").write_bytes(video.read_bytes())
    (reject,) = fate(Converted(src, tmp_path / "out"), "pointwise/test")
    assert reject["reason"] == "media: a video: 'x.mp4'"


def shared_images(root: Path) -> Path:
    """Train has the test's image a under the name e and the human subset's as f; pairwise/train has pointwise's c."""
    src = source(
        root,
        {
            name: [(pairwise if name.startswith("pair") else pointwise)(i) for i in range(6)]
            for name in SUBSETS
            if name[0] == "p"
        },
    )
    images = {name: (src / SUBSETS[name].path).parent / "images" for name in SUBSETS}
    train = images["pointwise/train"]
    (train / "e.png").write_bytes((images["pointwise/test"] / "a.png").read_bytes())
    (train / "f.png").write_bytes((images["pointwise/human"] / "a.png").read_bytes())
    (images["pairwise/train"] / "c.png").write_bytes((images["pointwise/test"] / "c.png").read_bytes())
    (images["pairwise/human"] / "b.png").write_bytes((images["pairwise/test"] / "b.png").read_bytes())
    return src


@pytest.mark.parametrize("keep", [False, True])
def test_an_image_of_train_and_test_is_left_out_of_training_or_kept_and_told(tmp_path, capsys, keep):
    done = Converted(shared_images(tmp_path / "Judge"), tmp_path / "out", *["--keep-leaked"] * keep)
    assert done.manifest["leakage"]["shared"] == [
        {"subsets": ["pointwise/train", "pointwise/test"], "images": 1},
        {"subsets": ["pointwise/train", "pointwise/human"], "images": 1},
        {"subsets": ["pointwise/test", "pairwise/train"], "images": 1},
        {"subsets": ["pairwise/test", "pairwise/human"], "images": 1},
    ]
    assert set(done.manifest["leakage"]["images"].values()) == {6}
    told = capsys.readouterr().out
    out = "" if keep else ", whose rows are left out of training"
    assert f"  leakage: 1 images are both in pointwise/train and pointwise/test{out}\n" in told
    assert "  leakage: 1 images are both in pointwise/test and pairwise/train\n" in told
    assert "pairwise/human" not in "".join(line for line in told.splitlines() if "leakage" in line)
    assert done.manifest["options"]["keep_leaked"] == keep
    assert len(done.subsets["pairwise/train"]) == 6  # across tasks it is only told
    if keep:
        assert not done.rejects
        return
    assert [(reject["id"], reject["reason"]) for reject in done.rejects] == [
        ("pointwise/train/5", "leaked: the same image is in pointwise/test: 'images/e.png'"),
        ("pointwise/train/6", "leaked: the same image is in pointwise/human: 'images/f.png'"),
    ]
    assert len(done.subsets["pointwise/test"]) == 6


def test_leakage_is_found_without_a_check_of_the_media(tmp_path):
    done = Converted(shared_images(tmp_path / "Judge"), tmp_path / "out", "--check", "none")
    assert done.manifest["reject_reasons"] == {"leaked": 2}


@pytest.mark.parametrize("check", ["header", "none"])
def test_a_format_that_tells_the_label_is_reported(tmp_path, capsys, check):
    """Images a and d are real, as JPEGs here; b and e are fake and c and f edited, which counts as fake."""
    names = ("pointwise/train", "pointwise/test")
    parts = {name: [pointwise(i) for i in range(6)] for name in names}
    for rows in parts.values():
        for i in (0, 3):
            rows[i]["images"] = [f"images/{NAMES[i]}.jpg"]
    src = source(tmp_path / "Judge", parts)
    for name in names:
        for letter in "ad":
            image = (src / SUBSETS[name].path).with_name("images") / f"{letter}.png"
            with Image.open(image) as picture:
                picture.save(image.with_suffix(".jpg"))
    audit = Converted(src, tmp_path / "out", "--check", check).manifest["image_audit"]
    assert audit["images"] == 12
    assert audit["measured_on"] == "held-out splits"
    assert audit["rules"]["format"] == {
        "balanced_accuracy": 100.0,
        "n": 6,
        "values": [{"value": "JPEG", "real": 4, "fake": 0}, {"value": "PNG", "real": 0, "fake": 8}],
    }
    assert audit["rules"]["size"]["balanced_accuracy"] == (50.0 if check == "header" else None)
    assert "  shortcut: format alone gives 100.0 % balanced accuracy on 6 images" in capsys.readouterr().out


def test_the_sample_has_no_shortcut_of_its_files(whole):
    assert audit_lines(whole.manifest["image_audit"]) == []
