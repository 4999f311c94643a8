"""DeepTraceReward's zero-shot protocol (appendix E): its question, and answers in tags or in JSON."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from typing import Any

from swift_plugins.core.tasks import Parsed
from swift_plugins.core.tasks.deeptrace_answer import Answer, Box, ordered, read_box, read_start, unread_box
from swift_plugins.core.tasks.verdicts import OPPOSITE, VERDICT_WORDS, bare_verdict, stated_verdicts
from swift_plugins.core.tasks.wording import plain, reads

ZERO_SHOT_QUESTION = (
    "<video> Decide whether the video is AI-generated or real. "
    "If you think it is real, reply 'REAL'. Otherwise, reply 'FAKE' "
    "and provide the area coordinates in [x0, y0, x1, y1] format, "
    "the starting time of when you think it becomes fake, and an explanation. "
    "Encapsulate your answers using <coordinates> </coordinates>, "
    "<start_time> </start_time>, and <explanation> </explanation>."
)
_JSON = r"(?:\s*```[a-zA-Z]{0,10})?\s*(?=\{|\[\s{0,8}\{)"  # where an answer in JSON begins, bare or in a code fence
_JSON_FIRST = re.compile(_JSON)
_JSON_FENCED = re.compile(r"```[a-zA-Z]{0,10}\s{0,8}(?=\{|\[\s{0,8}[\[{])")
_LABEL = 200  # characters of a label in which a verdict is looked for
_TAG_NAME = re.compile("coordinate|box|time|start|onset|explanation", re.I)
_TAG = re.compile(
    r"<\s{0,4}(/?)\s{0,4}(?:(?P<coordinates>(?:area[ _-])?coordinates?|(?:bounding[ _-]?)?box|bbox(?:_2d)?)"
    r"|(?P<start_time>(?:start(?:ing)?[ _-]?)?time|start|onset|timestamp)|(?P<explanation>explanation))\s{0,4}>",
    re.I,
)


def tags_of(text: str) -> list[re.Match[str]]:
    """The tags of the protocol that stand in a text."""
    return list(_TAG.finditer(text)) if _TAG_NAME.search(text) else []


def _cut_tags(text: str) -> tuple[dict[str, str], str, list[str]]:
    """Take each tag's content out of the text: (contents, what remains, problems)."""
    found: dict[str, str] = {}
    problems: list[str] = []
    outside, at, inside = [], 0, ""
    for match in tags_of(text):
        tag = match.lastgroup or ""
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
    if "coordinates" not in found:
        problems += unread_box(outside)
    start = read_start(found["start_time"], problems) if "start_time" in found else None
    explanation = found.get("explanation", "").strip() or None
    return Parsed(Answer("fake", bbox, start, explanation), "tags", None, tuple(problems))


_JSON_KEYS = {
    "verdict": ("label", "verdict", "answer", "prediction", "final_answer", "final_verdict", "classification"),
    "bbox": ("bbox", "coordinates", "box", "bbox_2d", "bounding_box"),  # bbox_2d: Qwen2.5-VL and Qwen3-VL
    "start": ("start_time", "start", "onset", "starting_time", "timestamp", "time", "time_range"),
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


def _nodes(value: Any) -> list[Any]:
    """All that a JSON value holds and it itself, the outer before the inner and the first before the others."""
    nodes = [value]
    for node in nodes:
        nodes += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return nodes


def _verdict_of(nodes: Sequence[Any], objects: Sequence[dict[str, Any]], around: str) -> tuple[str | None, str | None]:
    """The verdict of an answer's objects and of the text around them, or (None, why there is none).

    Another verdict, in whatever key or depth, or around them, takes it away.
    """
    labels = [found[key] for found in objects for key in _JSON_KEYS["verdict"] if found.get(key) is not None]
    stated = [verdict for label in labels if (verdict := _stated(label))]
    verdict, why = (stated[0], None) if stated else bare_verdict(around)
    if verdict is None:
        return (
            None,
            f"the label is neither REAL nor FAKE: {str(labels[0] if labels else None)[:40]!r}; around it: {why}",
        )
    other = OPPOSITE[verdict]
    flags = {word for found in objects for key, word in _FLAGS.items() if found.get(key) is (word == other)}
    words = {_word(node) for node in nodes if isinstance(node, str)}
    if other in words.union(stated) or flags or stated_verdicts(around).contradicts(verdict):
        return None, f"two different labels: {str(labels)[:80]}"
    return verdict, None


def _stated(label: Any) -> str | None:
    """The verdict that a label's value is, or states in words."""
    word = _word(label)
    return word if word in VERDICT_WORDS else bare_verdict(label[:_LABEL])[0] if word else None


def _first_present(objects: Sequence[dict[str, Any]], field: str) -> Any:
    return next((found[key] for found in objects for key in _JSON_KEYS[field] if found.get(key) is not None), None)


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
    elif isinstance(value, list) and len(value) == 4 and all(isinstance(v, str) for v in value):
        return read_box(", ".join(value), problems)
    elif isinstance(value, list) and value and all(isinstance(one, list) and len(one) == 4 for one in value):
        problems += ["bbox: more than one, the first counts"] if len(value) > 1 else []
        return _json_box(value[0], problems)
    elif isinstance(value, str):
        return read_box(value, problems)
    elif isinstance(value, dict) and (box := [value.get(key) for key in ("x0", "y0", "x1", "y1")]) and None not in box:
        return _json_box(box, problems)
    problems.append(f"bbox: neither four numbers nor left, top, width, height: {repr(value)[:60]}")
    return None


def find_json(text: str) -> re.Match[str] | None:
    """What stands before an answer in JSON: at the text's beginning, else before its one code fence that holds some."""
    if first := _JSON_FIRST.match(text):
        return first
    fenced = list(_JSON_FENCED.finditer(text))
    return fenced[0] if len(fenced) == 1 else None


@reads("json")
def parse_json(text: str) -> Parsed:
    """JSON, bare or in a code fence, as models asked for it answer (not a protocol of the paper): an object, or a list.

    Keys: label|verdict|answer|prediction, bbox|coordinates|box ([x0, y0, x1, y1] or left/top/width/height),
    start_time|start|onset, explanation|reason|reasoning, and their like, in any case and depth. The verdict's value
    must be "real" or "fake" or say so, and the other one the value of no key; without such a key the text around the
    fence may state it. Of several boxes the first counts.
    """
    if (before := find_json(text)) is None:
        return Parsed(None, "json", "no JSON object")
    try:
        found, end = _DECODER.raw_decode(text, before.end())
    except (ValueError, RecursionError) as error:
        return Parsed(None, "json", f"broken JSON: {str(error)[:80]}")
    after = text[end:].strip()
    if after and not after.startswith("```"):
        return Parsed(None, "json", "text after the JSON object")
    nodes, around = _nodes(found), f"{text[: before.start()]}\n{after[3:]}"
    objects = [node for node in nodes if isinstance(node, dict)]
    verdict, why = _verdict_of(nodes, objects, around)
    if verdict is None:
        return Parsed(None, "json", why)
    if verdict == "real":
        return Parsed(Answer("real"), "json")
    problems: list[str] = []
    answer = Answer(
        "fake", _box_of(objects, problems), _start_of(objects, problems), _explanation_of(objects, problems)
    )
    return Parsed(answer, "json", None, tuple(problems))


_JSON_ANYWHERE = re.compile(r"(?:```[a-zA-Z]{0,10}\s{0,8})?(?=\{\s{0,8}\"|\[\s{0,8}[\[{])")
_TRIED = 8  # places where JSON may begin
_FENCE = re.compile(r"\s{0,8}```")
_CLOCK_IN_WORDS = re.compile(r"(?<![\d:])(?:\d{1,2}:)?\d{1,2}:\d{2}(?:\.\d{1,3})?(?![\d:])")


def _json_in(text: str) -> tuple[Any, str]:
    """(the first value of JSON that stands in a text, the text around it); (None, the text) where there is none."""
    for before in itertools.islice(_JSON_ANYWHERE.finditer(text), _TRIED):
        try:
            found, end = _DECODER.raw_decode(text, before.end())
        except (ValueError, RecursionError):
            continue
        after = text[end:]
        fence = _FENCE.match(after)
        return found, f"{text[: before.start()]}\n{after[fence.end() if fence else 0 :]}"
    return None, text


def parse_with_json(text: str) -> Parsed:
    """Words that state the verdict, with JSON among them, as Qwen-VL writes boxes: {"bbox_2d": […], "label": "hand"}.

    The label names what is in the box. The onset is a key of the JSON, or the first time of the words that is written
    as mm:ss; the explanation a key, else the words and the label.
    """
    found, around = _json_in(text)
    nodes = [] if found is None else _nodes(found)
    objects = [node for node in nodes if isinstance(node, dict)]
    names = [str(one["label"]) for one in objects if "bbox_2d" in one and "label" in one and not _stated(one["label"])]
    unnamed = [{k: v for k, v in one.items() if k != "label" or _stated(v)} for one in objects]
    verdict, why = _verdict_of(nodes, unnamed, around) if found is not None else bare_verdict(around)
    if verdict is None:
        return Parsed(None, "qwen", why)
    problems: list[str] = []
    bbox, start = _box_of(objects, problems), _start_of(objects, problems)
    if start is None and (clock := _CLOCK_IN_WORDS.search(around)):
        start = read_start(clock[0], problems)
    words = [] if _word(around) in VERDICT_WORDS else around.split()  # a verdict alone explains nothing
    said = _explanation_of(objects, problems) or " ".join([*words, *names]).strip() or None
    return Parsed(Answer(verdict, bbox, start, said), "qwen", None, tuple(problems))


def _box_of(objects: Sequence[dict[str, Any]], problems: list[str]) -> Box | None:
    boxes = [found[key] for found in objects for key in _JSON_KEYS["bbox"] if found.get(key) is not None]
    if boxes:
        problems += ["bbox: more than one, the first counts"] if len(boxes) > 1 else []
        return _json_box(boxes[0], problems)
    keys = [key for found in objects for key, value in found.items() if value is not None]
    if other := [key for key in keys if "box" in key or "coord" in key]:
        problems.append(f"bbox: in a key that is not read: {other[0][:40]!r}")
    return None


def _start_of(objects: Sequence[dict[str, Any]], problems: list[str]) -> float | None:
    start = _first_present(objects, "start")
    if isinstance(start, list) and start:
        start = start[0]  # of a range
    if isinstance(start, str):
        return read_start(start, problems)
    if start is None or (_plain_number(start) and start >= 0):
        return None if start is None else float(start)
    problems.append(f"start: not a time in seconds: {str(start)[:40]!r}")
    return None


def _explanation_of(objects: Sequence[dict[str, Any]], problems: list[str]) -> str | None:
    explanation = _first_present(objects, "explanation")
    if isinstance(explanation, str):  # \ud800 in JSON is half a character, which no file can hold
        return explanation.encode(errors="replace").decode().strip() or None
    if explanation is not None:
        problems.append(f"explanation: not a text: {str(explanation)[:40]!r}")
    return None
