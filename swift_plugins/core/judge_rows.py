"""The candidates in the rows of a judge's task: their texts, and the same row with others in their places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swift_plugins.core.records import Row
from swift_plugins.core.tasks import JUDGES, get_judge, get_task
from swift_plugins.core.tasks.candidates import as_text, neutralise_prompt


def text_at(row: Mapping[str, Any], slot: str) -> str | None:
    """The text of the prompt where meta[slot] says that a candidate stands, None where that is not known."""
    place, messages = row["meta"].get(slot), row.get("messages")
    if not place:
        return None
    if not isinstance(place, list) or len(place) != 2 or not all(type(x) is int and x >= 0 for x in place):
        raise ValueError(f"meta.{slot} must be [start, end] in the prompt, got {place!r:.80}")
    prompt = next((m.get("content") for m in messages or () if isinstance(m, dict) and m.get("role") == "user"), None)
    return prompt[place[0] : place[1]] if isinstance(prompt, str) else None


def texts_of(row: Row) -> dict[str, str]:
    """slot -> text of each candidate of a row; empty for a row of another task, or where one's place is not known."""
    found: dict[str, str] = {}
    for slot in get_task(row["task"]).CANDIDATES.values():
        if (text := text_at(row, slot)) is None:
            return {}
        found[slot] = text
    return found


def with_texts(row: Row, texts: Mapping[str, str]) -> Row:
    """The row with other candidates in the same places; meta tells where they stand now."""
    at = next(i for i, message in enumerate(row["messages"]) if message["role"] == "user")
    prompt, end, parts, places, length = row["messages"][at]["content"], 0, [], {}, 0
    for slot in sorted(texts, key=lambda slot: row["meta"][slot]):
        begin, stop = row["meta"][slot]
        if not end <= begin <= stop <= len(prompt):
            raise ValueError(f"meta.{slot} is no place in the prompt: {[begin, stop]}")
        parts += [prompt[end:begin], texts[slot]]
        length += begin - end
        places[slot] = [length, length + len(texts[slot])]
        length, end = length + len(texts[slot]), stop
    messages = [dict(message) for message in row["messages"]]
    messages[at]["content"] = "".join([*parts, prompt[end:]])
    return row | {"messages": messages, "meta": row["meta"] | places}


def made_safe(row: Row) -> Row:
    """The row with its candidates so written that they are only ever text; most come out as they are.

    Where a judge's row does not say where its candidates stand, that is done to all of its prompt.
    """
    texts = texts_of(row)
    if not texts and row["task"] in JUDGES:
        return row | {"messages": [_neutralised(message) for message in row["messages"]]}
    safe = {slot: as_text(row["task"], text) for slot, text in texts.items()}
    return with_texts(row, safe) if safe != texts else row


def _neutralised(message: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**message, "content": neutralise_prompt(message["content"])} if message["role"] == "user" else message


def swapped(row: Row) -> Row:
    """A pairwise row with its two candidates in each other's place, and the answer with them."""
    task = get_judge(row["task"])
    changed = task.exchanged(row["meta"])
    texts = texts_of(row)
    if not texts:
        raise ValueError("the row does not say where its candidates stand (meta.response_a, meta.response_b)")
    other = with_texts(row, dict(zip(texts, reversed([*texts.values()]), strict=True)))
    other["meta"] |= changed
    if other["messages"][-1]["role"] == "assistant":
        other["messages"][-1]["content"] = task.render(task.Answer(changed["answer"]))
    return other | {"id": f"{row['id']}/swapped"}
