"""Answers that begin with a choice, as LOKI's do: what may stand before it, what ends it, and the pieces of a text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from swift_plugins.core.tasks import Parsed
from swift_plugins.core.tasks.wording import drawn, plain

LEAD = re.compile(r"[\s\"'*(]{0,8}")
# An end of what is said: of the text, or a mark. "No doubt", "no-one" and "yes?" say neither yes nor no.
END = r"(?=\s{0,8}(?:\Z|[.,!;:*\")–—\n]|['’](?!\w)|-\s))"
STOP = re.compile(r"[.,!;:*\"')]{0,4}\s{0,8}")
# What another answer may stand behind.
CLAUSE = re.compile(r"(?:[.!?,;:][\"'*)]{0,2}\s{1,8}|\n\s{0,8})(?:(?:and|or|but)\s{1,8})?", re.I | re.A)


# Behind which one more answer may stand on its own, also in the middle of a sentence.
SAID_AGAIN = (
    r"(?:\A|[.!?,;:()\[\]\"*'|/\n-]|\b(?:answer|choice|option|letter|is|are|choose|pick|select|say|mean"
    r"|actually|rather|so|but"
    r"|wait|or|and|no|yes|not|it's|correct|with|for|then|instead|final|thought|sorry)\b)[\s*\"'(:\[]{0,6}"
)
ENDS_AGAIN = r"(?=\s{0,8}(?:\Z|[.,!?;:*\"')\]|/\n]|-\s)(?!\s?\d))"
_WITHDRAWN = re.compile(
    r"(?:\A|[.!?:;\n(*-])\s{0,3}(?:(?:that|this|it)(?: is|'s| was) |actually,? |wait,? |no,? ){0,2}"
    r"(?:false|incorrect|wrong|not (?:so|true|correct|right))(?=\W{0,3}(?:\Z|[.!\n]))"
)


def opening_of(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """Where a text begins with a choice."""
    return pattern.match(text, LEAD.match(text).end())  # type: ignore[union-attr]


def end_of(opening: re.Match[str]) -> int:
    """Where an opening and the mark behind it end: there the explanation begins."""
    return STOP.match(opening.string, opening.end()).end()  # type: ignore[union-attr]


def read_back(text: str, answer: Any, parse: Callable[[str], Parsed]) -> str:
    """The text of an answer; ValueError where it does not read back as that answer."""
    parsed = parse(text)
    if parsed.answer != answer:
        raise ValueError(f"the answer does not read back as written: {parsed.reason or repr(text[:80])}")
    return text


def said_again(pattern: re.Pattern[str], text: str) -> set[str] | None:
    """The groups' names of `pattern` that stand in a text after its answer; None where the answer is taken back.

    The text is looked at in plain, lower-case letters.
    """
    text = drawn(plain(text)).lower()
    if _WITHDRAWN.search(text):
        return None
    return {match.lastgroup or "" for match in pattern.finditer(text)}


def choice_segments(text: str, opening: re.Match[str] | None) -> list[tuple[str, str]]:
    """The pieces of a text whose answer is `opening`; without one all of it is an explanation."""
    if opening is None:
        return [(text, "explanation")] if text else []
    end = end_of(opening)
    pieces = [
        (text[: opening.start()], "other"),
        (opening.group(), "answer"),
        (text[opening.end() : end], "other"),
        (text[end:], "explanation"),
    ]
    return [(piece, kind) for piece, kind in pieces if piece]
