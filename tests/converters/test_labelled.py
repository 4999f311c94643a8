"""Exports of annotation tools: the same traces come out of each, and what several people say becomes one row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from converters import cvat_to_swift, label_studio_to_swift, labelbox_to_swift
from swift_plugins.core.records import check_row
from swift_plugins.core.tasks import deeptrace
from tests.converters.labels import (
    labelbox_label,
    labelbox_row,
    radio,
    studio_annotation,
    studio_task,
    write_cvat,
    write_labelbox,
)
from tests.converters.test_ffpp import write_video
from tests.converters.test_own_table import Converted

BOX = (16, 12, 32, 24)  # left, top, width, height; xyxy is 16, 12, 48, 36


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    src = tmp_path_factory.mktemp("clips") / "Set"
    for i, name in enumerate("ab"):
        write_video(src / f"{name}.mp4", 12 + i)
    return src


@pytest.fixture
def convert(clips, tmp_path, capsys):
    """Convert an export by a converter's main."""

    def call(main, export: Path, *options: str, fails: bool = False) -> Converted | None:
        out = tmp_path / "out"
        code = main(["--src", str(clips), "--export", str(export), "--out", str(out), "--workers", "1", *options])
        call.said = capsys.readouterr()
        assert code == 2 * fails, call.said.err
        return None if fails else Converted(out)

    return call


def boxes(convert, tmp_path, *labels, **more):
    export = write_labelbox(tmp_path / "e.ndjson", labelbox_row("a.mp4", *labels))
    return convert(labelbox_to_swift.main, export, **more)


def at(frame: str, box: Any, listed: bool = False) -> dict[str, Any]:
    """A label whose one frame has this box."""
    one = {"feature_id": "f", "bounding_box": box}
    objects = [one] if listed else {"f": one}
    return {"frames": {frame: {"objects": objects}}, "segments": {}, "key_frame_feature_map": {}}


SIDES = ("left", "top", "width", "height")


def test_each_tool_gives_the_same_trace(convert, tmp_path):
    real = labelbox_row("b.mp4", labelbox_label({}, "real"))
    for newer in (True, False):
        traced = labelbox_row("a.mp4", labelbox_label({"f": (5, 10, BOX)}, newer=newer))
        found = [convert(labelbox_to_swift.main, write_labelbox(tmp_path / "e.ndjson", traced, real))]
    write_cvat(tmp_path / "cvat" / "1.xml", "a.mp4", (5, 11, (16, 12, 48, 36)))
    write_cvat(tmp_path / "cvat" / "2.xml", "b.mp4", tag="real")
    found.append(convert(cvat_to_swift.main, tmp_path / "cvat"))
    tasks = [
        studio_task("/data/upload/1/0123abcd-a.mp4", studio_annotation((5, 10, (25, 25, 50, 50)))),
        studio_task("/data/local-files/?d=b.mp4", studio_annotation(verdict="real")),
    ]
    (tmp_path / "s.json").write_text(json.dumps(tasks))
    found.append(convert(label_studio_to_swift.main, tmp_path / "s.json"))
    for done in found:
        fake, true = done.rows
        check_row(fake)
        assert fake["messages"][1]["content"] == (
            "FAKE. The video is AI-generated. The unnatural part is at [16, 12, 48, 36] starting 0.2 seconds."
            " The reason is because The leg melts."
        )
        assert true["messages"][1]["content"] == deeptrace.REAL_ANSWER
        assert fake["meta"]["end"] == pytest.approx(0.4)
        assert fake["meta"]["categories"] == ["object merging"]
        assert (fake["meta"]["annotators"], fake["meta"]["box_iou"]) == (1, None)
        assert "someone@lab" not in json.dumps(fake)
        assert [*fake["meta"]] == [*true["meta"]]


def test_what_three_people_marked_becomes_the_median_box_and_the_earliest_agreed_onset(convert, tmp_path):
    done = boxes(
        convert,
        tmp_path,
        labelbox_label({"f": (3, 10, (16, 12, 32, 24))}, reason=""),
        labelbox_label({"g": (5, 12, (18, 12, 32, 24)), "lone": (1, 2, (0, 0, 8, 8))}, reason="It merges."),
        labelbox_label({"h": (9, 11, (20, 14, 32, 24))}, reason="The hand merges."),
    )
    (row,) = done.rows
    meta = row["meta"]
    assert meta["bbox"] == [18.0, 12.0, 50.0, 36.0]
    assert (meta["start"], meta["end"]) == (5 / 25, 11 / 25)  # by then two of the three had begun, and not yet ended
    assert meta["explanation"] == "It merges."  # of the one whose box is nearest
    assert (meta["annotators"], meta["agreed"], meta["said_fake"]) == (3, 3, 3)
    overlaps = [inner / (2 * 32 * 24 - inner) for inner in (30 * 24, 28 * 22, 30 * 22)]
    assert meta["box_iou"] == pytest.approx(sum(overlaps) / 3, abs=1e-4)
    assert meta["onset_spread"] == pytest.approx(6 / 25)
    assert [*done.rejects.values()] == ["disagreement: 1 of 3 people marked the trace at 1"]
    assert done.manifest["consensus"] == {
        "videos": 1,
        "videos_of_several_people": 1,
        "rows_disagreed_on": 1,
        "mean_box_iou": meta["box_iou"],
        "mean_onset_spread_frames": 6,
    }


@pytest.mark.parametrize(("agree", "start"), [("1", 3 / 25), ("3", 9 / 25)])
def test_how_many_must_agree_can_be_said(convert, tmp_path, agree, start):
    labels = [labelbox_label({"f": (first, 12, BOX)}) for first in (3, 5, 9)]
    export = write_labelbox(tmp_path / "e.ndjson", labelbox_row("a.mp4", *labels))
    assert convert(labelbox_to_swift.main, export, "--agree", agree).of("start") == [(start,)]


def test_two_traces_of_one_person_are_never_one(convert, tmp_path):
    twice = labelbox_label({"f": (3, 12, BOX), "g": (3, 12, (17, 12, 32, 24))})
    done = boxes(convert, tmp_path, twice, labelbox_label({"h": (3, 12, BOX)}))
    assert done.of("agreed", "bbox") == [(2, [16, 12, 48, 36]), (1, [17, 12, 49, 36])]


def test_traces_that_do_not_meet_in_time_are_two(convert, tmp_path):
    done = boxes(convert, tmp_path, labelbox_label({"f": (1, 3, BOX)}), labelbox_label({"h": (6, 9, BOX)}))
    assert done.of("agreed", "start") == [(1, 1 / 25), (1, 6 / 25)]


def test_the_majority_says_what_a_video_is_and_a_tie_nothing(convert, tmp_path):
    fake, real = labelbox_label({"f": (3, 12, BOX)}), labelbox_label({}, "real")
    done = boxes(convert, tmp_path, real, fake, real)
    assert done.of("label", "said_fake", "agreed") == [("real", 1, 2)]
    boxes(convert, tmp_path, real, fake, fails=True)
    assert "disagreement: 1 of 2 people say fake" in convert.said.err
    skipped = real | {"performance_details": {"skipped": True}}
    assert boxes(convert, tmp_path, skipped, fake).of("label", "annotators") == [("fake", 1)]


def test_a_label_that_says_nothing_is_not_taken_for_real_unless_told(convert, tmp_path):
    export = write_labelbox(tmp_path / "e.ndjson", labelbox_row("a.mp4", labelbox_label({})))
    convert(labelbox_to_swift.main, export, fails=True)
    assert "if that means real, say --untraced real" in convert.said.err
    assert convert(labelbox_to_swift.main, export, "--untraced", "real").of("label") == [("real",)]
    german = write_labelbox(tmp_path / "e.ndjson", labelbox_row("a.mp4", labelbox_label({}, "echt")))
    assert convert(labelbox_to_swift.main, german, "--label-map", "echt=real").of("label") == [("real",)]
    nobody = write_labelbox(tmp_path / "e.ndjson", labelbox_row("a.mp4"))
    convert(labelbox_to_swift.main, nobody, fails=True)
    assert "nobody has labelled the video" in convert.said.err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"frames": {"x": {}}}, "frames: 'x' is no number of a frame"),
        ({"frames": {"1": {"classifications": [{"checklist_answers": 1}]}}}, "malformed row: "),
        (at("1", {"left": 1}), "malformed row: Object missing required field `top`"),
        (at("1", dict.fromkeys(SIDES, 0), True), "box: "),
        (at("20", dict(zip(SIDES, BOX, strict=True))), "onset outside the "),
        ({"segments": {"f": [["a", 2]]}}, "malformed row: "),
        (
            {"classifications": [radio("v", "real"), radio("v", "fake")]},
            "contradiction: a label says both real and fake",
        ),
        ({"classifications": [radio("v", "real")]}, "contradiction: a label says real, and marks a trace"),
    ],
)
def test_a_label_that_cannot_be_costs_its_video(convert, tmp_path, change, said):
    wrong, good = labelbox_label({"f": (3, 12, BOX)}), labelbox_row("b.mp4", labelbox_label({}, "real"))
    wrong["annotations"] |= change
    done = convert(labelbox_to_swift.main, write_labelbox(tmp_path / "e.ndjson", labelbox_row("a.mp4", wrong), good))
    assert done.of("label") == [("real",)]
    assert done.rejects["e.ndjson:1"].startswith(said)


def test_of_several_projects_one_is_to_be_named(convert, tmp_path):
    row = labelbox_row("a.mp4", labelbox_label({"f": (3, 12, BOX)}))
    row["projects"]["p2"] = {"name": "Other", "labels": [labelbox_label({}, "real")]}
    export = write_labelbox(tmp_path / "e.ndjson", row)
    convert(labelbox_to_swift.main, export, fails=True)
    assert "labels of 2 projects; name one with --project: p1 (Traces), p2 (Other)" in convert.said.err
    assert convert(labelbox_to_swift.main, export, "--project", "p2").of("label") == [("real",)]


def test_files_of_one_video_are_several_peoples(convert, tmp_path):
    for i, first in enumerate((2, 4, 6)):
        write_cvat(tmp_path / "cvat" / f"{i}.xml", "a.mp4", (first, 11, (16, 12, 48, 36)))
    assert convert(cvat_to_swift.main, tmp_path / "cvat").of("start", "annotators") == [(4 / 25, 3)]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('<image id="0"/>', "it is one for images; export the task as CVAT for video 1.1"),
        ('<track><box frame="x"/></track>', "frame: 'x' is no number"),
        ('<track><box frame="1" xtl="nan"/></track>', "box: 'nan' is no number"),
        ('<track><box frame="1" rotation="9"/></track>', "box: it is turned, which is not read"),
        ('<tag label="real"/><tag label="fake"/>', "contradiction: its tags say both real and fake"),
        ("<track>", "not the XML that is read"),
    ],
)
def test_a_file_of_cvat_that_cannot_be_costs_its_video(convert, tmp_path, body, said):
    write_cvat(tmp_path / "cvat" / "1.xml", "a.mp4", body=body)
    write_cvat(tmp_path / "cvat" / "2.xml", "b.mp4", tag="real")
    assert said in convert(cvat_to_swift.main, tmp_path / "cvat").rejects["1.xml"]


@pytest.mark.parametrize("text", ["<a/>", "<!DOCTYPE a [<!ENTITY b 'c'>]><annotations/>", "nothing"])
def test_what_is_no_export_of_cvat_is_refused(convert, tmp_path, text):
    (tmp_path / "e.xml").write_text(text)
    convert(cvat_to_swift.main, tmp_path / "e.xml", fails=True)
    assert "e.xml: no export of CVAT for video 1.1" in convert.said.err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rotation": 5}, "box: it is turned"),
        ({"width": 0}, "box: "),
        ({"frame": "x"}, "malformed row: "),
        ({"x": 80}, "box: [51.2, 12.0, 83.2, 36.0] px go over the frame, 64x48"),
    ],
)
def test_a_task_of_label_studio_that_cannot_be_costs_its_video(convert, tmp_path, change, said):
    wrong = studio_annotation((5, 10, (25, 25, 50, 50)))
    wrong["result"][0]["value"]["sequence"][0] |= change
    tasks = [studio_task("a.mp4", wrong), studio_task("b.mp4", studio_annotation(verdict="real"))]
    (tmp_path / "s.json").write_text(json.dumps(tasks))
    assert convert(label_studio_to_swift.main, tmp_path / "s.json").rejects["s.json[0]"].startswith(said)
    (tmp_path / "s.json").write_text(json.dumps([{"video": "a.mp4", "box": []}]))
    convert(label_studio_to_swift.main, tmp_path / "s.json", fails=True)
    assert "export as JSON, not as JSON-MIN" in convert.said.err
