"""A report shows what its run read, and nothing else that predictions name."""

from __future__ import annotations

import json
import os

import pytest
from PIL import Image

from swift_plugins.core.records import sha256_file
from tests.scorers.test_fakevlm import answered
from tests.scoring import score_rows


@pytest.fixture
def place(tmp_path):
    """Three folders: the run's output, its data, and what is private, each of the last two with a picture."""
    for name in ("out", "data", "private"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (40, 30), "teal").save(tmp_path / name / "x.png")
    return tmp_path


def shown(place, image, *flags, data=None, digest=None):
    """How many pictures the report has of predictions of one image, after a run on the data."""
    row = answered("a", "fake", "This is a fake image.") | {"images": [str(image)]}
    if data:
        record = {"path": str(data), "sha256": digest or sha256_file(data), "rows": 1}
        run = {"model": {"vision": {}}, "data": record, "versions": {}, "tasks": {}}
        (place / "out" / "out.jsonl.run.json").write_text(json.dumps(run))
    score_rows(place / "out", [row], *flags, "--out", place / "report")
    return (place / "report" / "report.html").read_text().count("data:image/jpeg")


def data_file(place, image):
    path = place / "data" / "test.jsonl"
    row = answered("a", "fake", "This is a fake image.") | {"images": [str(image)]}
    path.write_text(json.dumps(row) + "\n")
    return path


def test_a_picture_of_the_runs_own_data_is_shown(place):
    image = place / "data" / "x.png"
    data = data_file(place, image)
    assert shown(place, image, data=data) == 1
    assert shown(place, image, "--gold", data) == 1


def test_a_file_that_only_the_predictions_name_is_not(place):
    data = data_file(place, place / "data" / "x.png")
    for image in (place / "private" / "x.png", place / "out" / ".." / "private" / "x.png"):
        assert shown(place, image) == 0
        assert shown(place, image, data=data) == 0
    os.symlink(place / "private" / "x.png", place / "out" / "link.png")
    assert shown(place, place / "out" / "link.png") == 0
    assert "not shown: it stands neither" in (place / "report" / "report.html").read_text()


def test_a_data_file_that_is_no_longer_the_one_that_was_read_vouches_for_nothing(place):
    image = place / "data" / "x.png"
    assert shown(place, image, data=data_file(place, image), digest="0" * 64) == 0
    assert shown(place, image, data=place / "data", digest="0" * 64) == 0


def test_what_lies_beside_the_predictions_came_with_them(place):
    assert shown(place, place / "out" / "x.png") == 1
