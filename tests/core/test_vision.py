"""What a model is shown, where no processor is needed to tell; tests/hooks/test_plugins.py holds it against them."""

from __future__ import annotations

import pytest

from swift_plugins.core.vision import Vision, frame_fault

CLIP = (5.0, 24.0)
META = {"box_space": "resized", "width": 1280, "height": 720, "duration": 5.0, "fps": 24.0}


@pytest.mark.parametrize(
    ("settings", "size", "seen"),
    [
        ({}, (1280, 720), (1008, 560)),
        ({"VIDEO_MIN_PIXELS": "602112", "VIDEO_MAX_PIXELS": "602112"}, (1280, 720), (1036, 588)),
        ({"VIDEO_MIN_PIXELS": "200704", "VIDEO_MAX_PIXELS": "200704"}, (768, 768), (448, 448)),
        ({"VIDEO_MIN_PIXELS": "100000", "VIDEO_MAX_PIXELS": "300000"}, (848, 480), (700, 392)),
    ],
)
def test_published_sizes(settings, size, seen):
    assert Vision(settings).frame(*size, *CLIP) == seen


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"VIDEO_MAX_PIXELS": "many"}, "VIDEO_MAX_PIXELS must be a number of at least 0, got 'many'"),
        ({"VIDEO_MAX_TOKEN_NUM": "1.5"}, "VIDEO_MAX_TOKEN_NUM must be a number"),
        ({"FPS": "-1"}, "FPS must be a number"),
        ({"MODEL_SEQ_LEN": "inf"}, "MODEL_SEQ_LEN must be a number"),
        ({"VIDEO_MAX_PIXELS": "783"}, "room for one token, 28 x 28 px"),
    ],
)
def test_settings_by_which_nothing_is_seen_are_refused(settings, problem):
    with pytest.raises(ValueError, match=problem):
        Vision(settings)


def test_a_frame_without_a_whole_token_is_refused():
    with pytest.raises(ValueError, match="a frame of 3000x20 is too narrow for 7056 pixels"):
        Vision({"VIDEO_MIN_PIXELS": "784", "VIDEO_MAX_PIXELS": "7056"}).frame(3000, 20, *CLIP)


@pytest.mark.parametrize(
    ("meta", "fault"),
    [
        ({"box_width": 1008, "box_height": 560}, None),
        ({"box_space": "pixel"}, None),
        ({"box_width": 1008, "box_height": 588}, "on a frame of 1008x588, the model sees 1008x560"),
        ({}, "on a frame of NonexNone, the model sees 1008x560"),
        ({"fps": 0}, "cannot be told"),
        ({"duration": float("nan")}, "cannot be told"),
        ({"width": None}, "cannot be told"),
    ],
)
def test_a_row_whose_box_cannot_be_read_is_told(meta, fault):
    found = frame_fault(META | meta, Vision({}))
    assert found is None if fault is None else fault in found
