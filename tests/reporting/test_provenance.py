"""A report shows what its run read, and nothing else that predictions name."""

from __future__ import annotations

import os

import pytest
from PIL import Image

from swift_plugins.core.media import content_hash
from swift_plugins.core.records import encode
from tests.scorers.test_fakevlm import answered
from tests.scoring import score_rows, shown_case


@pytest.fixture
def place(tmp_path):
    """Three folders, each with a picture: the run's output, its data, and what is private."""
    for name, colour in (("out", "teal"), ("data", "teal"), ("private", "red")):
        (tmp_path / name).mkdir()
        Image.new("RGB", (40, 30), colour).save(tmp_path / name / "x.png")
    return tmp_path


def shown(place, *images, digest=None, gold=None):
    """How many pictures the report has of predictions for these images, of which the row states `digest`."""
    row = answered("a", "fake", "This is a fake image.") | {"images": [*images]} | {"media_sha256": digest}
    flags = []
    if gold:
        (place / "gold.jsonl").write_bytes(encode(row | {"images": [str(gold)]}))
        flags = ["--gold", place / "gold.jsonl"]
    score_rows(place / "out", [row], *flags, "--out", place / "report")
    return sum("at" in picture for picture in shown_case(place / "report", "a")["pictures"])


def test_a_picture_that_the_run_read_is_shown(place):
    image = str(place / "data" / "x.png")
    assert shown(place, image, digest=content_hash([image])) == 1
    assert shown(place, image, image, digest=content_hash([image])) == 2
    assert shown(place, image, gold=image) == 1


def test_a_file_that_the_predictions_only_name_is_not(place):
    """Wherever it lies, also beside the predictions, and whatever other file they know."""
    known, private = str(place / "data" / "x.png"), str(place / "private" / "x.png")
    os.symlink(private, place / "out" / "link.png")
    os.rename(place / "out" / "x.png", place / "out" / "mine.png")
    for image in (private, f"{place}/out/../private/x.png", f"{place}/out/link.png", f"{place}/out/mine.png"):
        assert shown(place, image) == 0
        assert shown(place, image, digest=content_hash([f"{place}/no.png"])) == 0
    for image in (private, f"{place}/out/link.png"):
        assert shown(place, image, digest=content_hash([known])) == 0
        assert shown(place, known, image, digest=content_hash([known])) == 0
        assert shown(place, image, gold=known) == 0
    page = (place / "report" / "report.html").read_text()
    assert "not shown: what its file holds, if" in page
    assert "private" not in page  # nor is there a link to it


def test_a_file_that_is_another_one_by_now_is_not(place):
    image = place / "data" / "x.png"
    digest = content_hash([str(image)])
    os.replace(place / "private" / "x.png", image)
    assert shown(place, str(image), digest=digest) == 0


@pytest.mark.parametrize("images", [[5], [["x.png"]], [None], [{"path": "x.png"}]])
def test_what_is_no_path_is_not_read_as_one(place, monkeypatch, images):
    monkeypatch.chdir(place / "data")
    os.rename("x.png", "5")
    assert shown(place, *images) == 0
