"""What a model replied, read by strict grammars: what is asked for and nothing else, or a ValueError that says why not.

A reply is as hostile as any text: every search runs once, what is read is bounded, and what is kept is only ever text,
as candidates in a judge's prompt are. The ValueError tells of the form alone; it goes back to the model with the next
try and quotes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from swift_plugins.core.tasks.candidates import neutralise

MAX_TEXT = 4000  # characters of one text that a model writes
MAX_REPLY = 32_000
_FENCE = re.compile(r"```[a-z]{0,10}\n(.*)\n?```", re.S)
T = TypeVar("T")


def said(reply: str) -> str:
    """A reply without the thinking in front of it."""
    if len(reply) > MAX_REPLY:
        raise ValueError(f"the reply is longer than {MAX_REPLY} characters")
    thought, closed, rest = reply.rpartition("</think>")
    if closed and not thought.lstrip().startswith("<think>"):
        raise ValueError("a </think> that nothing opens")
    return rest.strip()


def tags(reply: str, names: Sequence[str]) -> dict[str, str]:
    """The texts in <name>…</name>, one tag after another and nothing beside them."""
    rest, found = said(reply), {}
    for name in names:
        if not rest.startswith(f"<{name}>"):
            raise ValueError(f"no <{name}>…</{name}> where it must stand")
        body, closed, rest = rest.removeprefix(f"<{name}>").partition(f"</{name}>")
        if not closed:
            raise ValueError(f"<{name}> is not closed")
        found[name], rest = body.strip(), rest.lstrip()
    if rest:
        raise ValueError(f"text behind </{names[-1]}>")
    for name, body in found.items():
        if any(f"<{other}>" in body for other in names):
            raise ValueError(f"a tag inside <{name}>")
    return found


def prose(text: str) -> str:
    """A text as it is kept: on one line, and nothing but text; ValueError for an empty or an endless one."""
    text = neutralise(text)
    if not text:
        raise ValueError("an empty text")
    if len(text) > MAX_TEXT:
        raise ValueError(f"a text longer than {MAX_TEXT} characters")
    return text


def json_of(reply: str, kind: type[T]) -> T:
    """A reply that is one JSON value of that type, perhaps in a code fence."""
    text = said(reply)
    if fenced := _FENCE.fullmatch(text):
        text = fenced[1]
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"not the JSON that was asked for: {_where(error)}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        raise ValueError("not JSON and nothing else") from None


def _where(error: Any) -> str:
    """What is wrong by type and place, without the value that the reply has there."""
    return re.sub(r"'[^']*'|`[^`]*`", lambda name: name[0] if len(name[0]) < 40 else "…", str(error))[:200]
