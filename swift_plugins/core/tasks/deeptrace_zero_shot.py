"""DeepTraceReward's zero-shot protocol (appendix E): its question, and answers in tags or in JSON."""

from __future__ import annotations

import json
import re
from typing import Any

from swift_plugins.core.tasks import Parsed
from swift_plugins.core.tasks.deeptrace_answer import Answer, Box, ordered, read_box, read_start
from swift_plugins.core.tasks.verdicts import OPPOSITE, VERDICT_WORDS, bare_verdict
from swift_plugins.core.tasks.wording import plain, reads

ZERO_SHOT_QUESTION = (
    "<video> Decide whether the video is AI-generated or real. "
    "If you think it is real, reply 'REAL'. Otherwise, reply 'FAKE' "
    "and provide the area coordinates in [x0, y0, x1, y1] format, "
    "the starting time of when you think it becomes fake, and an explanation. "
    "Encapsulate your answers using <coordinates> </coordinates>, "
    "<start_time> </start_time>, and <explanation> </explanation>."
)
FENCE = re.compile(r"(?:\s*```[a-zA-Z]{0,10})?\s*")
TAG = re.compile(r"<\s{0,4}(/?)\s{0,4}(coordinates|start_time|explanation)\s{0,4}>", re.I)


def _cut_tags(text: str) -> tuple[dict[str, str], str, list[str]]:
    """Take each tag's content out of the text: (contents, what remains, problems)."""
    found: dict[str, str] = {}
    problems: list[str] = []
    outside, at, inside = [], 0, ""
    for match in TAG.finditer(text):
        tag = match[2].lower()
        if inside == "" and not match[1]:
            outside.append(text[at : match.start()])
            at, inside = match.end(), tag
        elif inside == tag and match[1]:
            if tag in found:
                problems.append(f"{tag}: given more than once, the first counts")
            found.setdefault(tag, text[at : match.start()])
            at, inside = match.end(), ""
    if inside:
        problems.append(f"{inside}: tag is not closed")
        at = len(text)
    return found, "\n".join([*outside, text[at:]]), problems


@reads("tags")
def parse_tags(text: str) -> Parsed:
    """The answer to the zero-shot prompt of appendix E: a verdict word outside the tags, the rest inside them."""
    found, outside, problems = _cut_tags(text)
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
    "verdict": ("label", "verdict", "answer", "prediction", "final_answer", "final_verdict", "classification"),
    "bbox": ("bbox", "coordinates", "box", "bbox_2d", "bounding_box"),  # bbox_2d: Qwen2.5-VL and Qwen3-VL
    "start": ("start_time", "start", "onset"),
    "explanation": ("explanation", "reason", "reasoning"),
}


_FLAGS = {"is_real": "real", "is_fake": "fake", "is_ai_generated": "fake"}


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = {re.sub(r"[\s-]", "_", plain(key).strip().lower()): value for key, value in pairs}
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _integer(digits: str) -> float:
    return int(digits) if len(digits) < 20 else float("inf")  # int() takes time quadratic in the digits, or refuses


_DECODER = json.JSONDecoder(object_pairs_hook=_object_of, parse_int=_integer)


def _word(value: Any) -> str | None:
    return plain(value).strip(" \n.*!\"'").lower() if isinstance(value, str) else None


def _verdict_of(found: dict[str, Any]) -> tuple[str | None, str | None]:
    """The verdict of an object, or (None, why there is none): another one, in whatever key or depth, takes it away."""
    labels = [found[key] for key in _JSON_KEYS["verdict"] if found.get(key) is not None]
    verdict = _word(labels[0]) if labels else None
    if verdict not in VERDICT_WORDS:
        return None, f"the label is neither REAL nor FAKE: {str(labels[0] if labels else None)[:40]!r}"
    waiting: list[Any] = [found]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
            for key, word in _FLAGS.items():
                if isinstance(value.get(key), bool) and value[key] != (word == verdict):
                    return None, f"two different labels: {str(found)[:80]}"
        elif isinstance(value, list):
            waiting += value
        elif _word(value) == OPPOSITE[verdict]:
            return None, f"two different labels: {str(found)[:80]}"
    if any(_word(label) != verdict for label in labels):
        return None, f"two different labels: {str(labels)[:80]}"
    return verdict, None


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


@reads("json")
def parse_json(text: str) -> Parsed:
    """One JSON object, bare or in a code fence, as models asked for JSON answer (not a protocol of the paper).

    Keys: label|verdict|answer|prediction, bbox|coordinates|box ([x0, y0, x1, y1] or left/top/width/height),
    start_time|start|onset, explanation|reason|reasoning, and their like, in any case. The verdict's value must be
    exactly "real" or "fake", and the other one the value of no key.
    """
    begin = FENCE.match(text).end()  # type: ignore[union-attr]
    if text[begin : begin + 1] != "{":
        return Parsed(None, "json", "no JSON object")
    try:
        found, end = _DECODER.raw_decode(text, begin)
    except (ValueError, RecursionError) as error:
        return Parsed(None, "json", f"broken JSON: {str(error)[:80]}")
    if text[end : end + 16].strip() not in ("", "```") or text[end + 16 :].strip():
        return Parsed(None, "json", "text after the JSON object")
    verdict, why = _verdict_of(found)
    if verdict is None:
        return Parsed(None, "json", why)
    if verdict == "real":
        return Parsed(Answer("real"), "json")
    problems: list[str] = []
    answer = Answer("fake", _box_of(found, problems), _start_of(found, problems), _explanation_of(found, problems))
    return Parsed(answer, "json", None, tuple(problems))


def _box_of(found: dict[str, Any], problems: list[str]) -> Box | None:
    if (box := _first_present(found, "bbox")) is not None:
        return _json_box(box, problems)
    if other := [key for key, value in found.items() if ("box" in key or "coord" in key) and value is not None]:
        problems.append(f"bbox: in a key that is not read: {other[0][:40]!r}")
    return None


def _start_of(found: dict[str, Any], problems: list[str]) -> float | None:
    start = _first_present(found, "start")
    if start is None or (_plain_number(start) and start >= 0):
        return None if start is None else float(start)
    problems.append(f"start: not a time in seconds: {str(start)[:40]!r}")
    return None


def _explanation_of(found: dict[str, Any], problems: list[str]) -> str | None:
    explanation = _first_present(found, "explanation")
    if isinstance(explanation, str):  # \ud800 in JSON is half a character, which no file can hold
        return explanation.encode(errors="replace").decode().strip() or None
    if explanation is not None:
        problems.append(f"explanation: not a text: {str(explanation)[:40]!r}")
    return None
