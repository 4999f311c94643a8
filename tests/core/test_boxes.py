"""Boxes: the resize is Qwen's, a box survives each coordinate space, and IoU is what it says."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swift_plugins.core.boxes import (
    SPACES,
    VIDEO_MAX_PIXELS,
    VIDEO_MIN_PIXELS,
    check_space,
    clip,
    from_pixels,
    iou,
    smart_resize,
    span,
    to_pixels,
)

SEEN = (1008, 560)  # the frame that a Qwen2.5-VL model sees of one of 1280 x 720
SIZES = st.tuples(st.integers(30, 4000), st.integers(30, 4000))
UNIT = st.floats(0, 1)


@st.composite
def framed_boxes(draw) -> tuple[tuple[float, float, float, float], int, int]:
    """(a box of any size inside its frame, the frame's width and height)"""
    width, height = draw(SIZES)
    x0, x1 = sorted((draw(UNIT) * width, draw(UNIT) * width))
    y0, y1 = sorted((draw(UNIT) * height, draw(UNIT) * height))
    return (x0, y0, x1, y1), width, height


def boxes() -> st.SearchStrategy[tuple[float, ...]]:
    return framed_boxes().map(lambda framed: framed[0])


def test_resize_is_that_of_qwen_vl_utils(vision):
    assert VIDEO_MIN_PIXELS == vision.VIDEO_MIN_TOKEN_NUM * 28**2
    assert VIDEO_MAX_PIXELS == vision.VIDEO_MAX_TOKEN_NUM * 28**2
    draw = random.Random(0)
    published = [(1296, 720), (1280, 720), (1920, 1080), (480, 270), (1280, 768), (640, 362), (3840, 2160), (720, 1280)]
    sizes = published + [(draw.randint(28, 4000), draw.randint(28, 4000)) for _ in range(3000)]
    limits = [(VIDEO_MIN_PIXELS, VIDEO_MAX_PIXELS), (4 * 28**2, 16384 * 28**2), (28**2, 84**2), (10**6, 10**6)]
    for width, height in sizes:
        for low, high in limits:
            expected = vision.smart_resize(height, width, 28, low, high)
            assert smart_resize(width, height, low, high) == expected[::-1], (width, height, low, high)


@pytest.mark.parametrize("size", [(0, 10), (5628, 28), (28, 5628)])
def test_a_frame_that_qwen_refuses_is_refused(size):
    with pytest.raises(ValueError, match="cannot be resized"):
        smart_resize(*size, VIDEO_MIN_PIXELS, VIDEO_MAX_PIXELS)


def test_spaces():
    assert {space: span(space, 1280, 720, SEEN) for space in SPACES} == {
        "pixel": (1280, 720),
        "norm1000": (1000, 1000),
        "resized": (1008, 560),
        "ratio": (1, 1),
    }
    with pytest.raises(ValueError, match=r"unknown box space 'pixels'; did you mean 'pixel'.* Available: pixel,"):
        span("pixels", 1280, 720)


@pytest.mark.parametrize(
    ("space", "base", "problem"),
    [
        ("pixel", "qwen2_5_vl", None),
        ("resized", "qwen2_5_vl", None),
        ("norm1000", "qwen3_vl", None),
        ("norm1000", "videollama3", None),
        ("ratio", "llava1_5_hf", None),  # of which nothing is known
        ("norm1000", None, None),
        ("norm1000", "qwen2_5_vl", "qwen2_5_vl states boxes in resized, not in norm1000, which it does not have"),
        ("resized", "qwen3_vl", "qwen3_vl states boxes in norm1000, not in resized"),
        ("resized", "videollama3", "videollama3 states boxes in norm1000"),
        ("norm100", "qwen3_vl", "unknown box space 'norm100'; did you mean 'norm1000'"),
    ],
)
def test_a_base_has_its_own_space_and_the_papers(space, base, problem):
    if problem is None:
        check_space(space, base)
    else:
        with pytest.raises(ValueError, match=problem):
            check_space(space, base)


@pytest.mark.parametrize(
    ("space", "stated"),
    [
        ("pixel", (128, 72, 641, 360)),
        ("norm1000", (100, 100, 501, 500)),
        ("resized", (101, 56, 505, 280)),
        ("ratio", (0.1, 0.1, 0.501, 0.5)),
    ],
)
def test_a_box_in_each_space(space, stated):
    assert from_pixels((128, 72, 641, 360), 1280, 720, *span(space, 1280, 720, SEEN)) == stated


@pytest.mark.parametrize("space", SPACES)
@given(framed_boxes())
@settings(max_examples=300)
def test_a_box_survives_its_space(space, framed):
    """It comes back inside the frame and within half a unit; one narrower than a unit becomes one unit wide."""
    box, width, height = framed
    across = span(space, width, height, smart_resize(width, height, VIDEO_MIN_PIXELS, VIDEO_MAX_PIXELS))
    stated = from_pixels(box, width, height, *across)
    assert stated[0] < stated[2] <= across[0]
    assert stated[1] < stated[3] <= across[1]
    assert min(stated) >= 0
    back = to_pixels(stated, width, height, *across)
    for axis, side, units in ((0, width, across[0]), (1, height, across[1])):
        unit = side / (1000 if space == "ratio" else units)
        error = max(abs(back[axis] - box[axis]), abs(back[axis + 2] - box[axis + 2]))
        assert error <= unit * (0.5 if box[axis + 2] - box[axis] >= 1.001 * unit else 1) + 1e-6


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        ((10, 20, 30, 40), (10, 20, 30, 40)),
        ((-5, -5, 200, 200), (0, 0, 100, 50)),
        ((90, 40, 110, 60), (90, 40, 100, 50)),
        ((100, 0, 120, 50), None),
        ((-10, 0, 0, 50), None),
        ((10, 10, 10, 20), None),
        ((30, 10, 20, 20), None),
    ],
)
def test_clip(box, inside):
    assert clip(box, 100, 50) == inside


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1),
        ((0, 0, 10, 10), (5, 0, 15, 10), 50 / 150),
        ((0, 0, 10, 10), (2, 2, 4, 7), 10 / 100),
        ((0, 0, 10, 10), (9, 9, 19, 19), 1 / 199),
        ((0, 0, 10, 10), (10, 0, 20, 10), 0),
        ((0, 0, 10, 10), (50, 50, 60, 60), 0),
        ((5, 5, 5, 5), (5, 5, 5, 5), 0),
    ],
)
def test_iou_by_hand(a, b, expected):
    assert iou(a, b) == pytest.approx(expected)


@given(boxes(), boxes(), SIZES)
def test_iou_is_symmetric_bounded_and_without_scale(a, b, scale):
    assert 0 <= iou(a, b) <= 1 + 1e-9
    assert iou(a, b) == iou(b, a)
    sx, sy = scale
    stretched = [(x0 * sx, y0 * sy, x1 * sx, y1 * sy) for x0, y0, x1, y1 in (a, b)]
    assert iou(*stretched) == pytest.approx(iou(a, b), abs=1e-6)
