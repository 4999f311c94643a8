"""What an answer of DeepTraceReward claims, and how its numbers are read (section 3.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass

import swift_plugins  # noqa: F401

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
# Four numbers as models write them: [1, 2, 3, 4], (1,2),(3,4), [[1, 2], [3, 4]], x0=1, y0=2, …, also in Qwen's tokens.
_COORDINATES = [
    rf"(?:[\"']?\b(?:{name})[\"']?\s?[:=]\s?)?[\"']?({NUMBER})(?:\s?px)?[\"']?"
    for name in ("x[01]?|x_?min|left", "y[01]?|y_?min|top", "x[12]?|x_?max|right", "y[12]?|y_?max|bottom")
]
_BOX = re.compile(
    r"(?:<\|box_start\|>)?\s{0,8}[\[({]{0,3}\s{0,8}"
    + r"(?=[\s,)\]])\s{0,8}[)\]]?,?\s{0,8}[(\[]?\s{0,8}".join(_COORDINATES)
    + r"\s{0,8}[\])}]{0,3}\s{0,8}(?:<\|box_end\|>)?\.?(?:\Z|(?<=[\])}])(?P<more>[,;\s][\s\S]|[(\[]))",
    re.I,
)
_LIST = rf"\s{{0,4}}{NUMBER}\s{{0,4}}(?:,\s{{0,4}}{NUMBER}\s{{0,4}}){{3}}"
_UNREAD_BOX = re.compile(rf"\[{_LIST}\]|\({_LIST}\)|\({NUMBER},\s?{NUMBER}\)\s?,?\s?\({NUMBER},\s?{NUMBER}\)|bbox_2d")
_CLOCK = r"(?:([0-9]{1,3}):)?([0-9]{1,3}):([0-5]?[0-9](?:[.,][0-9]{1,20})?)"
_AMOUNT = r"(?:([0-9]{1,4})\s?(?:m|mins?|minutes?)\s?)?([0-9]{1,9}(?:[.,][0-9]{1,20})?)"
_TIME = rf"(?:{_CLOCK}|{_AMOUNT})\s?(?:(ms|milliseconds?)\b|(?:s|secs?|seconds?)\b)?"
_START = re.compile(
    r"(?:[\[(~\u2248]\s?|t\s?=\s?|(?:starting|at|from|after|around|about|approximately|roughly|between)\s){0,3}"
    rf"{_TIME}(?:\s?(?:-|\u2013|\u2014|to|until|through|and|,|-+>)\s?{_TIME})?(?:\sinto the (?:video|clip))?"
    r"\s?[\])]?\.?\Z",
    re.I,
)


def read_box(text: str, problems: list[str]) -> Box | None:
    match = _BOX.match(text.strip())
    if match is None:
        problems.append(f"bbox: not four plain numbers: {text.strip()[:60]!r}")
        return None
    if match["more"]:
        problems.append("bbox: more than one, the first counts")
    x0, y0, x1, y1 = (float(n) for n in match.groups()[:4])
    return ordered(x0, y0, x1, y1, problems)


def unread_box(text: str) -> list[str]:
    """The problem of a text in which no box was read, but which holds four numbers in brackets or Qwen's key of one."""
    found = _UNREAD_BOX.search(text)
    return [f"bbox: stands where it is not read: {found[0][:60]!r}"] if found else []


def ordered(x0: float, y0: float, x1: float, y1: float, problems: list[str]) -> Box | None:
    """A box in its order; one without an area has an IoU of 0, but a centre, and so a distance (section 3.1)."""
    if x0 <= x1 and y0 <= y1:
        return x0, y0, x1, y1
    problems.append(f"bbox: reversed: {[x0, y0, x1, y1]}")
    return None


def read_start(text: str, problems: list[str]) -> float | None:
    """The onset in s that a text states: "1.5", "1,5 s", "1500 ms", "0:02", "1 min 5 s"; of a range where it begins."""
    match = _START.match(text.strip(" \n\t\"'"))
    if match is None:
        problems.append(f"start: not a time in seconds: {text.strip()[:60]!r}")
        return None
    hours, minutes, of_clock, more, amount, milli = match.groups()[:6]
    seconds = float((of_clock or amount).replace(",", ".")) / (1000 if milli else 1)
    return 3600.0 * int(hours or 0) + 60.0 * int(minutes or more or 0) + seconds
