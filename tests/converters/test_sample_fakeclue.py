"""The synthetic FakeClue: laid out as published, the same for the same seed, and solvable by looking alone."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from converters.sample_fakeclue import ARTIFACTS, INTACT, PAINT, PLACES, SUBJECTS, ground, main, paint
from converters.samples.drawing import CELL, SIZE
from swift_plugins.core.tasks import fakevlm

SMALL = ["--train", "56", "--test", "28"]
LABELS = {0: "fake", 1: "real"}


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("made") / "FakeClue"
    assert main(["--out", str(out), *SMALL]) == 0
    return out


@pytest.fixture(scope="module")
def rows(made) -> dict[str, list[dict[str, Any]]]:
    return {split: json.loads((made / "data_json" / f"{split}.json").read_text()) for split in ("train", "test")}


def test_layout_and_rows_are_the_published_ones(made, rows):
    named = {f"{split}/{row['image']}" for split in rows for row in rows[split]}
    assert named | {"data_json/train.json", "data_json/test.json"} == set(files(made))
    assert {split: len(some) for split, some in rows.items()} == {"train": 56, "test": 28}
    for row in rows["train"] + rows["test"]:
        assert list(row) == ["image", "label", "cate", "width", "height", "conversations"]
        question, answer = row["conversations"]
        assert question == {"from": "human", "value": "<image>Does the image looks real/fake?"}
        assert answer["from"] == "gpt"
        parsed = fakevlm.parse_trained(answer["value"]).answer
        assert parsed.verdict == LABELS[row["label"]]
        assert f"/{parsed.verdict}/" in row["image"]
    assert Counter((row["cate"], row["label"]) for row in rows["test"]) == dict.fromkeys(
        ((category, label) for category in SUBJECTS for label in LABELS), 2
    )


def test_frames_of_one_video_show_the_same_and_no_video_is_in_both_splits(rows):
    texts: dict[str, set[str]] = {}
    for split in rows:
        for row in rows[split]:
            if row["cate"] == "deepfake":
                match = re.fullmatch(r"ff\+\+/(?:real/youtube|fake/\w+)/c23/frames/([\d_]+)/\d{3}\.png", row["image"])
                texts.setdefault(f"{row['label']}/{match.group(1)}", set()).add(row["conversations"][1]["value"])
    assert {len(some) for some in texts.values()} == {1}
    people = {
        split: {n for row in rows[split] for n in re.findall(r"\b(\d{3})(?=[_/])", row["image"])} for split in rows
    }
    assert people["train"]
    assert not people["train"] & people["test"]


def test_form_tells_nothing(made, rows):
    """Formats, sizes and compression agree for both labels of every category."""
    found: dict[tuple[str, int], Counter] = {}
    for row in rows["train"]:
        with Image.open(made / "train" / row["image"]) as image:
            tables = str(getattr(image, "quantization", None))
            found.setdefault((row["cate"], row["label"]), Counter())[image.size, image.format, image.mode, tables] += 1
    for category in SUBJECTS:
        assert found[category, 0] == found[category, 1]
    assert {size for counts in found.values() for size, *_ in counts} == {(SIZE, SIZE)}


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(made, tmp_path):
    assert main(["--out", str(tmp_path / "again"), *SMALL, "--workers", "1"]) == 0
    assert files(tmp_path / "again") == files(made)
    assert main(["--out", str(tmp_path / "other"), *SMALL, "--seed", "1"]) == 0
    pictures = [
        {name for name in files(folder).items() if "data_json" not in name[0]} for folder in (tmp_path / "other", made)
    ]
    assert not pictures[0] & pictures[1]


def test_no_image_is_in_two_splits(made):
    digests = files(made)
    train, test = ({d for name, d in digests.items() if name.startswith(split)} for split in ("train/", "test/"))
    assert len(train) == 56
    assert not train & test


@pytest.mark.parametrize("category", ["deepfake", "object", "animal", "doc"])
def test_the_place_in_the_text_is_where_the_subjects_paint_is(made, rows, category):
    """For subjects whose paint stands out from what lies behind them."""
    for row in [row for row in rows["train"] if row["cate"] == category]:
        text = row["conversations"][1]["value"]
        picture = np.asarray(Image.open(made / "train" / row["image"]).convert("RGB"), float)
        paint_here = abs(picture - PAINT[category]).max(-1) < 30
        cells = [
            paint_here[CELL * y : CELL * (y + 1), CELL * x : CELL * (x + 1)].sum() for x in range(3) for y in range(3)
        ]
        assert f", {PLACES[int(np.argmax(cells))]}, " in text, row["image"]


@pytest.mark.parametrize("category", SUBJECTS)
def test_every_artifact_can_be_seen(category):
    """Each leaves the subject otherwise than all the others do, on the same ground."""
    drawn = []
    for artifact in (None, *ARTIFACTS):
        picture = ground(np.random.default_rng(0), category)
        paint(picture, category, SIZE / 2, SIZE / 2, 18, artifact)
        drawn.append(picture)
    for i, one in enumerate(drawn):
        for other in drawn[:i]:
            assert (abs(one - other).max(-1) > 25).sum() > 60


def test_each_text_says_one_thing(rows):
    for row in rows["train"] + rows["test"]:
        text = row["conversations"][1]["value"]
        assert sum(words in text for words in [*ARTIFACTS.values(), INTACT]) == 1
        assert (INTACT in text) == (row["label"] == 1)
        assert f"The {SUBJECTS[row['cate']]}, " in text


def test_what_is_too_much_or_in_the_way_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--out", str(tmp_path / "x"), "--train", "999999"])
    assert "--train must be at most 19600" in capsys.readouterr().err
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match="2"):
        main(["--out", str(tmp_path)])
    assert "is not empty" in capsys.readouterr().err
