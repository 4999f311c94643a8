"""Answers in tags, as DeepfakeJudge writes them: an optional <reasoning> and one decision, <score> or <answer>.

Kuckreja et al., "Pixels Don't Lie (But Your Detector Might)" (DeepfakeJudge), released inference code and model cards.
Every search runs once and every repetition is bounded, so reading is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from swift_plugins.core.tasks import MAX_CHARS
from swift_plugins.core.tasks.verdicts import LABELS

OPEN, CLOSE = "<reasoning>", "</reasoning>"
FRAME_TAGS = frozenset({OPEN, CLOSE, "<answer>", "</answer>"})
# The frame of a candidate: how it ends, all of it, and the reasoning alone.
FRAME_END = re.compile(rf"{CLOSE}(\s{{0,8}})<answer>\s{{0,8}}({'|'.join(LABELS)})\s{{0,8}}</answer>")
FRAME = re.compile(rf"{OPEN}(.*){FRAME_END.pattern}", re.S)
REASONING = re.compile(rf"\s*{OPEN}(.*){CLOSE}\s*", re.S)
_BOXED = r"(?:<\|{}_of_box\|>)?"  # GLM-V's frame of what it decides
DECISIONS = {
    tag: re.compile(rf"<{tag}>{_BOXED.format('begin')}([^<>]{{0,40}}){_BOXED.format('end')}</{tag}>", re.I | re.A)
    for tag in ("score", "answer")
}
# However it is spelled: a decision beside one that is not closed, or is written in an odd way, is none.
_OPENINGS = {
    tag: re.compile(rf"[<\uff1c\ufe64]\s{{0,4}}{tag}\b[^<>\uff1e]{{0,40}}[>\uff1e\ufe65]", re.I) for tag in DECISIONS
}
_TAG = re.compile(r"<\s{0,4}/?\s{0,4}(?:reasoning|score|answer|think|thinking)\s{0,4}>", re.I | re.A)
_MARK = re.compile(r"</?reasoning>", re.I | re.A)


def read_tagged(
    text: str, tag: str, values: Collection[str], contradicts: Callable[[str, str], bool]
) -> tuple[str | None, str | None, str | None]:
    """(decision, reasoning, why there is no decision) of an output.

    The decision stands after the reasoning: what is said inside it may quote somebody else. Two different decisions
    anywhere are none, nor is one beside a broken one or one that is not among `values`, whose case does not matter, nor
    one that the words around it take back: `contradicts(words, decision)`.
    """
    reasoning, before, after = None, 0, 0
    if span := _reasoning(text):
        if span[1] < span[0]:
            return None, None, "the reasoning is not closed"
        reasoning, (before, after) = text[slice(*span)].strip() or None, span
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
    decision = said.pop()
    around = DECISIONS[tag].sub("\n", f"{text[:before]}\n{text[after:]}")
    if contradicts(_MARK.sub("\n", around), decision):
        return None, reasoning, f"the words around the {tag} take it back"
    return decision, reasoning, None


def _reasoning(text: str) -> tuple[int, int] | None:
    """Where the reasoning begins, after the first opening tag, and ends, before the last closing one, or -1; None
    without any opening tag."""
    begin, end = None, -1
    for match in _MARK.finditer(text):
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
    text = f"{OPEN}{reasoning}{CLOSE}{gap}{decision}"
    if len(text) > MAX_CHARS:
        raise ValueError(f"the reasoning is too long: {len(reasoning)} characters")
    return text


def frame(reasoning: str, verdict: str, gap: str = " ") -> str:
    """A candidate in the published form, `<reasoning>…</reasoning> <answer>verdict</answer>`, whatever it holds."""
    return f"{OPEN}{reasoning}{CLOSE}{gap}<answer>{verdict}</answer>"


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
