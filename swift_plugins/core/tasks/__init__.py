"""The tasks. Each is one file with its prompts, its Answer, `render` and its parsers; standard library only.

A task module provides NAME, VERSION, `render`, GRAMMARS (name -> parser) and CHOICES; one whose answers are trained on
also `segments` and KINDS, the parts of an answer that can be weighted in the loss.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

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


def get_task(name: str) -> ModuleType:
    """The task module of that name."""
    if name not in TASKS:
        raise ValueError(unknown("task", name, TASKS))
    return import_module(f"{__name__}.{name}")
