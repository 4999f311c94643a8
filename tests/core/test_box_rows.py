"""Rows in source pixels, stated in another space: as if they had been converted for it."""

from __future__ import annotations

import pytest

from converters import deeptrace_to_swift
from swift_plugins.core.box_rows import restated, space_of
from swift_plugins.core.boxes import to_pixels
from swift_plugins.core.settings import BOX_SPACE
from swift_plugins.core.tasks import deeptrace
from tests.launcher import rows

LIMITS = {"VIDEO_MIN_PIXELS": "784", "VIDEO_MAX_PIXELS": "7056"}


@pytest.fixture(scope="module")
def converted(sample, tmp_path_factory):
    """A function that gives the training rows of the sample, converted with these options."""

    def convert(*options):
        out = tmp_path_factory.mktemp("converted")
        assert deeptrace_to_swift.main(["--src", str(sample), "--out", str(out), "--check", "none", *options]) == 0
        return rows(out / "train.jsonl")

    return convert


@pytest.mark.parametrize("space", ["norm1000", "resized", "ratio", "pixel"])
def test_rows_are_as_the_converter_would_have_written_them(converted, space):
    limits = ["--min-pixels", "784", "--max-pixels", "7056"] if space == "resized" else []
    stated = [restated(row, LIMITS | {BOX_SPACE: space}) for row in converted()]
    assert stated == converted("--box-space", space, *limits)
    fakes = [row for row in stated if row["meta"]["label"] == "fake"]
    for row in fakes:  # and what is said lies where the truth does
        meta = row["meta"]
        box = deeptrace.parse_trained(row["messages"][1]["content"]).answer.bbox
        back = to_pixels(box, meta["width"], meta["height"], meta["box_width"], meta["box_height"])
        assert back == pytest.approx(meta["bbox"], abs=1.5)
    assert len(fakes) == 9


def test_without_a_setting_or_a_box_rows_stay_as_they_are(converted):
    row = converted()[0]
    assert restated(row, {}) is row
    for other in (row | {"task": "fakevlm"}, {"messages": []}, row | {"meta": None}):
        assert restated(other, {BOX_SPACE: "norm1000"}) is other
        assert space_of(other) is None
    bare = next(row for row in converted("--setting", "label_only") if row["meta"]["label"] == "fake")
    found = restated(bare, {BOX_SPACE: "norm1000"})
    assert (found["messages"], space_of(found)) == (bare["messages"], "norm1000")


@pytest.mark.parametrize(
    ("change", "space", "problem"),
    [
        ({"box_space": "norm1000"}, "resized", "stated in norm1000, for another base; here they are to be in resized"),
        ({"box_space": "resized"}, "pixel", "stated in resized, for another base"),
        ({"width": None}, "norm1000", "its box cannot be stated in norm1000: its meta lacks what that takes"),
        ({"fps": None}, "resized", "its box cannot be stated in resized"),
        ({}, "norm100", "unknown box space 'norm100'; did you mean 'norm1000'"),
    ],
)
def test_a_row_that_cannot_be_restated_says_why(converted, change, space, problem):
    fake = next(row for row in converted() if row["meta"]["label"] == "fake")
    with pytest.raises(ValueError, match=problem):
        restated(fake | {"meta": fake["meta"] | change}, {BOX_SPACE: space})
