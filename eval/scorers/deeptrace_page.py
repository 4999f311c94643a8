"""What the page of a DeepTraceReward run shows: its cases with boxes and onsets, and its figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from eval.scorers import explanations
from eval.scorers.base import Figure
from eval.scorers.figures import distribution, of_probabilities

if TYPE_CHECKING:
    from eval.scorers.deeptrace import Case


def percent(box: Sequence[float]) -> tuple[float, float, float, float]:
    """(x, y, width, height) in percent of a box in ratios of the frame, cut off far outside of it."""
    x0, y0, x1, y1 = (100 * min(max(v, -1.0), 2.0) for v in box)
    return x0, y0, x1 - x0, y1 - y0


def describe(case: Case) -> dict[str, Any]:
    """What a report shows of a case; `second` is when to look: the true onset, else the answered one."""
    answer = case.parsed.answer
    start = answer.start if answer else None
    facts = []
    if case.row.get("p_fake") is not None:
        facts.append(f"P(fake) {case.row['p_fake']:.3f}")
    if case.gold.bbox is not None:
        facts.append(f"IoU {100 * case.iou:.1f}")
    if case.gold.start is not None:
        said = f"{start:.2f} s" if start is not None else "–"
        facts.append(f"onset {case.gold.start:.2f} s, answered {said}")
    second = case.gold.start if case.gold.start is not None else start
    both = (("true", case.gold.bbox), ("pred", case.bbox))
    return {
        "verdict": f"{case.label}, answered {case.said}",
        "facts": facts + explanations.facts(case),
        "texts": [("truth", case.row.get("labels") or "–"), ("answer", case.row.get("response") or "–")],
        "boxes": [(kind, *percent(box)) for kind, box in both if box is not None],
        "second": second or 0.0,
        "onsets": {kind: at for kind, at in (("true", case.gold.start), ("pred", start)) if at is not None},
    }


def figures(cases: Sequence[Case]) -> list[Figure]:
    """The answered against the true onset, as shares of the video, and how good boxes, onsets and P(fake) are."""
    points = []
    for case in cases:
        answer, duration = case.parsed.answer, case.gold.duration
        if case.gold.start is not None and duration is not None and answer and answer.start is not None:
            points.append((case.gold.start / duration, min(answer.start / duration, 1.0), 4.0, case.row["id"]))
    onsets = Figure("Onset, predicted against true", "true onset, share of the video", "predicted onset", points)
    return [
        *([onsets] if points else []),
        *distribution("IoU", "IoU of the box, all fakes with a true one", values(cases, "bbox_iou")),
        *distribution("Time distance", "distance of the onset, % of the video", values(cases, "time_distance")),
        *of_probabilities([(case.p_fake, case.label == "fake") for case in cases if case.p_fake is not None]),
    ]


def values(cases: Sequence[Case], name: str) -> list[float]:
    return [value for case in cases if (value := case.measures[name]) is not None]
