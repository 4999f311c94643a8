"""Candidate responses in a judge's prompt: put in by plain replacement, and so written that they are only ever text.

A candidate is what a detector said about an image, `<reasoning>…</reasoning> <answer>real</answer>`. It may have been
written to win: to close the prompt's tags, to open a turn of its own or to hold a score.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import NamedTuple

from swift_plugins.core.tasks import MAX_CHARS, dfj_pairwise, dfj_pointwise, explanation
from swift_plugins.core.tasks.tagged import FRAME, frame

LABEL_SLOT = "ground_truth_label"
SLOTS = (LABEL_SLOT, *dfj_pointwise.CANDIDATES, *dfj_pairwise.CANDIDATES)  # of DeepfakeJudge's released prompts
MODES = ("safe", "exact")  # candidates as text only, or untouched as the paper has them

_SLOT = re.compile("{(" + "|".join((*SLOTS, explanation.WRITTEN, *explanation.CANDIDATES)) + ")}")
# What may begin a tag or a special token of some tokenizer; "blur < 2 px" and "<= 3" cannot.
_TAG_OPENS = re.compile(r"<(?!\s|=|[0-9]+(?:\.[0-9]+)?%?(?:[\s,;)]|\.\s|\.?\Z))|[\uff1c\ufe64]")
_BRACKET_TOKEN = re.compile(r"\[(?=/?(?:[A-Z_]{2,20}|[gs]MASK)\])")
# What stands before a colon in prompts and chat logs: a candidate must not begin another's text, or a turn, in its own.
_HEADING = re.compile(
    r"\b((?:response|candidate|answer|system|user|assistant|human)(?:[\W_]{0,4}[ab12]\b)?)[\W_]{0,4}?[:：]", re.I
)
_HEADING_OF_EXPLANATIONS = re.compile(
    r"\b(ground[\W_]{0,12}truth|predict(?:ed|ion)|answer|score|rating)[\W_]{0,12}?[:：]", re.I
)
_QUOTES = str.maketrans(dict.fromkeys("'`\u00b4\u2032\uff07", "\u2019"))  # what may end a text between such marks
_SPACE = re.compile(r"\s+")
_UNSEEN = {"Cc", "Cf", "Cs", "Co"}  # control, format (zero width, direction, tag letters), half and private characters
_JOINERS = "\u200c\u200d"  # within emoji, Persian or Hindi they are spelling; beside ASCII they only hide
_LOOSE_JOINER = re.compile(f"(?<![^\0-\x7f{_JOINERS}])[{_JOINERS}]|[{_JOINERS}](?![^\0-\x7f{_JOINERS}])")


class Filled(NamedTuple):
    """A prompt with its slots filled, and where in it each slot's text stands."""

    text: str
    spans: dict[str, tuple[int, int]]


def fill(template: str, values: Mapping[str, str]) -> Filled:
    """Put each value in place of its `{slot}`, in one pass: braces in a value open no slot.

    ValueError if a value's slot does not stand in the template, if a candidate's stands there twice, or if a slot of
    the template has no value.
    """
    parts: list[str] = []
    spans: dict[str, tuple[int, int]] = {}
    at = length = 0
    for match in _SLOT.finditer(template):
        name = match.group(1)
        if name not in values:
            raise ValueError(f"the prompt has a slot {{{name}}}, for which there is nothing")
        if name in spans and name != LABEL_SLOT:
            raise ValueError(f"the prompt has the slot {{{name}}} twice")
        parts += [template[at : match.start()], values[name]]
        begin = length + match.start() - at
        length = begin + len(values[name])
        spans[name] = (begin, length)
        at = match.end()
    if missing := [f"{{{name}}}" for name in values if name not in spans]:
        raise ValueError(f"the prompt has no slot {' or '.join(missing)}")
    return Filled("".join([*parts, template[at:]]), spans)


def neutralise(candidate: str) -> str:
    """The candidate as text that cannot be anything else.

    Its own frame, `<reasoning>…</reasoning> <answer>label</answer>`, stays; in what it holds, and in a candidate of any
    other form, whatever may begin a tag or a special token gets another sign (`‹`), unseen characters go, line breaks
    become spaces, and a turn's or another candidate's heading loses its colon. Ordinary prose comes out as it went in;
    mark-up, a word in brackets and capitals, and "the answer:" do not.
    """
    if len(candidate) > MAX_CHARS:
        raise ValueError(f"the candidate has {len(candidate)} characters, at most {MAX_CHARS} are judged")
    framed = split_frame(candidate)
    if framed is None:
        return _closed(_seen(candidate.strip()).strip())
    body, gap, verdict = framed
    return frame(_closed(_seen(body)), verdict, gap)


def neutralise_quoted(text: str) -> str:
    """What neutralise makes of a text, for one that stands between single quotation marks (task explanation).

    It has no frame of its own; no mark is left that could end the quotation, nor a heading of the prompt around it.
    """
    if len(text) > MAX_CHARS:
        raise ValueError(f"the explanation has {len(text)} characters, at most {MAX_CHARS} are judged")
    closed = _closed(_SPACE.sub(" ", _seen(text)).strip())
    return _HEADING_OF_EXPLANATIONS.sub(r"\1 –", closed.translate(_QUOTES))


def as_text(task: str, candidate: str) -> str:
    """The candidate of a judge's task, so written that it is only ever text."""
    return neutralise_quoted(candidate) if task == explanation.NAME else neutralise(candidate)


def neutralise_prompt(prompt: str) -> str:
    """A judge's whole prompt, whose candidates' places are not known, as text: what neutralise does, line by line.

    The image's tag at its beginning stays; one that stands elsewhere is put there.
    """
    if len(prompt) > MAX_CHARS:
        raise ValueError(f"the prompt has {len(prompt)} characters, at most {MAX_CHARS} are judged")
    text = prompt.removeprefix("<image>")
    head = "<image>" if "<image>" in prompt else ""
    return head + "\n".join(_closed(_seen(line)) for line in text.splitlines())


def split_frame(candidate: str) -> tuple[str, str, str] | None:
    """(reasoning, the space between, label) of a candidate in the published form, else None."""
    framed = FRAME.fullmatch(candidate.strip())
    return (framed[1], framed[2], framed[3]) if framed else None


def _seen(text: str) -> str:
    """The text on one line, without characters that cannot be seen."""
    text = _SPACE.sub(_on_one_line, text)
    if not text.isascii() or not text.isprintable():
        text = "".join(c for c in text if c in "\t" + _JOINERS or unicodedata.category(c) not in _UNSEEN)
        text = _LOOSE_JOINER.sub("", text)
    return text


def _closed(text: str) -> str:
    """The text with nothing that may begin a tag or a special token."""
    return _HEADING.sub(r"\1 –", _BRACKET_TOKEN.sub("(", _TAG_OPENS.sub("‹", text)))


def _on_one_line(space: re.Match[str]) -> str:
    run = space.group()
    return run if run.splitlines() == [run] else " "
