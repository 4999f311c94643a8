"""The synthetic dataset: laid out as published, the same for the same seed, and solvable by its pixels alone."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from converters.sample_deeptrace import FPS, FRAMES, main
from converters.samples.drawing import SIZE
from swift_plugins.core.checks import check_media
from swift_plugins.core.media import Media
from swift_plugins.core.tasks.deeptrace import CATEGORIES, categories_in


@pytest.fixture(scope="module")
def rows(sample) -> list[dict[str, Any]]:
    return json.loads((sample / "all_data.json").read_text(encoding="utf-8"))


def kind(rows: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["video_type"] == name]


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_layout_is_the_published_one(sample, rows):
    assert sorted(path.name for path in sample.iterdir()) == ["all_data.json", "real_videos", "videos"]
    on_disk = {name for name in files(sample) if name.endswith(".mp4")}
    assert {row["video_path"] for row in rows} == on_disk
    assert [row["video_type"] for row in rows] == ["fake_video"] * 12 + ["real_video"] * 12
    assert all(len(row["video_id"]) == 25 for row in kind(rows, "fake_video"))
    assert all(row["video_id"].startswith("0_30_s_academic_v0_1_") for row in kind(rows, "real_video"))


def test_labels_are_balanced_in_every_split(rows):
    counts = Counter((row["split"], row["video_type"]) for row in rows)
    assert counts == {
        ("train", "fake_video"): 9,
        ("train", "real_video"): 9,
        ("val", "fake_video"): 2,
        ("val", "real_video"): 2,
        ("test", "fake_video"): 1,
        ("test", "real_video"): 1,
    }


def test_no_two_clips_are_the_same(sample, rows):
    assert len({row["video_id"] for row in rows}) == 24
    assert len(set(files(sample).values())) == 25  # no split holds a clip of another


def test_every_category_is_named_by_tag_and_explanation(rows):
    named = Counter()
    for row in kind(rows, "fake_video"):
        (tag,) = row["faketrace_check_applies"]
        (category,) = categories_in(tag)
        assert category in categories_in(row["faketrace_explanations"])
        named[category] += 1
    assert named.keys() == set(CATEGORIES)


def test_nothing_but_pixels_tells_real_from_fake(sample, rows):
    """Size, length, rate, sound and codec agree, both in the files and in the annotations."""
    forms = set()
    for row in rows:
        assert check_media(str(sample / row["video_path"]), "decode") == Media(
            SIZE, SIZE, FRAMES / FPS, FRAMES, False, FRAMES / FPS, FPS
        )
        with av.open(str(sample / row["video_path"])) as container:
            stream = container.streams.video[0]
            forms.add((stream.codec_context.name, stream.codec_context.pix_fmt, stream.average_rate))
        stated = ("width", "height", "frame_rate", "frame_count", "duration", "mime_type")
        assert [row[f"video_{key}"] for key in stated] == [SIZE, SIZE, FPS, FRAMES, FRAMES / FPS, "video/mp4"]
    assert len(forms) == 1


def changes(sample: Path, row: dict[str, Any]) -> np.ndarray:
    """[n, y, x]: where frame n + 2 (1-based) differs visibly from the one before it."""
    with av.open(str(sample / row["video_path"])) as container:
        frames = np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)]).astype(int)
    return abs(np.diff(frames, axis=0)).max(axis=3) > 60


def test_a_trace_begins_at_its_frame_and_lies_in_its_box(sample, rows):
    for row in kind(rows, "fake_video"):
        changed, onset, box = changes(sample, row), row["faketrace_first_frame"] - 2, row["faketrace_bbox"]
        x, y, side = box["left"], box["top"], box["width"]
        assert 0 <= min(x, y) <= max(x, y) + side <= SIZE
        inside = changed[onset, y : y + side, x : x + side].sum()
        assert inside > 300, row["faketrace_explanations"]
        assert changed[onset].sum() - inside < 0.1 * inside
        assert changed[:onset].sum(axis=(1, 2)).max(initial=0) < 100


def test_a_real_clip_has_no_sudden_change(sample, rows):
    for row in kind(rows, "real_video"):
        assert changes(sample, row).sum(axis=(1, 2)).max() < 100


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """Make four clips with these options, all else by default; returns the hash of every file."""

    def call(*options: str) -> dict[str, str]:
        out = tmp_path_factory.mktemp("made")
        assert main(["--out", str(out), "--train", "2", "--val", "1", "--test", "1", *options]) == 0
        return files(out)

    return call


def test_the_seed_decides_every_byte(make):
    first = make("--workers", "2")
    assert make("--workers", "1") == first
    assert not make("--seed", "1").keys() & (first.keys() - {"all_data.json"})


def test_more_clips_leave_the_others_as_they_are(make):
    few, more = make(), make("--train", "4")
    del few["all_data.json"]
    assert few.items() <= more.items()


def test_training_alone_may_have_more_fake_clips_than_real_ones(tmp_path):
    counts = ("--train", "10", "--val", "2", "--test", "2", "--workers", "1")
    assert main(["--out", str(tmp_path), "--fakes", "4", *counts]) == 0
    made = json.loads((tmp_path / "all_data.json").read_text(encoding="utf-8"))
    assert Counter((row["split"], row["video_type"]) for row in made) == {
        ("train", "fake_video"): 8,
        ("train", "real_video"): 2,
        ("val", "fake_video"): 1,
        ("val", "real_video"): 1,
        ("test", "fake_video"): 1,
        ("test", "real_video"): 1,
    }
    named = [row["faketrace_check_applies"] for row in kind(made, "fake_video") if row["split"] == "train"]
    assert len({*map(tuple, named)}) == 8  # the categories take turns


@pytest.mark.parametrize(
    ("option", "value", "least"),
    [
        ("--workers", "0", 1),
        ("--train", "0", 1),
        ("--train", "-1", 1),
        ("--val", "-1", 0),
        ("--test", "x", 0),
        ("--seed", "-1", 0),
    ],
)
def test_a_number_that_makes_no_sense_is_refused(tmp_path, capsys, option, value, least):
    with pytest.raises(SystemExit, match="2"):
        main(["--out", str(tmp_path / "out"), f"{option}={value}"])
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith(f"argument {option}: must be a whole number of at least {least}, got {value!r}")
    assert not (tmp_path / "out").exists()
