"""Bounding boxes and the coordinate spaces in which an answer may state them.

Inside the project a box is (x0, y0, x1, y1) in pixels of the source frame. A space is given by the size of the frame
that its coordinates span, so one formula converts them all:

    pixel     the source frame, as DeepTraceReward trains (section 3.2)
    norm1000  0..1000 on each axis (Qwen2-VL, Qwen3-VL and Qwen3.5)
    resized   the frame that a Qwen2.5-VL model sees after its smart resize
    ratio     0..1 on each axis, written with three decimals
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

from swift_plugins.core.names import unknown

SPACES = ("pixel", "norm1000", "resized", "ratio")
PIXEL = SPACES[0]  # the paper's, and that of rows which training may state in another one
# model_type -> the space in which a base was taught to state boxes. Qwen2.5-VL: pixels of the resized input
# (QwenLM/Qwen2.5-VL issue 957). Qwen2-VL (arXiv 2409.12191, section 2.3) and Qwen3-VL (its README, and issues 1623 and
# 1741 there): 0..1000, and Qwen3.5 as these (QwenLM/Qwen3.8-Flash-Next issue 4). VideoLLaMA 3: 0..1000, in its
# published notebook on referring and grounding.
SPACE_OF = {
    "qwen2_vl": "norm1000",
    "qwen2_5_vl": "resized",
    "qwen3_vl": "norm1000",
    "qwen3_vl_moe": "norm1000",
    "qwen3_5": "norm1000",
    "videollama3": "norm1000",
}
PATCH = 28  # Qwen2.5-VL: patches of 14 px, merged 2 x 2
VIDEO_MIN_PIXELS, VIDEO_MAX_PIXELS = 128 * PATCH * PATCH, 768 * PATCH * PATCH  # the limits of qwen-vl-utils per frame

Box = tuple[float, float, float, float]


@functools.lru_cache(maxsize=4096)  # a dataset has few sizes
def smart_resize(
    width: int, height: int, min_pixels: float, max_pixels: float, factor: int = PATCH, ratio: int = 200
) -> tuple[int, int]:
    """The (width, height) to which qwen-vl-utils resizes a frame: multiples of `factor`, area within the limits."""
    if min(width, height) < 1 or max(width, height) > ratio * min(width, height):
        raise ValueError(f"a frame of {width}x{height} cannot be resized: the sides may differ {ratio}-fold at most")
    if not factor * factor <= max_pixels >= min_pixels:
        raise ValueError(f"pixel limits must be {factor * factor} <= min <= max, got {min_pixels} and {max_pixels}")
    w, h = max(factor, round(width / factor) * factor), max(factor, round(height / factor) * factor)
    if w * h > max_pixels:
        shrink = math.sqrt(width * height / max_pixels)
        return math.floor(width / shrink / factor) * factor, math.floor(height / shrink / factor) * factor
    if w * h < min_pixels:
        grow = math.sqrt(min_pixels / (width * height))
        return math.ceil(width * grow / factor) * factor, math.ceil(height * grow / factor) * factor
    return w, h


def check_space(space: str, model_type: str | None) -> None:
    """ValueError for a space that is none, or that a base of SPACE_OF does not have: it has its own, and `pixel`."""
    if space not in SPACES:
        raise ValueError(unknown("box space", space, SPACES))
    own = SPACE_OF.get(model_type or "", space)
    if space not in (own, PIXEL):
        raise ValueError(f"{model_type} states boxes in {own}, not in {space}, which it does not have")


def span(space: str, width: int, height: int, seen: tuple[int, int] | None = None) -> tuple[int, int]:
    """The (width, height) that coordinates of `space` span on a source frame of width x height px.

    `seen` is the frame that the model sees (see vision.py), which resized needs.
    """
    if space == "pixel":
        return width, height
    if space == "norm1000":
        return 1000, 1000
    if space == "ratio":
        return 1, 1
    if space == "resized" and seen is not None:
        return seen
    raise ValueError(unknown("box space", space, SPACES))


def from_pixels(box: Sequence[float], width: int, height: int, box_width: int, box_height: int) -> Box:
    """Convert source pixels to a space that spans box_width x box_height, rounded to what an answer states.

    Rounded to integers, or to 1/1000 where the span is 1 (ratio). A side that rounding closes stays one unit wide.
    """
    x0, x1 = _rounded(box[0] * box_width / width, box[2] * box_width / width, box_width)
    y0, y1 = _rounded(box[1] * box_height / height, box[3] * box_height / height, box_height)
    return x0, y0, x1, y1


def _rounded(low: float, high: float, span_: int) -> tuple[float, float]:
    if span_ == 1:
        low, high = _rounded(low * 1000, high * 1000, 1000)
        return low / 1000, high / 1000
    first, last = float(round(low)), float(round(high))
    if last <= first:
        first = min(float(math.floor(low)), span_ - 1.0)
        last = first + 1.0
    return first, last


def to_pixels(box: Sequence[float], width: float, height: float, box_width: float, box_height: float) -> Box:
    """Convert a stated box back to source pixels."""
    sx, sy = width / box_width, height / box_height
    return box[0] * sx, box[1] * sy, box[2] * sx, box[3] * sy


def clip(box: Sequence[float], width: float, height: float) -> Box | None:
    """The part of a box inside the frame, or None if there is none."""
    x0, y0, x1, y1 = box
    if 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height:
        return x0, y0, x1, y1
    x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes in the same space; 0 for boxes that do not overlap."""
    inner = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    outer = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inner
    return inner / outer if outer > 0 else 0.0
