"""What a checkpoint is asked about files of which nothing is known."""

from __future__ import annotations

import pytest
from PIL import Image

from swift_plugins.answering.files import media_files, row_about
from swift_plugins.core.checks import check_media
from swift_plugins.core.tasks import deeptrace, dfj_detect, fakevlm
from tests.core.clips import write_clip

VISION = {"VIDEO_MIN_PIXELS": "784", "VIDEO_MAX_PIXELS": "7056", "FPS": "4", "FPS_MAX_FRAMES": "8"}


def settings(*data):
    return {"vision": VISION, "model_type": "qwen2_5_vl", "trained": {"data": list(data) or None}}


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / "clip.mp4")


@pytest.fixture
def image(tmp_path):
    Image.new("RGB", (64, 48), "teal").save(tmp_path / "a.png")
    return str(tmp_path / "a.png")


def asked(path, *data, task=None):
    return row_about(path, check_media(path, "decode"), settings(*data), task)


def test_a_folder_stands_for_the_media_right_in_it(tmp_path, clip, image):
    (tmp_path / "notes.txt").write_text("no medium")
    (tmp_path / "inner").mkdir()
    write_clip(tmp_path / "inner" / "deep.mp4")
    assert media_files([str(tmp_path), clip]) == [image, clip]


@pytest.mark.parametrize("name", ["https://example.org/x.mp4", "file:///etc/passwd", "nowhere.mp4"])
def test_a_url_and_what_is_not_there_are_refused(name):
    with pytest.raises(ValueError, match=r"a URL is never opened|no such file"):
        media_files([name])


def test_a_folder_without_media_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no image or video in this folder"):
        media_files([str(tmp_path)])


def test_the_question_is_the_one_that_was_trained(clip, image):
    row = asked(clip, {"task": "deeptrace", "setting": "no_time", "prompt": deeptrace.QUESTIONS["no_time"]})
    assert row["messages"] == [{"role": "user", "content": deeptrace.QUESTIONS["no_time"]}]
    assert row["videos"] == [clip]
    assert (row["meta"]["width"], row["meta"]["height"], row["meta"]["duration"]) == (96, 64, 2.0)
    assert asked(image, {"task": "fakevlm", "prompt": None})["messages"][0]["content"] == fakevlm.QUESTION
    assert asked(image, {"task": "dfj_detect", "prompt": {}})["messages"][0]["content"] == dfj_detect.PROMPT


def test_of_several_datasets_the_one_that_asks_about_such_a_file_counts(clip, image):
    both = [{"task": "deeptrace", "setting": "full"}, {"task": "fakevlm"}]
    assert [asked(path, *both)["task"] for path in (clip, image)] == ["deeptrace", "fakevlm"]
    assert asked(clip, *both, task="fakevlm")["messages"][0]["content"] == fakevlm.QUESTIONS["video"]


@pytest.mark.parametrize(
    ("space", "span"), [("pixel", (96, 64)), ("norm1000", (1000, 1000)), ("ratio", (1, 1)), ("resized", (84, 56))]
)
def test_a_box_is_read_in_the_space_that_was_trained(clip, space, span):
    meta = asked(clip, {"task": "deeptrace", "box_space": space})["meta"]
    assert (meta["box_space"], meta["box_width"], meta["box_height"]) == (space, *span)


def test_a_box_on_a_frame_that_cannot_be_told_is_not_asked_for(image):
    data = {"task": "fakevlm", "box_space": "resized"}
    with pytest.raises(ValueError, match="the frame on which the model states its boxes"):
        asked(image, data)


def test_a_model_that_tells_of_no_training_is_asked_by_the_named_task_zero_shot(clip):
    with pytest.raises(ValueError, match="name it by --task"):
        asked(clip)
    assert asked(clip, task="deeptrace")["messages"][0]["content"] == deeptrace.ZERO_SHOT_QUESTION


@pytest.mark.parametrize(
    ("data", "task", "fault"),
    [
        ({"task": "dfj_pointwise"}, None, "a judge is asked by eval/judge.py"),
        ({"task": "loki_tf"}, None, "not for a verdict on one file"),
        ({"task": "deeptrace"}, "fakevlm", "not for fakevlm"),
        ({"task": "deeptrace"}, "deeptrac", "did you mean 'deeptrace'"),
        ({"task": "deeptrace"}, None, "an image, about which deeptrace asks nothing"),
    ],
)
def test_what_a_model_was_not_trained_for_is_refused(image, data, task, fault):
    with pytest.raises(ValueError, match=fault):
        asked(image, data, task=task)
