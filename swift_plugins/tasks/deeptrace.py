"""DeepTraceReward: is a video real or generated, and where, when and why does it give itself away.

Source of every sentence below: Fu et al., "Learning Human-Perceived Fakeness in AI-Generated Videos via Multimodal
LLMs" (DeepTraceReward), section 3.2 for the question and the answers, appendix E for the zero-shot prompt, section 2.3
for the nine categories.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from swift_plugins.tasks import MAX_CHARS, Choices, Parsed

NAME = "deeptrace"
VERSION = "1"

VERDICT_WORDS = {"real": "REAL", "fake": "FAKE"}
CHOICES = Choices("", VERDICT_WORDS, ".")
KINDS = ("verdict", "bbox", "time", "explanation", "other")

_QUESTION = (
    "<video> Decide whether the video is AI-generated or real by detecting unnatural parts. If you don’t detect any "
    "unnatural parts and think the video is real, reply with REAL. Otherwise, if you detect any, reply with FAKE"
)
_WHERE = "provide the coordinates of the unnatural parts in [x0, y0, x1, y1] format"

# Section 3.2 prints the first question; the others leave out the clause of what is not supervised. The fourth is the
# paper's "w/o time & w/o explanation", which still answers with a box (table 2 scores its IoU); `label_only` has none.
QUESTIONS = {
    "full": f"{_QUESTION}, and {_WHERE}, the starting time of them, and an explanation.",
    "no_time": f"{_QUESTION}, and {_WHERE}, and an explanation.",
    "no_explanation": f"{_QUESTION}, and {_WHERE}, and the starting time of them.",
    "no_time_no_explanation": f"{_QUESTION}, and {_WHERE}.",
    "label_only": f"{_QUESTION}.",
}
SETTINGS = tuple(QUESTIONS)

ZERO_SHOT_QUESTION = (
    "<video> Decide whether the video is AI-generated or real. "
    "If you think it is real, reply 'REAL'. Otherwise, reply 'FAKE' "
    "and provide the area coordinates in [x0, y0, x1, y1] format, "
    "the starting time of when you think it becomes fake, and an explanation. "
    "Encapsulate your answers using <coordinates> </coordinates>, "
    "<start_time> </start_time>, and <explanation> </explanation>."
)

REAL_ANSWER = "REAL. The video is real. There is no unnatural part."
_FAKE_HEAD = "FAKE. The video is AI-generated."
_PART = " The unnatural part is at "
_STARTING = " starting "
_REASON = " The reason is because "

# Section 2.3. The patterns are those by which the published code maps the free annotation tags to the nine categories,
# in their order; a tag may match several.
CATEGORY_PATTERNS = {
    "object merging": re.compile(r"merg|overlap", re.I),
    "object splitting": re.compile(r"splitt", re.I),
    "object disappearance": re.compile(r"disappear", re.I),
    "redundant object": re.compile(r"(?<!dis)appearance|redundant|extra object", re.I),
    "sudden blurring": re.compile(r"blurr", re.I),
    "background distortion": re.compile(r"background distortion", re.I),
    "unexpected move": re.compile(r"unexpected move|still things", re.I),
    "object trajectory": re.compile(r"weird motion|movement paths|trajectory|unsmooth motion", re.I),
    "object distortion": re.compile(r"shape distortion|distortions? \(object\)|object distortion|deformation", re.I),
}
CATEGORIES = tuple(CATEGORY_PATTERNS)


Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one answer claims. `bbox` is xyxy in the coordinate space of its row, `start` the onset in seconds."""

    verdict: str
    bbox: Box | None = None
    start: float | None = None
    explanation: str | None = None


# ---------------------------------------------------------------------------------------------------------- rendering


def _number_text(value: float) -> str:
    if not (value == 0 or 1e-4 <= abs(value) < 1e9):  # so written that NaN fails too
        raise ValueError(f"cannot write {value!r} in an answer: it must be finite, below 1e9 and, unless 0, above 1e-4")
    return repr(value).removesuffix(".0")


def render(answer: Answer) -> str:
    """The answer text of section 3.2; a clause whose field is None is left out, as the ablations do.

    `parse_trained(render(a)).answer == a` holds for every answer that renders; what could not be read back raises
    ValueError.
    """
    if answer.verdict == "real":
        if answer.bbox is not None or answer.start is not None or answer.explanation is not None:
            raise ValueError("a real verdict has no bbox, start or explanation")
        return REAL_ANSWER
    if answer.verdict != "fake":
        raise ValueError(f"verdict must be 'real' or 'fake', got {answer.verdict!r}")
    text = _FAKE_HEAD
    if answer.bbox is not None:
        x0, y0, x1, y1 = answer.bbox
        if not (x0 < x1 and y0 < y1):
            raise ValueError(f"bbox must have x0 < x1 and y0 < y1, got {answer.bbox}")
        text += f"{_PART}[{_number_text(x0)}, {_number_text(y0)}, {_number_text(x1)}, {_number_text(y1)}]"
        if answer.start is None:
            text += "."
    if answer.start is not None:
        if answer.bbox is None or answer.start < 0:
            raise ValueError(f"a start needs a bbox and must be >= 0, got {answer.start!r} with bbox {answer.bbox}")
        text += f"{_STARTING}{_number_text(answer.start)} seconds."
    if answer.explanation is not None:
        if not answer.explanation or answer.explanation != answer.explanation.strip():
            raise ValueError("an explanation must not be empty or have white space at its ends")
        text += _REASON + answer.explanation
        if len(text) > MAX_CHARS or _second_verdict(text):
            raise ValueError("the explanation is too long or holds a verdict sentence of its own")
    return text


def segments(text: str) -> list[tuple[str, str]]:
    """Split an answer text of section 3.2 into (piece, kind); the pieces join to the text again.

    Kinds are KINDS; "other" are the fixed words between the rest. A piece begins with the
    space before it, as byte-level tokenizers cut.
    """
    head = _TRAINED_VERDICT.match(text)
    if head is None:
        return [(text, "other")]
    cuts = [(head.start(1), head.end(1), "verdict")]
    reason = text.find(_REASON)
    claims = text if reason < 0 else text[:reason]
    if box := _TRAINED_BOX.search(claims):
        cuts.append((box.start(1) - 1, box.end(1), "bbox"))
    if time := _TRAINED_START.search(claims, cuts[-1][1]):
        cuts.append((time.start(1) - 1, time.end(1), "time"))
    if reason >= 0:
        cuts.append((reason + len(_REASON) - 1, len(text), "explanation"))
    pieces, at = [], 0
    for begin, end, kind in cuts:
        if begin > at:
            pieces.append((text[at:begin], "other"))
        pieces.append((text[begin:end], kind))
        at = end
    return [*pieces, (text[at:], "other")] if at < len(text) else pieces


def categories_in(text: str) -> list[str]:
    """The categories (section 2.3) that a raw annotation tag, or an explanation, names. Order is CATEGORIES'."""
    return [name for name, pattern in CATEGORY_PATTERNS.items() if pattern.search(text)]


# ------------------------------------------------------------------------------------------------------------ parsing
# In no pattern below can two \s* meet, and every search runs at most once: linear in the text.

_UNSIGNED = r"[0-9]{1,9}(?:\.[0-9]{1,20})?"
_NUM = rf"[-+]?{_UNSIGNED}"
_BOX_NUMBERS = re.compile(rf"\s*(?:\[\s*)?({_NUM})\s*,\s*({_NUM})\s*,\s*({_NUM})\s*,\s*({_NUM})\s*(?:\]\s*)?\Z")
_SECONDS = re.compile(rf"\s*({_NUM})\s*(?:(?:s|sec|seconds?)\s*)?(?:\.\s*)?\Z", re.I)
_WORDS = re.compile(
    r"(?<![\w\u2010\u2011-])(?:real|fake|ai-generated)(?![\w\u2010\u2011-])", re.I
)  # Unicode's hyphens too
_CLOSE = r"[\"'*`)\]]{0,4}"
_STOP = r"(?:[ \t]{0,8}[.,:;!<\n]|\s{1,8}[–—-]|\s{0,8}\Z)"
# A word states a verdict where it stands alone, where it says what the video is, or, in capitals, where it ends a
# sentence: "a real person" and "the fake smile" do not. The patterns are for what stands before it in its sentence, and
# after it, in lower case.
_ALONE = re.compile(r"(?:[\w ]{0,40}[:=])?[\s\"'*`(\[]{0,8}"), re.compile(_CLOSE + _STOP)
_SAYS = (
    re.compile(
        r"\b(?:it|this|that|video|clip|footage|image|picture)(?:['’]s|\s(?:is|was|looks|seems|appears))"
        r"\s(?:[\w'’]{1,20}\s){0,3}\Z"
    ),
    re.compile(rf"{_CLOSE}(?:\s{{0,8}}(?:[.,:;!?<]|\Z)|\s(?:video|clip|footage|because|as|since|due|and|with)\b)"),
)
_ENDS = re.compile(rf"{_CLOSE}\s{{0,8}}(?:[.!?\n]|\Z)")
_DOUBT = re.compile(
    r"\b(?:not|cannot|never|no|non|none|nothing|neither|nor|without|hardly|barely|unlikely|doubt\w{0,8}|rather|instead|if"
    r"|whether|or|could|may|might|far|anything|than)\b|n['’]t\b"
)
_SENTENCE_END = re.compile(r"[.!?\n]")
_MANY = 50  # verdict words; an output with more is no answer
_NEAR = 200  # characters around a verdict word in which its sentence is looked at
_RENDERED = re.compile(
    rf"FAKE\. The video is AI-generated\.(?: The unnatural part is at \[({_NUM}), ({_NUM}), ({_NUM}), ({_NUM})\]"
    rf"(?:\.| starting ({_UNSIGNED}) seconds\.))?(?: The reason is because (.+))?",
    re.S,
)
_TRAINED_VERDICT = re.compile(rf"\s*(real|fake)(?={_STOP})", re.I)
_TRAINED_BOX = re.compile(r"unnatural part is at (\[[^\[\]]{0,400}\])")
_TRAINED_START = re.compile(r"starting ([^\s,;]{1,40}) seconds?(?!\w)")
_VERDICT_SENTENCE = re.compile(r"(?:^|[.!?\n])\s{0,8}(REAL|FAKE)(?=\s{0,8}[.!\n]|\s{0,8}\Z)")
_END = re.compile(r"[.\n]")
_NO_HEAD = "does not begin with REAL or FAKE"
_FENCE = re.compile(r"\s*```[a-zA-Z]{0,10}\s*")


def _second_verdict(text: str) -> bool:
    """Whether the verdict sentences of a text ("FAKE." / "REAL.") disagree."""
    if "REAL" not in text or "FAKE" not in text:
        return False
    return len({m.group(1) for m in _VERDICT_SENTENCE.finditer(text)}) > 1


def _read_box(text: str, problems: list[str]) -> Box | None:
    match = _BOX_NUMBERS.match(text)
    if match is None:
        problems.append(f"bbox: not four plain numbers: {text.strip()[:60]!r}")
        return None
    x0, y0, x1, y1 = (float(n) for n in match.groups())
    return _ordered(x0, y0, x1, y1, problems)


def _ordered(x0: float, y0: float, x1: float, y1: float, problems: list[str]) -> Box | None:
    if x0 < x1 and y0 < y1:
        return x0, y0, x1, y1
    problems.append(f"bbox: reversed or empty: {[x0, y0, x1, y1]}")
    return None


def _read_start(text: str, problems: list[str]) -> float | None:
    match = _SECONDS.match(text)
    if match is None or (start := float(match.group(1))) < 0:
        problems.append(f"start: not a time in seconds: {text.strip()[:60]!r}")
        return None
    return start


def parse_trained(text: str) -> Parsed:
    """The answer of section 3.2: the first word is the verdict; box, time and reason follow in their own words."""
    text = text[:MAX_CHARS]
    if text == REAL_ANSWER:
        return _REAL
    if "REAL" not in text and (match := _RENDERED.fullmatch(text)):
        return _parse_rendered(*match.groups())
    return _parse_words(text)


_REAL = Parsed(Answer("real"), "trained")


def _parse_rendered(x0: str | None, y0: str, x1: str, y1: str, start: str | None, explanation: str | None) -> Parsed:
    """A text exactly as render() writes it, the common case; _parse_words finds the same in it, only slower."""
    problems: list[str] = []
    bbox = _ordered(float(x0), float(y0), float(x1), float(y1), problems) if x0 is not None else None
    answer = Answer("fake", bbox, float(start) if start else None, (explanation or "").strip() or None)
    return Parsed(answer, "trained", None, tuple(problems))


def _parse_words(text: str) -> Parsed:
    head = _TRAINED_VERDICT.match(text)
    if head is None:
        return Parsed(None, "trained", _NO_HEAD)
    verdict = head.group(1).lower()
    end = _sentence_end(text, head.end())
    if end > head.end() and len(_named(text[:end])) > 1:
        return Parsed(None, "trained", "the first sentence holds both verdicts")
    reason = text.find(_REASON)
    claims, bbox, start = (text if reason < 0 else text[:reason]), None, None
    stated, _ = stated_verdicts(claims[head.end() :])
    if stated - {verdict} or _second_verdict(text):
        return Parsed(None, "trained", "two different verdicts")
    if verdict == "real":
        return Parsed(Answer("real"), "trained")
    problems: list[str] = []
    if box := _TRAINED_BOX.search(claims):
        bbox = _read_box(box.group(1), problems)
    elif "unnatural part is at" in claims:
        problems.append("bbox: no [x0, y0, x1, y1] after 'unnatural part is at'")
    if time := _TRAINED_START.search(claims):
        start = _read_start(time.group(1), problems)
    elif _STARTING in claims:
        problems.append("start: no number of seconds after 'starting'")
    explanation = text[reason + len(_REASON) :].strip() if reason >= 0 else None
    return Parsed(Answer("fake", bbox, start, explanation or None), "trained", None, tuple(problems))


def _sentence_end(text: str, start: int) -> int:
    match = _END.search(text, start)
    return match.start() if match else len(text)


_TAGS = ("coordinates", "start_time", "explanation")


def _cut_tags(text: str) -> tuple[dict[str, str], str, list[str]]:
    """Take each tag's content out of the text: (contents, what remains, problems). One find per tag, so linear."""
    found, spans, problems = {}, [], []
    for tag in _TAGS:
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


def _named(text: str) -> set[str]:
    return {"real" if word.lower() == "real" else "fake" for word in _WORDS.findall(text)}


def stated_verdicts(text: str) -> tuple[set[str], bool]:
    """(the verdicts that a text states, whether one is doubted, negated, asked or stands beside the other word).

    A doubted one is not among the verdicts: "I don't think it is real" states none. "AI-generated" counts as fake.
    """
    stated, doubted = set(), False
    for number, match in enumerate(_WORDS.finditer(text)):
        if number == _MANY:
            return set(VERDICT_WORDS), True
        word, (begin, end) = match.group(), match.span()
        before = _SENTENCE_END.split(text[max(0, begin - _NEAR) : begin].lower())[-1]
        after = text[end : end + _NEAR].lower()
        alone = _ALONE[0].fullmatch(before) and _ALONE[1].match(after)
        says = _SAYS[0].search(before) and _SAYS[1].match(after)
        if not (alone or says or (word.isupper() and _ENDS.match(after))):
            continue
        verdict = "real" if word.lower() == "real" else "fake"
        rest, mark = _SENTENCE_END.split(after, maxsplit=1)[0], _SENTENCE_END.search(after)
        if _DOUBT.search(before) or (mark and mark.group() == "?") or _named(f"{before} . {rest}") - {verdict}:
            doubted = True
        else:
            stated.add(verdict)
    return stated, doubted


def bare_verdict(text: str) -> tuple[str | None, str | None]:
    """The one verdict that free text states, or (None, why there is none).

    Case does not matter. Parts of words ("unrealistic", "real-time"), words about something else ("a real person"),
    doubted or negated words ("not real") and texts with both verdicts give none.
    """
    words = {word.lower() for word in _WORDS.findall(text)} & {"real", "fake"}
    if not words:
        return None, "neither REAL nor FAKE"
    stated, doubted = stated_verdicts(text)
    if doubted:
        return None, "both verdicts" if len(words) > 1 else "a doubted or negated verdict"
    if len(stated) == 1:
        return stated.pop(), None
    if stated or len(words) > 1:
        return None, "both verdicts"
    return None, f"no verdict is stated: {words.pop()!r} stands in a phrase"


def parse_tags(text: str) -> Parsed:
    """The answer to the zero-shot prompt of appendix E: a verdict word outside the tags, the rest inside them."""
    found, outside, problems = _cut_tags(text[:MAX_CHARS])
    verdict, why = bare_verdict(outside)
    if verdict is None:
        return Parsed(None, "tags", why, tuple(problems))
    if verdict == "real":
        return Parsed(Answer("real"), "tags", None, tuple(problems))
    bbox = _read_box(found["coordinates"], problems) if "coordinates" in found else None
    start = _read_start(found["start_time"], problems) if "start_time" in found else None
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
            return _ordered(float(left), float(top), float(left + width), float(top + height), problems)
    elif isinstance(value, list) and len(value) == 4 and all(_plain_number(v) for v in value):
        x0, y0, x1, y1 = map(float, value)
        return _ordered(x0, y0, x1, y1, problems)
    problems.append(f"bbox: neither four numbers nor left, top, width, height: {repr(value)[:60]}")
    return None


def parse_json(text: str) -> Parsed:
    """One JSON object, bare or in a code fence, as models asked for JSON answer (not a protocol of the paper).

    Keys: label|verdict|answer|prediction, bbox|coordinates|box ([x0, y0, x1, y1] or left/top/width/height),
    start_time|start|onset, explanation|reason|reasoning. The verdict's value must be exactly "real" or "fake".
    """
    text = text[:MAX_CHARS]
    fence = _FENCE.match(text)
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


def parse_auto(text: str) -> Parsed:
    """Choose the grammar by the text's outer form: JSON by its brace, tags by their names, else trained, else tags."""
    head = text[:MAX_CHARS]
    fence = _FENCE.match(head)
    if (fence and head[fence.end() : fence.end() + 1] == "{") or head.lstrip()[:1] == "{":
        return parse_json(head)
    if any(f"<{tag}>" in head for tag in _TAGS):
        return parse_tags(head)
    trained = parse_trained(head)
    return trained if trained.answer is not None or trained.reason != _NO_HEAD else parse_tags(head)


GRAMMARS = {"trained": parse_trained, "tags": parse_tags, "json": parse_json, "auto": parse_auto}
