"""Rows against what a checkpoint was trained on: they must be like one of its datasets, and their boxes as it sees."""

from __future__ import annotations

import pytest

from swift_plugins.answering.rows import check_rows_fit, in_space
from swift_plugins.core.tasks import deeptrace
from swift_plugins.core.tasks.deeptrace_answer import Answer

FULL = {"task": "deeptrace", "task_version": deeptrace.VERSION, "box_space": "pixel", "setting": "full"}
BARE = FULL | {"setting": "label_only"}
NORM = FULL | {"box_space": "norm1000", "setting": "no_time"}
MIXED = [FULL, BARE, NORM]


def row(task="deeptrace", **meta):
    return {"id": "a", "task": task, "meta": {k: v for k, v in FULL.items() if k != "task"} | meta}


def check(rows, data, **model):
    check_rows_fit(rows, {"trained": {"data": data}} | model, "test.jsonl")


def test_a_row_that_fits_any_dataset_of_a_mixture_is_answered():
    check([row(), row(setting="label_only"), row(box_space="norm1000", setting="no_time")], MIXED)
    check([row(box_space="norm1000")], [FULL, {"task": None}])  # of one nothing is known
    check([row("dfj_detect", setting=None)], [FULL, {"task": "dfj_reason"}])


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (row("fakevlm"), "is fakevlm, the checkpoint was trained for deeptrace"),
        (row(task_version="0"), "has task_version '0', the checkpoint was trained on"),
        (row(box_space="ratio"), r"has box_space 'ratio', the checkpoint was trained on 'pixel' \(see forensics.json"),
        (row(box_space="norm1000"), "has box_space 'norm1000', the checkpoint was trained on 'pixel'"),
        (row(setting="no_explanation"), "has setting 'no_explanation', the checkpoint was trained on 'full'"),
    ],
)
def test_a_row_that_fits_none_is_refused_by_what_is_nearest(found, problem):
    with pytest.raises(ValueError, match=rf"test.jsonl: row 'a' {problem}"):
        check([row(), found], MIXED)


def test_boxes_on_another_frame_than_the_model_sees_are_refused():
    meta = {"width": 1280, "height": 720, "duration": 5.0, "fps": 24.0, "box_width": 1008, "box_height": 560}
    resized = row(box_space="resized", **meta)
    model = {"model_type": "qwen2_5_vl", "vision": {}}
    check([resized], [FULL | {"box_space": "resized"}], **model)
    model["vision"] = {"VIDEO_MAX_TOKEN_NUM": "64"}
    with pytest.raises(ValueError, match="row 'a': its box is stated on a frame of 1008x560, the model sees 420x224"):
        check([resized], [FULL | {"box_space": "resized"}], **model)


def test_rows_in_source_pixels_are_asked_in_the_space_that_is_in_force(monkeypatch):
    meta = {"width": 1280, "height": 720, "duration": 5.0, "fps": 24.0, "bbox": [320, 180, 960, 540]}
    said = deeptrace.render(Answer("fake", (320, 180, 960, 540), 1.0, "It melts."))
    rows = [row(**meta) | {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": said}]}]
    monkeypatch.delenv("BOX_SPACE", raising=False)
    assert in_space(rows, "test.jsonl") == rows
    monkeypatch.setenv("BOX_SPACE", "norm1000")
    (found,) = in_space(rows, "test.jsonl")
    assert (found["meta"]["box_space"], found["meta"]["box_width"]) == ("norm1000", 1000)
    assert "[250, 250, 750, 750]" in found["messages"][1]["content"]
    check([found], [FULL | {"box_space": "norm1000"}])
    rows[0]["meta"]["box_space"] = "resized"
    with pytest.raises(ValueError, match=r"test.jsonl: row 'a': its boxes are stated in resized, for another base"):
        in_space(rows, "test.jsonl")
