"""The one box and onset that score best on a file of DeepTraceReward's rows: a baseline that looks at no video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from swift_plugins.core import boxes
from swift_plugins.core.measures import traces
from swift_plugins.core.measures.traces import Gold
from swift_plugins.core.tasks import Parsed
from swift_plugins.core.tasks.deeptrace_answer import Answer

_BLOCK = 500_000  # pairs of boxes at once: bounds the memory for any number of rows


def best_constant(golds: Sequence[Gold]) -> Answer | None:
    """The one answer (box in ratios, onset in ratios) that scores best on these very rows, knowing their truth.

    The box is the best of the true boxes, improved coordinate by coordinate; the onset is the median.
    """
    truth = np.array([g.bbox for g in golds if g.bbox])
    onsets = [g.start / g.duration for g in golds if g.start is not None and g.duration]
    if not len(truth):
        return None

    candidates = np.unique(truth, axis=0)
    candidates = candidates[:: max(1, len(candidates) // 500)]
    best = candidates[int(np.argmax(mean_iou(candidates, truth)))]
    for step in (0.1, 0.05, 0.02, 0.01, 0.005):
        while True:
            moved = best + step * np.concatenate([np.eye(4), -np.eye(4)])
            moved = np.vstack([best, moved[np.all(moved[:, :2] < moved[:, 2:], axis=1)]])
            at = int(np.argmax(mean_iou(moved, truth)))
            if at == 0:
                break
            best = moved[at]
    return Answer("fake", boxes.to_pixels(best.tolist(), 1, 1, 1, 1), float(np.median(onsets)) if onsets else None)


def mean_iou(candidates: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The mean IoU of each of some boxes (k, 4) with the true ones (n, 4)."""
    size = max(1, _BLOCK // len(truth))
    blocks = (candidates[i : i + size] for i in range(0, len(candidates), size))
    return np.concatenate([_mean_iou(some, truth) for some in blocks])


def _mean_iou(candidates: np.ndarray, truth: np.ndarray) -> np.ndarray:
    low = np.maximum(candidates[:, None, :2], truth[None, :, :2])
    high = np.minimum(candidates[:, None, 2:], truth[None, :, 2:])
    inner = np.prod(np.clip(high - low, 0, None), axis=-1)
    area = np.prod(candidates[:, 2:] - candidates[:, :2], axis=-1)[:, None]
    return (inner / (area + np.prod(truth[:, 2:] - truth[:, :2], axis=-1) - inner)).mean(axis=1)


def scaled(constant: Answer, case: Any) -> Parsed:
    """The constant answer in this row's box space and seconds."""
    assert constant.bbox is not None
    bbox = None
    if case.gold.bbox is not None:
        width, height = traces.box_span(case.row["meta"])
        bbox = boxes.to_pixels(constant.bbox, width, height, 1, 1)
    duration = case.gold.duration
    start = constant.start * duration if duration and constant.start is not None else None
    return Parsed(Answer("fake", bbox, start), "trained")
