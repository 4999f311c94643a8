"""The tasks. Each is one file with its prompts, its Answer, `render` and its parsers, all that `Task` lists; standard
library only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple, Protocol

from swift_plugins.core.names import unknown

TASKS = (
    "deeptrace",
    "dfj_pointwise",
    "dfj_pairwise",
    "dfj_detect",
    "dfj_reason",
    "fakevlm",
    "loki_tf",
    "loki_mc",
    "loki_open",
)
JUDGES = ("dfj_pointwise", "dfj_pairwise", "explanation")  # those whose prompts have CANDIDATES; none trains the last
MAX_CHARS = 65_536  # what a parser reads of an output; the rest is ignored


@dataclass(frozen=True, slots=True)
class Parsed:
    """A parser's result: an answer of its task, or the reason why there is none.

    `problems` lists the fields that were present but broken (they count as missing); `grammar` is the one that matched.
    """

    answer: Any
    grammar: str
    reason: str | None = None
    problems: tuple[str, ...] = ()


class Choices(NamedTuple):
    """What an answer decides between: the text before the choice, its wording for each value, and the text after it.

    Where `opening` is given, the choice stands behind what it matches at the text's beginning, else behind the last
    `before`.
    """

    before: str
    words: Mapping[str, str]
    after: str
    opening: re.Pattern[str] | None = None

    def begins_at(self, text: str) -> int:
        """The place in an answer where the choice stands, perhaps behind white space; -1 where there is none."""
        if self.opening is not None:
            match = self.opening.match(text)
            return match.end() if match else -1
        at = text.rfind(self.before) if self.before else 0
        return at if at < 0 else at + len(self.before)


class Task(Protocol):
    """The module of a task. Every one states every fact, empty or None where it has none."""

    NAME: str
    VERSION: str  # of its prompts and answers, and behind a dot of what reads them; see `made_for`
    PROMPT: str | None  # the project's own, for data that bring none, with slots for CANDIDATES
    PROMPT_END: str  # what an evaluation adds to the question as it is on disk
    QUESTIONS: Mapping[str, str]  # the fixed ones by what sets them apart; without any, rows bring theirs
    ZERO_SHOT_QUESTION: str | None  # for models that were not trained on it
    CANDIDATES: Mapping[str, str]  # a judge's: slot of the prompt -> key of meta that says where in it the text stands
    SAME_ANSWER_AS: str | None  # the task whose answers these are too, so that one checkpoint serves both
    CHOICES: Choices  # what an answer decides between
    KINDS: Sequence[str]  # the parts of an answer that can be weighted in the loss
    GRAMMARS: Mapping[str, Callable[[str], Parsed]]  # name -> parser; "trained" reads what `render` writes
    Answer: Any

    def render(self, answer: Any) -> str:
        """The answer's text, which "trained" reads back as the same answer; ValueError where it would not."""

    def segments(self, text: str) -> list[tuple[str, str]]:
        """An answer's text in pieces, each with its kind, one of KINDS."""


class JudgeTask(Task, Protocol):
    """A task that judges candidates, which stand in its prompt."""

    PROMPT: str
    DECISION: str  # what it must be, for error texts

    def decision(self, answer: Any) -> Any:
        """What an answer decides, as a row's meta states the truth."""

    def truth(self, decision: Any) -> dict[str, Any]:
        """The keys of meta that state a decision."""

    def exchanged(self, meta: Mapping[str, Any]) -> dict[str, Any]:
        """The keys of meta that are others after the candidates have changed places; ValueError for a single one."""

    def best(self, meta: Mapping[str, Any]) -> tuple[str, str]:
        """(the key of the candidate that has most to gain, the decision that is best for it as an answer says it)."""

    def favour(self, answer: Any, meta: Mapping[str, Any]) -> float:
        """How well an answer treats that candidate; MOST_FAVOUR is as well as can be."""

    MOST_FAVOUR: int

    def judgement(self, answers: Sequence[Any], probabilities: Sequence[Mapping[str, float] | None]) -> dict[str, Any]:
        """The fields that judged rows gain; the answers, and the choices' probabilities, of each order asked."""

    NO_JUDGEMENT: Mapping[str, None]  # the same fields where there is none


def get_judge(name: str) -> JudgeTask:
    """The task of that name, one of JUDGES."""
    if name not in JUDGES:
        raise ValueError(unknown("judge's task", name, JUDGES))
    task: Any = get_task(name)
    return task


def made_for(version: object) -> str:
    """The part of a task's version that rows and checkpoints are made for, and must have in common: its prompts and
    answers. What reads answers, behind the dot, does so when they are scored, and stands in the report."""
    return str(version).partition(".")[0]


def get_task(name: str) -> Task:
    """The task module of that name."""
    if name not in TASKS and name not in JUDGES:
        raise ValueError(unknown("task", name, TASKS))
    task: Any = import_module(f"{__name__}.{name}")  # a module, which is why the type checker is told
    return task


def answers_of(name: str) -> str:
    """The task whose answers a task's are."""
    return get_task(name).SAME_ANSWER_AS or name
