"""Rows against what a checkpoint was trained on: they must be like one of its datasets, and their boxes as it sees."""

from __future__ import annotations

import pytest

from swift_plugins.answering.rows import check_rows_fit
from swift_plugins.core.tasks import deeptrace

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
