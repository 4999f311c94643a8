"""Splits for a dataset without any: what belongs together stays in one part, and each part has its share of a class."""

from __future__ import annotations

import argparse
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from swift_plugins.core.names import unknown

PARTS = ("train", "val", "test")
_SHARES = re.compile(r"(\d{1,6}):(\d{1,6}):(\d{1,6})")


class Shares(NamedTuple):
    """How large the parts are to be, in proportion."""

    train: int
    val: int
    test: int

    def __str__(self) -> str:
        return ":".join(map(str, self))


def shares(text: str) -> Shares:
    """A type for argparse: 8:1:1."""
    found = _SHARES.fullmatch(text)
    if not found or sum(part := [int(n) for n in found.groups()]) == 0:
        raise argparse.ArgumentTypeError(
            f"must be train, val, test or three shares of them such as 8:1:1, got {text!r}"
        )
    return Shares(*part)


def split_or_shares(text: str) -> str | Shares:
    """A type for argparse: the name of a split, or 8:1:1."""
    return text if text in PARTS else shares(text)


def clusters(pairs: Iterable[tuple[Any, ...]]) -> dict[Any, Any]:
    """name -> the first in order of all names that are linked to it by tuples that share one."""
    parent: dict[Any, Any] = {}

    def root(name: Any) -> Any:
        while (above := parent.setdefault(name, name)) != name:
            parent[name] = parent[above]
            name = above
        return name

    for first, *others in pairs:
        root(first)
        for other in others:
            low, high = sorted((root(first), root(other)))
            parent[high] = low
    return {name: root(name) for name in [*parent]}


def assign(groups: Mapping[str, Mapping[str, int]], wanted: Shares, seed: int) -> dict[str, str]:
    """group -> its part; `groups` tell by a name how many items of each class there are in one.

    The largest group comes first, and those of one size in an order drawn by the seed; each goes to the part that has
    the least of its share of the group's classes and room for it, or else would exceed its share the least. A part
    without a class gets one of the last groups that have it. ValueError where a part would be empty.
    """
    total: Counter[str] = Counter()
    left: Counter[str] = Counter()  # groups to come that have a class
    for counts in groups.values():
        total.update(counts)
        left.update(counts.keys())
    asked = {part: share / sum(wanted) for part, share in zip(PARTS, wanted, strict=True) if share}
    have: dict[str, Counter[str]] = {part: Counter() for part in asked}
    want = {part: {label: n * share for label, n in total.items()} for part, share in asked.items()}
    parts: dict[str, str] = {}
    for name in sorted(groups, key=lambda name: (-sum(groups[name].values()), _drawn(name, seed), name)):
        counts = groups[name]
        empty = {label: [part for part in asked if not have[part][label]] for label in counts}
        urgent = [label for label in counts if empty[label] and left[label] <= len(empty[label])]
        some = empty[urgent[0]] if urgent else [*asked]
        part = parts[name] = min(some, key=lambda part: _fill(counts, have[part], want[part]))
        have[part].update(counts)
        left.subtract(counts.keys())
    if bare := [part for part in asked if not have[part]]:
        raise ValueError(f"--split {wanted}: nothing is left for {' and '.join(bare)}: there are {len(groups)} groups")
    return parts


def leave_out(items: Iterable[Any], generator: Callable[[Any], str | None], name: str) -> None:
    """Put every item that one generator made into the test part, which then tells of a generator never trained on.

    All else stays where it is. ValueError where none is of a generator of that name.
    """
    made = [(item, generator(item)) for item in items]
    known = sorted({of for _, of in made if of})
    if name not in known:
        raise ValueError(unknown("generator to leave out", name, known))
    for item, of in made:
        if of == name:
            item.split = "test"


def _fill(counts: Mapping[str, int], have: Mapping[str, int], want: Mapping[str, float]) -> tuple[bool, float]:
    """(whether a part has no room for a group, how full of its classes it is, then with the group)."""
    crowded = any(have[label] + n > -(-want[label] // 1) for label, n in counts.items())
    return crowded, sum(n * (have[label] + crowded * n) / want[label] for label, n in counts.items())


def _drawn(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\n{name}".encode("utf-8", "surrogatepass")).digest()


def divided(labels: Sequence[str], links: Sequence[Sequence[str]], wanted: Shares, seed: int) -> tuple[list[str], int]:
    """(the part of each item, the number of groups): items with a link in common are in one group, and in one part."""
    group_of = clusters(tuple(of) for of in links)
    groups: dict[str, Counter[str]] = {}
    for label, of in zip(labels, links, strict=True):
        groups.setdefault(group_of[of[0]], Counter())[label] += 1
    parts = assign(groups, wanted, seed)
    return [parts[group_of[of[0]]] for of in links], len(groups)
