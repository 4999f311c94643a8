"""DeepTraceReward: is a video real or generated, and where, when and why does it give itself away.

Source of every sentence below: Fu et al., "Learning Human-Perceived Fakeness in AI-Generated Videos via Multimodal
LLMs" (DeepTraceReward), section 3.2 for the question and the answers, appendix E for the zero-shot prompt, section 2.3
for the nine categories.
"""

from __future__ import annotations

import re

from swift_plugins.core.tasks import Choices, Parsed
from swift_plugins.core.tasks.deeptrace_answer import (
    NUMBER,
    UNSIGNED,
    Answer,
    ordered,
    read_box,
    read_start,
    unread_box,
)
from swift_plugins.core.tasks.deeptrace_zero_shot import ZERO_SHOT_QUESTION as ZERO_SHOT_QUESTION
from swift_plugins.core.tasks.deeptrace_zero_shot import find_json, parse_json, parse_tags, tags_of
from swift_plugins.core.tasks.other_models import Said, grammars
from swift_plugins.core.tasks.verdicts import STOP, VERDICT_WORDS, named, stated_verdicts, with_reader
from swift_plugins.core.tasks.wording import reads

NAME = "deeptrace"
VERSION = with_reader("1")
PROMPT = None
PROMPT_END = ""
CANDIDATES: dict[str, str] = {}
SAME_ANSWER_AS = None

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
        if parse_trained(text).answer != answer:
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

_RENDERED = re.compile(
    r"FAKE\. The video is AI-generated\.(?: The unnatural part is at "
    rf"\[({NUMBER}), ({NUMBER}), ({NUMBER}), ({NUMBER})\]"
    rf"(?:\.| starting ({UNSIGNED}) seconds\.))?(?: The reason is because (.+))?",
    re.S,
)
_TRAINED_VERDICT = re.compile(rf"\s*(real|fake)(?={STOP})", re.I)
_TRAINED_BOX = re.compile(r"unnatural part is at (\[[^\[\]]{0,400}\])")
_TRAINED_START = re.compile(r"starting ([^\s,;]{1,40}) seconds?(?!\w)")
_ANY_START = re.compile(r"starting ((?:[^.,;\n]|[.,](?=[0-9])){1,60})")
_END = re.compile(r"[.\n]")
_NO_PART = "There is no unnatural part"
_NO_HEAD = "does not begin with REAL or FAKE"


@reads("trained")
def parse_trained(text: str) -> Parsed:
    """The answer of section 3.2: the first word is the verdict; box, time and reason follow in their own words.

    There is none where what follows states the other verdict or denies the first, or finds an unnatural part in a real
    video or none in a fake one.
    """
    if text == REAL_ANSWER:
        return _REAL
    if (match := _RENDERED.fullmatch(text)) and not stated_verdicts(match[6] or "").contradicts("fake"):
        return _parse_rendered(*match.groups())
    return _parse_words(text)


_REAL = Parsed(Answer("real"), "trained")


def _parse_rendered(x0: str | None, y0: str, x1: str, y1: str, start: str | None, explanation: str | None) -> Parsed:
    """A text exactly as render() writes it, the common case; _parse_words finds the same in it, only slower."""
    problems: list[str] = []
    bbox = ordered(float(x0), float(y0), float(x1), float(y1), problems) if x0 is not None else None
    answer = Answer("fake", bbox, float(start) if start else None, (explanation or "").strip() or None)
    return Parsed(answer, "trained", None, tuple(problems))


def _parse_words(text: str) -> Parsed:
    head = _TRAINED_VERDICT.match(text)
    if head is None:
        return Parsed(None, "trained", _NO_HEAD)
    verdict = head.group(1).lower()
    reason = text.find(_REASON)
    claims, bbox, start = (text if reason < 0 else text[:reason]), None, None
    if why := _taken_back(verdict, text, claims, head.end()):
        return Parsed(None, "trained", why)
    if verdict == "real":
        return Parsed(Answer("real"), "trained")
    problems: list[str] = []
    if box := _TRAINED_BOX.search(claims):
        bbox = read_box(box.group(1), problems)
    elif "unnatural part is at" in claims:
        problems.append("bbox: no [x0, y0, x1, y1] after 'unnatural part is at'")
    else:
        problems += unread_box(claims)
    if time := _TRAINED_START.search(claims) or _ANY_START.search(claims):
        start = read_start(time[1], problems)
    elif _STARTING in claims:
        problems.append("start: no number of seconds after 'starting'")
    explanation = text[reason + len(_REASON) :].strip() if reason >= 0 else None
    return Parsed(Answer("fake", bbox, start, explanation or None), "trained", None, tuple(problems))


def _taken_back(verdict: str, text: str, claims: str, head: int) -> str | None:
    """Why the verdict that a text begins with is none: what is said before its reason, or as its reason, against it."""
    first = text[: _sentence_end(text, head)]
    if len(first) > head and len(named(first)) > 1:
        return "the first sentence holds both verdicts"
    if stated_verdicts(first).doubted:
        return "a doubted verdict"
    other = _TRAINED_BOX.search(claims) if verdict == "real" else _NO_PART in claims
    explained = text[len(claims) + len(_REASON) :]
    if other or any(stated_verdicts(said).contradicts(verdict) for said in (claims, explained)):
        return "two different verdicts"
    return None


def _sentence_end(text: str, start: int) -> int:
    match = _END.search(text, start)
    return match.start() if match else len(text)


@reads("tags")
def parse_auto(text: str) -> Parsed:
    """Choose the grammar by the text's outer form: JSON by its brace, tags by their names, else trained, else tags."""
    text = text.lstrip()
    if find_json(text) is not None:
        return parse_json(text)
    if tags_of(text):
        return parse_tags(text)
    trained = parse_trained(text)
    return trained if trained.answer is not None or trained.reason != _NO_HEAD else parse_tags(text)


def _answer_of(said: Said) -> Answer:
    return Answer("real") if said.verdict == "real" else Answer("fake", said.bbox, said.start, said.explanation)


GRAMMARS = {
    "trained": parse_trained,
    "tags": parse_tags,
    "json": parse_json,
    "auto": parse_auto,
    **grammars(_answer_of),
}
