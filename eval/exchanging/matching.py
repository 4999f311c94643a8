"""Which of our rows each foreign prediction is of, held against the converter's file.

A key is one of an id, a medium's name, or the place in the file, tried in this order; whichever leads most predictions
to a row is the way for all of them. What has no key is found by its question and its media, as they were asked.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from eval.exchanging.said import Said, plain, question_of
from swift_plugins.core.records import Row, media_of

WAYS = ("id", "medium", "position", "question")
DIFFERING = 3  # rows of which it is said that they were asked otherwise


class Matched(NamedTuple):
    """What was said of each row, by its place in the file, by which way it was found, what has no row, and how many
    were asked something else than the row asks."""

    found: Mapping[int, Said]
    way: str
    unmatched: Sequence[Said]
    asked_otherwise: int


def gold_answer(row: Row) -> str:
    return next(m["content"] for m in row["messages"] if m["role"] == "assistant")


def match(said: Sequence[Said], rows: Sequence[Row]) -> Matched:
    """ValueError where none leads to a row, two lead to one, or what they say was asked, or is right, is another's."""
    ways = {name: find for name, find in finders(rows).items() if any(find(one) for one in said[:1000])}
    if not ways:
        some = ", ".join(repr(one.key or one.question or "")[:40] for one in said[:3])
        raise ValueError(f"no prediction is of a row: they are called {some}, the first row {rows[0]['id'][:60]!r}")
    way = max(ways, key=lambda name: (sum(bool(ways[name](one)) for one in said), -WAYS.index(name)))
    found: dict[int, Said] = {}
    unmatched = []
    for one in said:
        places = ways[way](one)
        if way == "question":  # several rows may ask the same of one medium: each answer is of the next
            places = [i for i in places if i not in found and one.labels in (None, gold_answer(rows[i]))][:1]
        for i in places:
            if i in found:
                raise ValueError(
                    f"{one.where}: the row {rows[i]['id'][:80]!r} is predicted in {found[i].where} already"
                )
            found[i] = one
        unmatched += [] if places else [one]
    differing = [i for i, one in found.items() if one.question and plain(one.question) != question_of(rows[i])]
    if way == "position":
        check_places(found, rows, differing)
    return Matched(found, way, unmatched, len(differing))


def check_places(found: Mapping[int, Said], rows: Sequence[Row], differing: Sequence[int]) -> None:
    """ValueError where what stands at a place is not what the file has there: it was made from another file."""
    wrong = [i for i, one in found.items() if one.labels and not is_gold(one.labels, rows[i])]
    for what, places in (("asks something else", differing), ("has another answer", wrong)):
        if places:
            where = ", ".join(found[i].where for i in places[:DIFFERING])
            raise ValueError(f"{where}: the row at this place in the file {what}: was another file asked?")


def is_gold(stated: str, row: Row) -> bool:
    """Whether a stated truth is a row's: its answer, or its label alone."""
    label = str(row["meta"].get("label", ""))
    return stated.strip() in (gold_answer(row).strip(), str(row["meta"].get("answer", ""))) or (
        stated.strip().lower() == label.lower()
    )


def finders(rows: Sequence[Row]) -> dict[str, Callable[[Said], list[int]]]:
    """way -> the places of the rows that a prediction is of by it."""
    ids = {row["id"]: [i] for i, row in enumerate(rows)}
    asked: dict[tuple[str, tuple[str, ...]], list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        asked[question_of(row), tuple(map(os.path.basename, media_of(row)))].append(i)
    media = by_medium(rows)
    return {
        "id": lambda one: ids.get(one.key, []),
        "medium": lambda one: media.get(one.key, []) or media.get(os.path.basename(one.key), []),
        "position": lambda one: [one.position] if one.position is not None and one.position < len(rows) else [],
        "question": lambda one: asked.get((one.question or "", tuple(map(os.path.basename, one.media))), []),
    }


def by_medium(rows: Sequence[Row]) -> dict[str, list[int]]:
    """The places of the rows of each medium by its media_id, path, or name with or without suffix, where one medium
    alone is called so."""
    places: dict[str, list[int]] = defaultdict(list)
    called: dict[str, set[str]] = defaultdict(set)
    for i, row in enumerate(rows):
        paths, medium = media_of(row), str(row["meta"].get("media_id", ""))
        last = [os.path.basename(path) for path in paths]
        for name in {medium, *paths, *last, *(os.path.splitext(name)[0] for name in last)} - {""}:
            places[name].append(i)
            called[name].add(medium)
    return {name: found for name, found in places.items() if len(called[name]) == 1}
