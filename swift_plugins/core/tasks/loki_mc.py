"""LOKI, multiple choice: which of two images or videos is the generated one, or the real one, A or B.

Ye et al., "LOKI", and its released evaluation, which adds the choices and a last line (PROMPT_END) to the question as
it is on disk, and guesses at random where it finds no choice; here there is then no answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from swift_plugins.core.tasks import Choices, Parsed
from swift_plugins.core.tasks.openings import (
    CLAUSE,
    END,
    ENDS_AGAIN,
    LEAD,
    SAID_AGAIN,
    choice_segments,
    end_of,
    opening_of,
    read_back,
    said_again,
)
from swift_plugins.core.tasks.verdicts import with_reader
from swift_plugins.core.tasks.wording import reads

NAME = "loki_mc"
VERSION = with_reader("1")
QUESTIONS: dict[str, str] = {}
ZERO_SHOT_QUESTION = None
CANDIDATES: dict[str, str] = {}
SAME_ANSWER_AS = None
TEXTS = {"A": "The first one.", "B": "The second one."}  # the choices on disk
PROMPT = None
PROMPT_END = "".join(f"\n{letter}. {text}" for letter, text in TEXTS.items()) + "\nAnswer with the option letter."
KINDS = ("answer", "explanation", "other")

_PLACES = {"first": "A", "second": "B"}
_PHRASE = rf"the ({'|'.join(_PLACES)}) one{END}"
_OPENING = re.compile(rf"([AB]){END}(?:[.,:)*]{{1,4}}\s{{0,8}}{_PHRASE})?|{_PHRASE}", re.I | re.A)
_AGAIN = re.compile(
    rf"{SAID_AGAIN}(?:(?P<A>(?:the )?first(?: one)?|a)|(?P<B>(?:the )?second(?: one)?|b)){ENDS_AGAIN}"
    rf"|\bthe (?:(?P<A_>first)|(?P<B_>second)) one{ENDS_AGAIN}"
)
CHOICES = Choices("", {letter: letter for letter in TEXTS}, "", LEAD)


@dataclass(frozen=True, slots=True)
class Answer:
    """The first medium, "A", or the second, "B", and what is said for it."""

    choice: str
    explanation: str | None = None


def answer_of(stated: str) -> Answer:
    """The answer as the dataset states it, "A" or "B"."""
    return Answer(stated)


def render(answer: Answer) -> str:
    """The letter, with ". " and the explanation if there is one; ValueError for what could not be read back."""
    if answer.choice not in TEXTS:
        raise ValueError(f"the answer must be A or B, got {answer.choice!r}")
    text = answer.choice if answer.explanation is None else f"{answer.choice}. {answer.explanation}"
    return read_back(text, answer, parse_trained)


def _read(match: re.Match[str]) -> set[str]:
    """The choices that an opening names."""
    return {said.upper() if len(said) == 1 else _PLACES[said.lower()] for said in match.groups() if said}


@reads("trained")
def parse_trained(text: str) -> Parsed:
    """The choice that the text begins with: its letter, its wording or both; two different ones are none."""
    match = opening_of(_OPENING, text)
    if match is None:
        return Parsed(None, "trained", "does not begin with A or B")
    said = _read(match)
    for clause in CLAUSE.finditer(text, match.end()):
        if other := _OPENING.match(text, clause.end()):
            said |= _read(other)
    again = said_again(_AGAIN, text[match.end() :])
    if again is None or len(said | {name[0] for name in again}) > 1:
        return Parsed(None, "trained", "both A and B")
    explanation = text[end_of(match) :].strip()
    return Parsed(Answer(said.pop(), explanation or None), "trained")


def segments(text: str) -> list[tuple[str, str]]:
    """Split an answer text into (piece, kind): "answer", "explanation" and "other", what stands around them."""
    return choice_segments(text, opening_of(_OPENING, text))


GRAMMARS = {"trained": parse_trained}
