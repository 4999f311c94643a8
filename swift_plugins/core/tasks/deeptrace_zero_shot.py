"""DeepTraceReward's zero-shot protocol (appendix E): its question, and answers in tags or in JSON."""

from __future__ import annotations

import json
import re
from typing import Any

from swift_plugins.core.tasks import MAX_CHARS, Parsed
from swift_plugins.core.tasks.deeptrace_answer import Answer, Box, ordered, read_box, read_start
from swift_plugins.core.tasks.verdicts import VERDICT_WORDS, bare_verdict

ZERO_SHOT_QUESTION = (
    "<video> Decide whether the video is AI-generated or real. "
    "If you think it is real, reply 'REAL'. Otherwise, reply 'FAKE' "
    "and provide the area coordinates in [x0, y0, x1, y1] format, "
    "the starting time of when you think it becomes fake, and an explanation. "
    "Encapsulate your answers using <coordinates> </coordinates>, "
    "<start_time> </start_time>, and <explanation> </explanation>."
)
FENCE = re.compile(r"\s*```[a-zA-Z]{0,10}\s*")
TAGS = ("coordinates", "start_time", "explanation")


def _cut_tags(text: str) -> tuple[dict[str, str], str, list[str]]:
    """Take each tag's content out of the text: (contents, what remains, problems). One find per tag, so linear."""
    found, spans, problems = {}, [], []
    for tag in TAGS:
        begin = text.find(f"<{tag}>")
        if begin < 0:
            continue
        inner = begin + len(tag) + 2
        end = text.find(f"</{tag}>", inner)
        if end < 0:
            problems.append(f"{tag}: tag is not closed")
            spans.append((begin, len(text)))
            continue
        found[tag] = text[inner:end]
        spans.append((begin, end + len(tag) + 3))
        if text.find(f"<{tag}>", end) >= 0:
            problems.append(f"{tag}: given more than once, the first counts")
    outside, at = [], 0
    for begin, end in sorted(spans):
        if begin > at:
            outside.append(text[at:begin])
        at = max(at, end)
    return found, " ".join([*outside, text[at:]]), problems


def parse_tags(text: str) -> Parsed:
    """The answer to the zero-shot prompt of appendix E: a verdict word outside the tags, the rest inside them."""
    found, outside, problems = _cut_tags(text[:MAX_CHARS])
    verdict, why = bare_verdict(outside)
    if verdict is None:
        return Parsed(None, "tags", why, tuple(problems))
    if verdict == "real":
        return Parsed(Answer("real"), "tags", None, tuple(problems))
    bbox = read_box(found["coordinates"], problems) if "coordinates" in found else None
    start = read_start(found["start_time"], problems) if "start_time" in found else None
    explanation = found.get("explanation", "").strip() or None
    return Parsed(Answer("fake", bbox, start, explanation), "tags", None, tuple(problems))


_JSON_KEYS = {
    "verdict": ("label", "verdict", "answer", "prediction"),
    "bbox": ("bbox", "coordinates", "box"),
    "start": ("start_time", "start", "onset"),
    "explanation": ("explanation", "reason", "reasoning"),
}


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _integer(digits: str) -> float:
    return int(digits) if len(digits) < 20 else float("inf")  # int() takes time quadratic in the digits, or refuses


_DECODER = json.JSONDecoder(object_pairs_hook=_object_of, parse_int=_integer)


def _first_present(found: dict[str, Any], field: str) -> Any:
    return next((found[key] for key in _JSON_KEYS[field] if found.get(key) is not None), None)


def _plain_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9  # also refuses NaN


def _json_box(value: Any, problems: list[str]) -> Box | None:
    if isinstance(value, dict) and set(value) >= {"left", "top", "width", "height"}:
        left, top, width, height = (value[k] for k in ("left", "top", "width", "height"))
        if all(_plain_number(v) for v in (left, top, width, height)):
            return ordered(float(left), float(top), float(left + width), float(top + height), problems)
    elif isinstance(value, list) and len(value) == 4 and all(_plain_number(v) for v in value):
        x0, y0, x1, y1 = map(float, value)
        return ordered(x0, y0, x1, y1, problems)
    problems.append(f"bbox: neither four numbers nor left, top, width, height: {repr(value)[:60]}")
    return None


def parse_json(text: str) -> Parsed:
    """One JSON object, bare or in a code fence, as models asked for JSON answer (not a protocol of the paper).

    Keys: label|verdict|answer|prediction, bbox|coordinates|box ([x0, y0, x1, y1] or left/top/width/height),
    start_time|start|onset, explanation|reason|reasoning. The verdict's value must be exactly "real" or "fake".
    """
    text = text[:MAX_CHARS]
    fence = FENCE.match(text)
    begin = fence.end() if fence else len(text) - len(text.lstrip())
    if text[begin : begin + 1] != "{":
        return Parsed(None, "json", "no JSON object")
    try:
        found, end = _DECODER.raw_decode(text, begin)
    except (ValueError, RecursionError) as error:
        return Parsed(None, "json", f"broken JSON: {str(error)[:80]}")
    if text[end : end + 16].strip() not in ("", "```") or text[end + 16 :].strip():
        return Parsed(None, "json", "text after the JSON object")
    labels = [found[key] for key in _JSON_KEYS["verdict"] if found.get(key) is not None]
    said = labels[0] if labels else None
    verdict = said.strip().lower() if isinstance(said, str) else None
    if any(not isinstance(label, str) or label.strip().lower() != verdict for label in labels[1:]):
        return Parsed(None, "json", f"two different labels: {str(labels)[:80]}")
    if verdict not in VERDICT_WORDS:
        return Parsed(None, "json", f"the label is neither REAL nor FAKE: {str(said)[:40]!r}")
    if verdict == "real":
        return Parsed(Answer("real"), "json")
    problems: list[str] = []
    box, start, explanation = (_first_present(found, f) for f in ("bbox", "start", "explanation"))
    bbox = _json_box(box, problems) if box is not None else None
    if start is not None and not (_plain_number(start) and start >= 0):
        problems.append(f"start: not a time in seconds: {str(start)[:40]!r}")
        start = None
    if explanation is not None and not isinstance(explanation, str):
        problems.append(f"explanation: not a text: {str(explanation)[:40]!r}")
    if not isinstance(explanation, str) or not explanation.strip():
        explanation = None
    start = float(start) if start is not None else None
    if explanation is not None:  # \ud800 in JSON is half a character, which no file can hold
        explanation = explanation.encode(errors="replace").decode().strip()
    return Parsed(Answer("fake", bbox, start, explanation), "json", None, tuple(problems))
