"""Answers that begin with a choice, as LOKI's do: what may stand before it, what ends it, and the pieces of a text."""

from __future__ import annotations

import re

LEAD = re.compile(r"[\s\"'*(]{0,8}")
# An end of what is said: of the text, or a mark. "No doubt", "no-one" and "yes?" say neither yes nor no.
END = r"(?=\s{0,8}(?:\Z|[.,!;:*\")–—\n]|['’](?!\w)|-\s))"
STOP = re.compile(r"[.,!;:*\"')]{0,4}\s{0,8}")
# What another answer may stand behind.
CLAUSE = re.compile(r"(?:[.!?,;:][\"'*)]{0,2}\s{1,8}|\n\s{0,8})(?:(?:and|or|but)\s{1,8})?", re.I | re.A)


def choice_segments(text: str, opening: re.Match[str] | None) -> list[tuple[str, str]]:
    """The pieces of a text whose answer is `opening`; without one all of it is an explanation."""
    if opening is None:
        return [(text, "explanation")] if text else []
    end = STOP.match(text, opening.end()).end()  # type: ignore[union-attr]
    pieces = [
        (text[: opening.start()], "other"),
        (opening.group(), "answer"),
        (text[opening.end() : end], "other"),
        (text[end:], "explanation"),
    ]
    return [(piece, kind) for piece, kind in pieces if piece]
