"""FakeVLM: is an image real or fake, and what in it shows it.

Wen et al., "Spot the Fake" (FakeVLM), sections 4.1 and 4.3, and the released data and code. FakeClue answers "This is a
fake image. …", DD-VQA, which asks the same of an image and of the parts of a face, "The image looks fake. …" and "The
person's eyes look fake. …"; figure 3 also trains the bare words "Real" and "Fake". Reading is linear in the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from swift_plugins.core.tasks import MAX_CHARS, Choices, Parsed
from swift_plugins.core.tasks.other_models import grammars
from swift_plugins.core.tasks.verdicts import OPPOSITE, VERDICTS, bare_verdict, stated_verdicts, with_reader
from swift_plugins.core.tasks.wording import reads

NAME = "fakevlm"
VERSION = with_reader("1")
PROMPT = None
PROMPT_END = ""
ZERO_SHOT_QUESTION = None
CANDIDATES: dict[str, str] = {}
SAME_ANSWER_AS = None
PARTS = {"skin": "looks", "eyes": "look", "eyebrows": "look", "mouth": "looks", "nose": "looks"}  # as DD-VQA asks
# form of an answer -> its opening, before the explanation; {} is the verdict
FORMS = {
    "image": "This is a {} image.",
    "video": "This is a {} video.",
    "looks": "The image looks {}.",
    **{part: f"The person's {part} {verb} {{}}." for part, verb in PARTS.items()},
    "word": "{}",
}
KINDS = ("verdict", "explanation", "other")

QUESTION = "<image>Does the image looks real/fake?"  # sic: FakeClue and DD-VQA on disk
QUESTIONS = {
    "image": QUESTION,
    "video": "<video>Does the video looks real/fake?",
    **{
        part: f"<image>{'Does' if verb == 'looks' else 'Do'} the person's {part} look real/fake?"
        for part, verb in PARTS.items()
    },
}

_OPENING = re.compile(
    r"(?:this is an? (?P<image>real|fake) (?P<medium>image|video)"
    r"|the image looks (?P<looks>real|fake)"
    rf"|the person['’]s (?P<part>{'|'.join(PARTS)}) looks? (?P<of_part>real|fake))"
    r"(?![\w?'’/-]|,?\s{1,8}or\s{1,8}(?:(?:an?|the) )?(?:real|fake)\b)",  # nor an echo of the question
    re.I,
)
_BARE = re.compile(r"(real|fake)\s{0,8}[.!]?", re.I)
_VERDICT = re.compile("real|fake", re.I)
_LEAD = re.compile(r"[\s\"'*]{0,8}")
_SENTENCE = re.compile(r"[.!?][\"'*)]?\s{1,8}|\n\s{0,8}")  # what another opening may stand behind
_CONCEDES = re.compile(
    r"[\s,;:–—-]{0,4}(?:but|yet|however|though|although|except|at first|initially|on the surface)\b", re.I
)
# DD-VQA's annotators go on about the person in the same line, with notes such as a last "Real." for whatever was asked.
_REMARKS = re.compile(r"(?:\b\w{1,20}\s)?\bthe person(?:['’]s| has)\b[^\n]*", re.I)
_STOP = re.compile(r"[.!,;:]?\s*")
_BEFORE_VERDICT = re.compile(
    rf"{_LEAD.pattern}(?:this is an? |the image looks |the person['’]s (?:{'|'.join(PARTS)}) looks? )?", re.I
)
CHOICES = Choices("", {verdict: verdict for verdict in VERDICTS}, "", _BEFORE_VERDICT)


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict, "real" or "fake", what shows it, and in which of FORMS it is said."""

    verdict: str
    explanation: str | None = None
    form: str = "image"


def render(answer: Answer) -> str:
    """The answer's text, its opening and the explanation; ValueError for what could not be read back."""
    if answer.verdict not in VERDICTS:
        raise ValueError(f"verdict must be one of {', '.join(VERDICTS)}, got {answer.verdict!r}")
    if answer.form not in FORMS:
        raise ValueError(f"form must be one of {', '.join(FORMS)}, got {answer.form!r}")
    text = FORMS[answer.form].format(answer.verdict)
    text = text[0].upper() + text[1:]
    if answer.explanation is not None:
        text += f" {answer.explanation}"
    parsed = parse_trained(text)
    if parsed.answer != answer:
        raise ValueError(f"the answer does not read back as written: {parsed.reason or text[:80]!r}")
    return text


def _read(match: re.Match[str]) -> tuple[str, str]:
    """(verdict, form) of an opening, with the letters, such as the long s, that are like others but for their case."""
    if match["image"]:
        return match["image"].casefold(), match["medium"].casefold()
    if match["looks"]:
        return match["looks"].casefold(), "looks"
    return match["of_part"].casefold(), match["part"].casefold()


def _stated(match: re.Match[str]) -> tuple[str, str]:
    """(verdict, what it is on: a part of a face or all there is to see) of an opening."""
    verdict, form = _read(match)
    return verdict, form if form in PARTS else "whole"


def _takes_back(text: str, opening: re.Match[str]) -> bool:
    """Whether what follows an opening states the other verdict on the same."""
    verdict, of = _stated(opening)
    for sentence in _SENTENCE.finditer(text, opening.end()):
        again = _OPENING.match(text, sentence.end())
        if again and _stated(again) == (OPPOSITE[verdict], of):
            return True
    rest = text[opening.end() :] if opening["image"] else _REMARKS.sub("", text[opening.end() :])
    return of == "whole" and stated_verdicts(rest).contradicts(verdict)


@reads("trained")
def parse_trained(text: str) -> Parsed:
    """The answer as it is trained: the opening first, whose words end at a word's boundary, then the explanation.

    A bare "Real" or "Fake" must be all that is said. Where the opening only concedes ("looks real, but"), or what
    follows states the other verdict on the same, the whole or a part of a face, there is no answer.
    """
    begin = _LEAD.match(text).end()  # type: ignore[union-attr]
    match = _OPENING.match(text, begin)
    if match is None:
        if bare := _BARE.fullmatch(text.strip()):
            return Parsed(Answer(bare[1].lower(), None, "word"), "trained")
        return Parsed(None, "trained", 'does not begin with "This is a real/fake image"')
    verdict, form = _read(match)
    if _CONCEDES.match(text, match.end()):
        return Parsed(None, "trained", "the verdict is only conceded")
    if _takes_back(text, match):
        return Parsed(None, "trained", "two different verdicts")
    rest = text[_STOP.match(text, match.end()).end() :].rstrip()  # type: ignore[union-attr]
    return Parsed(Answer(verdict, rest or None, form), "trained")


def parse_upstream(text: str) -> Parsed:
    """The released evaluation's rule, for comparison alone: "real", else "fake", as part of any word before the first
    period, else of what stands between it and the next.

    "This is a fake image with unrealistic skin" is real by it. Where it finds neither the release guesses at random;
    here there is no answer.
    """
    first, *others = text[:MAX_CHARS].split(".")
    for sentence in (first, *others[:1]):
        for verdict in VERDICTS:
            if verdict in sentence.lower():
                return Parsed(Answer(verdict, ".".join(others).strip() or None), "upstream")
    return Parsed(None, "upstream", "neither real nor fake in the first two sentences")


@reads("plain")
def parse_plain(text: str) -> Parsed:
    """Free text, as of a model that was not trained here, that states one verdict; all of it is the explanation."""
    verdict, why = bare_verdict(text)
    return Parsed(Answer(verdict, text.strip()) if verdict else None, "plain", why)


@reads("plain")
def parse_auto(text: str) -> Parsed:
    """As trained where the text opens so, else plain."""
    parsed = parse_trained(text)
    return parsed if parsed.answer is not None or parsed.reason == "two different verdicts" else parse_plain(text)


def answer_of_head(index: int) -> str:
    """What a linear head that chose a class, by its place in VERDICTS, says in this task's words."""
    return render(Answer(VERDICTS[index]))


def segments(text: str) -> list[tuple[str, str]]:
    """Split an answer text into (piece, kind): "verdict", "explanation" and "other", the fixed words."""
    text_begin = _BEFORE_VERDICT.match(text).end()  # type: ignore[union-attr]
    word = _VERDICT.match(text, text_begin)
    if word is None:
        return [(text, "explanation")] if text else []
    opening = _OPENING.match(text, _LEAD.match(text).end())  # type: ignore[union-attr]
    end = _STOP.match(text, opening.end() if opening else word.end()).end()  # type: ignore[union-attr]
    pieces = [
        (text[:text_begin], "other"),
        (word.group(), "verdict"),
        (text[word.end() : end], "other"),
        (text[end:], "explanation"),
    ]
    return [(piece, kind) for piece, kind in pieces if piece]


GRAMMARS = {
    "trained": parse_trained,
    "upstream": parse_upstream,
    "plain": parse_plain,
    "auto": parse_auto,
    **grammars(lambda said: Answer(said.verdict, said.explanation)),
}
