"""Answers in tags, as DeepfakeJudge writes them: an optional <reasoning> and one decision, <score> or <answer>.

Kuckreja et al., "Pixels Don't Lie (But Your Detector Might)" (DeepfakeJudge), released inference code and model cards.
Every search runs once and every repetition is bounded, so reading is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from swift_plugins.core.tasks import MAX_CHARS

_OPEN, _CLOSE = "<reasoning>", "</reasoning>"
DECISIONS = {tag: re.compile(rf"<{tag}>([^<>]{{0,40}})</{tag}>", re.I | re.A) for tag in ("score", "answer")}
_OPENINGS = {tag: re.compile(rf"<{tag}>", re.I | re.A) for tag in DECISIONS}
_TAG = re.compile(r"</?(?:reasoning|score|answer)>", re.I | re.A)
_FRAME = re.compile(r"</?reasoning>", re.I | re.A)


def read_tagged(text: str, tag: str, values: Collection[str]) -> tuple[str | None, str | None, str | None]:
    """(decision, reasoning, why there is no decision) of an output.

    The decision stands after the reasoning: what is said inside it may quote somebody else. Two different decisions
    anywhere are none, nor is one beside a broken one or one that is not among `values`, whose case does not matter.
    """
    text = text[:MAX_CHARS]
    reasoning, after = None, 0
    if span := _reasoning(text):
        if span[1] < span[0]:
            return None, None, "the reasoning is not closed"
        reasoning, after = text[slice(*span)].strip() or None, span[1]
    spelled = {value.lower(): value for value in values}
    said: set[str] = set()
    final = 0
    for match in DECISIONS[tag].finditer(text):
        if (value := spelled.get(match.group(1).strip().lower())) is None:
            return None, reasoning, f"the {tag} is none of {', '.join(values)}: {match.group(1).strip()!r}"
        said.add(value)
        final += match.start() >= after
    if len(said) > 1:
        return None, reasoning, f"two different {tag}s"
    if final == 0 or final < len(_OPENINGS[tag].findall(text, after)):
        return None, reasoning, f"no closed <{tag}>" + (" after the reasoning" if reasoning else "")
    return said.pop(), reasoning, None


def _reasoning(text: str) -> tuple[int, int] | None:
    """Where the reasoning begins, after the first opening tag, and ends, before the last closing one, or -1; None
    without any opening tag."""
    begin, end = None, -1
    for match in _FRAME.finditer(text):
        if match.group()[1] == "/":
            end = match.start()
        elif begin is None:
            begin = match.end()
    return None if begin is None else (begin, end)


def render_tagged(reasoning: str | None, tag: str, value: str, gap: str) -> str:
    """The answer text; ValueError for a reasoning that would not read back."""
    decision = f"<{tag}>{value}</{tag}>"
    if reasoning is None:
        return decision
    if not reasoning or reasoning != reasoning.strip() or _TAG.search(reasoning):
        raise ValueError("a reasoning must not be empty, have white space at its ends or hold tags")
    text = f"{_OPEN}{reasoning}{_CLOSE}{gap}{decision}"
    if len(text) > MAX_CHARS:
        raise ValueError(f"the reasoning is too long: {len(reasoning)} characters")
    return text


def tagged_segments(text: str, tag: str) -> list[tuple[str, str]]:
    """Split an answer text into (piece, kind): "reasoning", the decision (its kind is `tag`) and "other" (the tags)."""
    cuts = []
    if (span := _reasoning(text)) and span[1] >= span[0]:
        cuts.append((*span, "reasoning"))
    if decisions := list(DECISIONS[tag].finditer(text, cuts[0][1] if cuts else 0)):
        cuts.append((*decisions[-1].span(1), tag))
    pieces, at = [], 0
    for begin, end, kind in cuts:
        pieces += [(text[at:begin], "other"), (text[begin:end], kind)]
        at = end
    return [(piece, kind) for piece, kind in [*pieces, (text[at:], "other")] if piece]
