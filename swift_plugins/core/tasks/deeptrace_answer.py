"""What an answer of DeepTraceReward claims, and how its numbers are read (section 3.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one answer claims. `bbox` is xyxy in the coordinate space of its row, `start` the onset in seconds."""

    verdict: str
    bbox: Box | None = None
    start: float | None = None
    explanation: str | None = None


UNSIGNED = r"[0-9]{1,9}(?:\.[0-9]{1,20})?"
NUMBER = rf"[-+]?{UNSIGNED}"
_BOX_NUMBERS = re.compile(rf"\s*(?:\[\s*)?({NUMBER})\s*,\s*({NUMBER})\s*,\s*({NUMBER})\s*,\s*({NUMBER})\s*(?:\]\s*)?\Z")
_SECONDS = re.compile(rf"\s*({NUMBER})\s*(?:(?:s|sec|seconds?)\s*)?(?:\.\s*)?\Z", re.I)


def read_box(text: str, problems: list[str]) -> Box | None:
    match = _BOX_NUMBERS.match(text)
    if match is None:
        problems.append(f"bbox: not four plain numbers: {text.strip()[:60]!r}")
        return None
    x0, y0, x1, y1 = (float(n) for n in match.groups())
    return ordered(x0, y0, x1, y1, problems)


def ordered(x0: float, y0: float, x1: float, y1: float, problems: list[str]) -> Box | None:
    """A box in its order; one without an area has an IoU of 0, but a centre, and so a distance (section 3.1)."""
    if x0 <= x1 and y0 <= y1:
        return x0, y0, x1, y1
    problems.append(f"bbox: reversed: {[x0, y0, x1, y1]}")
    return None


def read_start(text: str, problems: list[str]) -> float | None:
    match = _SECONDS.match(text)
    if match is None or (start := float(match.group(1))) < 0:
        problems.append(f"start: not a time in seconds: {text.strip()[:60]!r}")
        return None
    return start
