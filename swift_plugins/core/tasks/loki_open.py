"""LOKI, open ended: what in a fake image shows that it is one, in free text.

Ye et al., "LOKI"; the question, which asks for global and regional signs, is that of the dataset's rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from swift_plugins.core.tasks import Choices, Parsed
from swift_plugins.core.tasks.verdicts import with_reader
from swift_plugins.core.tasks.wording import reads

NAME = "loki_open"
VERSION = with_reader("1")
PROMPT = None
PROMPT_END = ""
QUESTIONS: dict[str, str] = {}
ZERO_SHOT_QUESTION = None
CANDIDATES: dict[str, str] = {}
SAME_ANSWER_AS = None
KINDS = ("explanation",)
CHOICES = Choices("", {}, "")  # free text decides between nothing


@dataclass(frozen=True, slots=True)
class Answer:
    """What shows that the image is fake."""

    explanation: str


def answer_of(stated: str) -> Answer:
    """The explanation that people wrote; ValueError where they wrote none."""
    if not stated:
        raise ValueError("explanation: the row has none")
    return Answer(stated)


def render(answer: Answer) -> str:
    """The explanation itself; ValueError for what could not be read back."""
    if parse_trained(answer.explanation).answer != answer:
        raise ValueError("an explanation must not be empty, too long or have white space at its ends")
    return answer.explanation


@reads("trained")
def parse_trained(text: str) -> Parsed:
    """All of the text beyond its thinking; white space alone is no answer."""
    explanation = text.strip()
    return Parsed(Answer(explanation) if explanation else None, "trained", None if explanation else "empty")


def segments(text: str) -> list[tuple[str, str]]:
    return [(text, "explanation")] if text else []


GRAMMARS = {"trained": parse_trained}
