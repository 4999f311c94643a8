"""What others predicted for one row, before it is known which of ours that is."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from swift_plugins.core.records import Row
from swift_plugins.core.tables import text_of

FAILED = "no answer"


class Said(NamedTuple):
    """A prediction: the `key` of its row, in whatever way it is one, its `position` in the file that was asked, what
    was asked, on which media, and the gold answer, as far as they are told.

    `text` is the answer, or `error` why there is none; `fields` are parts of an answer where there is no text.
    """

    where: str
    key: str = ""
    position: int | None = None
    text: str | None = None
    error: str | None = None
    question: str | None = None
    media: tuple[str, ...] = ()
    labels: str | None = None
    p_fake: float | None = None
    fields: Mapping[str, str] = {}


class Form(Protocol):
    """The module of a form in which others keep predictions."""

    NAME: str
    SUFFIXES: Sequence[str]  # of what is written

    def fits(self, columns: Collection[str]) -> bool:
        """Whether a file with these columns has the form."""

    def read(self, where: str, row: Row) -> Said:
        """A row's prediction; ValueError where it has none of the form."""

    def write(self, rows: Iterable[Row], task: str) -> list[Row]:
        """Our predictions in the form, a row each."""


def answer_or_error(text: Any, error: Any = None) -> tuple[str | None, str | None]:
    """`text` and `error` of a Said."""
    if error:
        return None, text_of(error)[:500]
    return (text, None) if isinstance(text, str) else (None, FAILED)


def probability(value: Any) -> float | None:
    """A probability in 0..1, None where there is none; ValueError for anything else, as models write it too."""
    if (text := text_of(value).strip()) == "":
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1:
        raise ValueError(f"a probability must be 0 to 1, got {text[:40]!r}")
    return number


def whole(value: Any) -> int | None:
    """A position, which counts from 0; None for what is none."""
    text = text_of(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def question_of(row: Row) -> str:
    """What a row asks, without the tags where its media stand."""
    texts = [m["content"] for m in row.get("messages") or () if isinstance(m, dict) and m.get("role") == "user"]
    return plain(texts[0]) if texts and isinstance(texts[0], str) else ""


def plain(question: str) -> str:
    """A question without media tags and with single spaces, by which two are compared."""
    return " ".join(question.replace("<image>", " ").replace("<video>", " ").split())
