"""One answer of DeepTraceReward against its trace: the truth of a row, and the measures of section 3.1.

Boxes are (x0, y0, x1, y1) in ratios of the frame, times in s; distances are 0..100, and what is missing, in the truth
or in the answer, has the worst value.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from swift_plugins.core import boxes
from swift_plugins.core.measures.fields import explanation_scores
from swift_plugins.core.tasks import deeptrace
from swift_plugins.core.tasks.verdicts import VERDICTS

_OUTSIDE = 0.05  # of the frame, how far an honest box may reach beyond it


@dataclass(frozen=True, slots=True)
class Gold:
    """The truth of a row; `bbox` in ratios of the frame, `start` and `duration` in s."""

    label: str
    bbox: boxes.Box | None
    start: float | None
    duration: float | None
    explanation: str
    categories: tuple[str, ...]


def _number(meta: dict[str, Any], key: str, strictly: bool = False) -> float | None:
    """meta[key], a number of at least (strictly: above) 0, or None where it is missing."""
    value = meta.get(key)
    if value is None:
        return None
    plain = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9
    if not plain or (strictly and value == 0):
        raise ValueError(f"meta.{key} must be a number {'above' if strictly else 'of at least'} 0, got {value!r:.40}")
    return float(value)


def _texts(meta: dict[str, Any], key: str) -> tuple[str, ...]:
    value = meta.get(key) or ()
    if isinstance(value, str) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"meta.{key} must be a list of texts, got {value!r:.80}")
    return tuple(value)


def read_gold(row: dict[str, Any]) -> Gold:
    """The truth as the row's meta states it; ValueError says what is wrong with it, or with a judge's scores."""
    meta = row["meta"]
    label = meta.get("label")
    if label not in VERDICTS:
        raise ValueError(f"meta.label must be real or fake, got {label!r}")
    explanation_scores(row)
    explanation = meta.get("explanation")
    if explanation is None:
        answer = deeptrace.parse_trained(row.get("labels") or "").answer
        explanation = (answer.explanation if answer else None) or ""
    if not isinstance(explanation, str):
        raise ValueError(f"meta.explanation must be a text, got {explanation!r:.80}")
    categories = _texts(meta, "categories")
    if label == "real":
        return Gold(label, None, None, None, explanation, categories)
    start, duration = _number(meta, "start"), _number(meta, "duration", strictly=True)
    if start is not None and duration is None:
        raise ValueError("meta.start needs a meta.duration: onsets are compared as shares of the video")
    return Gold(label, _gold_box(meta), start, duration, explanation, categories)


def _gold_box(meta: dict[str, Any]) -> boxes.Box | None:
    stated = meta.get("bbox")
    if not stated:
        return None
    width, height = (_number(meta, key, strictly=True) for key in ("width", "height"))
    plain = (
        isinstance(stated, list) and len(stated) == 4 and all(type(x) in (int, float) and abs(x) < 1e9 for x in stated)
    )
    if not plain or not (stated[0] < stated[2] and stated[1] < stated[3]) or width is None or height is None:
        raise ValueError(
            f"meta.bbox must be [x0, y0, x1, y1] with x0 < x1, y0 < y1, width and height, got {stated!r:.80}"
        )
    return boxes.to_pixels(stated, 1, 1, width, height)


def box_span(meta: dict[str, Any]) -> tuple[float, float]:
    """What the coordinates of this row's answers span: as recorded, or by its box space (default pixel)."""
    width, height = _number(meta, "box_width", strictly=True), _number(meta, "box_height", strictly=True)
    if width and height:
        return width, height
    space = meta.get("box_space") or "pixel"
    frame = _number(meta, "width", strictly=True), _number(meta, "height", strictly=True)
    if space == "resized":
        raise ValueError("meta.box_space resized needs meta.box_width and meta.box_height, the frame the model saw")
    if frame[0] is None or frame[1] is None:
        raise ValueError("an answer's box needs meta.width and meta.height")
    return boxes.span(space, int(frame[0]), int(frame[1]))


def answered_box(bbox: boxes.Box | None, meta: dict[str, Any]) -> boxes.Box | None:
    """An answer's box in ratios of the frame; None where it has none, or where the frame's size is not known."""
    if bbox is None or not (meta.get("width") and meta.get("height")):
        return None
    return boxes.to_pixels(bbox, 1, 1, *box_span(meta))


def space_problem(bbox: boxes.Box | None, answer: boxes.Box | None, meta: dict[str, Any]) -> tuple[str, ...]:
    """The problem of an answer's box, `answer` in ratios, that seems to be of another space than the row's.

    It is measured as the row's space has it: which other one a model meant cannot be told from its numbers.
    """
    if bbox is None or answer is None:
        return ()
    width, height = box_span(meta)
    if width > 1 and 0 < max(bbox) <= 1:
        return (f"box space: ratios where {width:g} x {height:g} is spanned",)
    if max(answer) > 1 + _OUTSIDE or min(answer) < -_OUTSIDE:
        return (f"box space: reaches outside the {width:g} x {height:g} that the row's space spans",)
    return ()


def bbox_iou(truth: boxes.Box | None, answer: boxes.Box | None) -> float:
    """Intersection over union, 0..1; a box is not clipped to the frame."""
    return 0.0 if truth is None or answer is None else boxes.iou(truth, answer)


def bbox_distance(truth: boxes.Box | None, answer: boxes.Box | None) -> float:
    """The distance of the centres in percent of the diagonal of a frame of 1 x 1, at most 100."""
    if truth is None or answer is None:
        return 100.0
    dx, dy = ((answer[i] + answer[i + 2] - truth[i] - truth[i + 2]) / 2 for i in (0, 1))
    return min(100.0, 100 * math.hypot(dx, dy) / math.sqrt(2))


def time_distance(truth: float | None, answer: float | None, duration: float | None) -> float:
    """The distance of the onsets in percent of the video's duration, at most 100."""
    if truth is None or answer is None or duration is None:
        return 100.0
    return min(100.0, 100 * abs(answer - truth) / duration)


def names_category(explanation: str, categories: Collection[str]) -> bool:
    """Whether an explanation names a category of the trace (section 2.3) and no other."""
    if not categories:
        return False
    named = set(deeptrace.categories_in(explanation))
    return bool(named) and named <= set(categories)
