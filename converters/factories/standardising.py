"""Explanations said anew in one style: what a writer is asked, what its reply must be, and when it is taken.

As DeepTraceReward's explanations were standardised with a model (Fu et al., section 2.2), with what the paper does not
tell: the original stays beside the new text, and a checker, who is not told which is which, says whether the two claim
the same. The wording of the prompts is this project's own.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any, NamedTuple

from converters.conversion.sources import Row
from converters.factories.prompts import prompt
from swift_plugins.core.records import sha256_text
from swift_plugins.core.tables import worded
from swift_plugins.core.tasks import get_task
from swift_plugins.core.tasks.candidates import neutralise
from swift_plugins.core.tasks.verdicts import FOLD, stated_verdicts

STYLE = (
    "one to three plain sentences in the present tense; each names the object or person, what is wrong with it or why "
    "it is plausible, and where or when, as far as the original says it; no opinion, no address, no hedging"
)
MAX_TEXT = 2000
LEAST, MOST = 0.2, 3.0  # of the original that is kept at least, see `kept`; how many times as long a text may become
_EXPLANATION = re.compile(r"<explanation>([^<>]{1,4000})</explanation>")
_SAME = re.compile(r"<same>\s{0,8}(yes|no)\s{0,8}</same>", re.I)
_FIELDS = ("explanation", "reasoning")


class Told(NamedTuple):
    """An explanation of a label as a person wrote it, on an image or a video; many rows may have it."""

    label: str
    medium: str
    original: str

    @property
    def key(self) -> str:
        return sha256_text("\n".join(self))[:16]


def told(row: Row) -> Told | None:
    """A row's explanation of why it is real or fake; None where it has none."""
    task = get_task(row["task"])
    answer: Any = task.GRAMMARS["trained"](gold_of(row)).answer if "real" in task.CHOICES.words else None
    text = next((found for name in _FIELDS if (found := worded(getattr(answer, name, None)))), "")
    label = row["meta"].get("label")
    if not text or label not in FOLD:
        return None
    return Told(FOLD[label], "this video" if row.get("videos") else "this image", text)


def gold_of(row: Row) -> str:
    return next(message["content"] for message in row["messages"] if message["role"] == "assistant")


def ask_writer(of: Told, style: str, fault: str) -> str:
    slots = {"medium": of.medium, "label": of.label, "style": style, "original": neutralise(of.original)}
    again = "\n\n" + prompt("standardising/again").filled({"fault": fault}) if fault else ""
    return prompt("standardising/write").filled(slots) + again


def ask_checker(of: Told, text: str) -> str:
    """Which of the two is the original hangs on the texts, so that a checker cannot learn it."""
    pair = sorted((neutralise(of.original), text), key=sha256_text)
    return prompt("standardising/check").filled({"medium": of.medium, "first": pair[0], "second": pair[1]})


def read_text(reply: str, of: Told) -> str:
    """The new text of a writer's reply; ValueError, which quotes nothing of it, for any other form and for a text that
    states the other verdict, is too long, or has too little of the original."""
    found = _EXPLANATION.fullmatch(reply.strip())
    if not found:
        raise ValueError("it is not in the form that is asked for")
    text = neutralise(" ".join(found[1].split()))
    if not worded(text):
        raise ValueError("it is empty")
    if len(text) > min(MAX_TEXT, max(200, MOST * len(of.original))):
        raise ValueError("it is too long")
    if stated_verdicts(text).contradicts(of.label):
        raise ValueError("it states the other verdict")
    if kept(of.original, text) < LEAST:
        raise ValueError("it has too little of what the original says")
    return text


def kept(original: str, text: str) -> float:
    """The share, 0..1, of the original's sequences of three characters that a text has, in any order."""
    first, second = ({body[i : i + 3] for i in range(len(body) - 2)} for body in (original.lower(), text.lower()))
    return len(first & second) / len(first) if first else 1.0


def read_same(reply: str) -> bool:
    """Whether a checker finds that two texts claim the same; ValueError for any other reply."""
    if not (found := _SAME.fullmatch(reply.strip())):
        raise ValueError("the check's reply is not in the form that is asked for")
    return found[1].lower() == "yes"


def said_anew(row: Row, text: str | None) -> Row:
    """The row with its explanation as `text`, None where the original stays, which stands in its meta in any case.

    ValueError where the answer would not read back.
    """
    of = told(row)
    meta = row["meta"] | {"explanation_original": of.original if of else "", "standardised": text is not None}
    if text is None:
        return row | {"meta": meta}
    task: Any = get_task(row["task"])
    answer = task.GRAMMARS["trained"](gold_of(row)).answer
    name = next(name for name in _FIELDS if hasattr(answer, name))
    gold = task.render(dataclasses.replace(answer, **{name: text}))
    messages = [m | {"content": gold} if m["role"] == "assistant" else m for m in row["messages"]]
    kept = {key: text for key in _FIELDS if key in meta}
    return row | {"messages": messages, "meta": meta | kept}
