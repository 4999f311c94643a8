"""The judge of an explanation: how far is it the one that people wrote, 0, 0.5 or 1.

Fu et al. (DeepTraceReward), section 3.1 and appendix D, whose prompt this is; the paper's judge is GPT 4.1. Where the
two texts stand the appendix does not show: here in the form of its examples, behind them. Nothing is trained to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any

from swift_plugins.core.tasks import Choices, Parsed
from swift_plugins.core.tasks.wording import reads

NAME = "explanation"
VERSION = "1"
PROMPT_END = ""
QUESTIONS: dict[str, str] = {}
ZERO_SHOT_QUESTION = None
WRITTEN = "ground_truth_explanation"
CANDIDATES = {"predicted_explanation": "candidate"}
SAME_ANSWER_AS = None
DECISION = "score must be 0, 0.5 or 1"
SCORES = {"0": 0.0, "0.5": 0.5, "1": 1.0}
CHOICES = Choices("", {score: score for score in SCORES}, "")
KINDS = ("score",)

PROMPT = """You will receive a ground-truth explanation and a model-predicted explanation.
Rate the predicted explanation on a scale of 0, 0.5, or 1 based on:
- 0: Completely wrong or no explanation.
- 0.5: Same object mentioned but incorrect reason.
- 1: Both object and reason correctly identified.
Respond with only the score.

Examples:

Ground Truth: 'The clock hands are floating without support.'
Predicted : 'The clock face is tilted.'
Answer    : 0

Ground Truth: 'The bottle cap is warped at the hinge.'
Predicted : 'The bottle cap is warped at the hinge.'
Answer    : 1

Ground Truth: 'The lamp bulb flickers due to pixelation.'
Predicted : 'The lamp bulb is pixelated but stable.'
Answer    : 0.5

Ground Truth: '{ground_truth_explanation}'
Predicted : '{predicted_explanation}'
Answer    :"""


@dataclass(frozen=True, slots=True)
class Answer:
    """A judgement: 0, 0.5 or 1."""

    score: float


def render(answer: Answer) -> str:
    """The score alone; ValueError for another than those of the scale."""
    for text, score in SCORES.items():
        if answer.score == score:
            return text
    raise ValueError(f"{DECISION}, got {answer.score!r}")


# A line that is a score, alone or before a mark and a reason: "0.5", "**Answer: 1**", "0.5 - the same object".
_LINE = re.compile(
    r"[\s*_#>\"'`(\[{$:\\]{0,12}(?:(?:the |my |final |overall ){0,2}(?:answer|score|rating|boxed)\b[\s*_\"'`:=({]{0,8}"
    r"(?:is[\s:*]{1,4})?)?(?:(?P<zero>0(?:\.0{1,8})?)|(?P<half>0?\.50{0,8})|(?P<one>1(?:\.0{1,8})?))"
    r"(?:\s{0,2}/\s{0,2}1(?:\.0)?)?(?:[\s*_\"'`)\]}$.;:!]{0,8}|[*_\"'`)\]]{0,4}\s{0,2}[-–—:;(]{1,2}\s{0,2}[^\d\s].*)",
    re.I,
)
# Anywhere in a line, another score than the one that is given takes it back.
_SAID = re.compile(
    r"\b(?:answer|score|rating)\b[\s*_\"'`:=]{0,8}(?:(?:is|of|as|would be|should be)[\s*_\"'`:]{1,8})?"
    r"(?:(?P<zero>0(?:\.0{1,8})?)|(?P<half>0?\.50{0,8})|(?P<one>1(?:\.0{1,8})?))(?![.\d]*\d)",
    re.I,
)
_VALUES = {"zero": 0.0, "half": 0.5, "one": 1.0}


@reads("trained")
def parse_trained(text: str) -> Parsed:
    """The one score of an answer that was to be nothing but a score; none where it is of another scale, or two."""
    given = {_VALUES[match.lastgroup or ""] for line in text.splitlines() if (match := _LINE.fullmatch(line))}
    if not given:
        return Parsed(None, "trained", "no score of 0, 0.5 or 1")
    said = given.union(_VALUES[match.lastgroup or ""] for match in _SAID.finditer(text))
    if len(said) > 1:
        return Parsed(None, "trained", "two different scores")
    return Parsed(Answer(said.pop()), "trained")


def decision(answer: Answer) -> float:
    return answer.score


def truth(decision: float) -> dict[str, Any]:
    """The key of a judged row that states a score."""
    return {"explanation_score": decision}


def exchanged(meta: Mapping[str, Any]) -> dict[str, Any]:
    """A single explanation has none to change places with."""
    raise ValueError(f"--swap is for pairs of candidates, this row's task is {NAME}")


def best(meta: Mapping[str, Any]) -> tuple[str, str]:
    """(the explanation's key, the decision that is best for it)."""
    return CANDIDATES["predicted_explanation"], "1"


MOST_FAVOUR = 1


def favour(answer: Answer, meta: Mapping[str, Any]) -> float:
    """The score."""
    return answer.score


NO_JUDGEMENT = dict.fromkeys(("explanation_score",))


def judgement(answers: Sequence[Answer], probabilities: Sequence[Mapping[str, float] | None]) -> dict[str, Any]:
    """The score; of repeated judgements the median, of an even number of them the lower one, and all of them."""
    scores = [answer.score for answer in answers]
    repeats = {"explanation_scores": scores} if len(scores) > 1 else {}
    return {"explanation_score": median_low(scores), **repeats}


def segments(text: str) -> list[tuple[str, str]]:
    return [(text, "score")] if text else []


GRAMMARS = {"trained": parse_trained}
