"""The source's files, read without trusting them, and what is known of each of their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from swift_plugins.core.records import check_row, spread
from swift_plugins.core.tables import read_text

T = TypeVar("T")
Row = dict[str, Any]


class Sourced(msgspec.Struct, Generic[T], gc=False):
    """A row and where it is from: its file and place there, its id, the split that it is for.

    `reason`, which begins with the short class of the fault, says why there is no row, which is None then. `path` is
    the absolute path of its medium, once that is located.
    """

    where: str
    id: str | None
    split: str
    row: T
    reason: str = ""
    path: str = ""


def unusable(where: str, row_id: str | None, split: str, reason: str) -> Sourced[Any]:
    """What stands for a row that has no usable form."""
    return Sourced(where, row_id, split, None, reason)


def usable(items: Iterable[Sourced[T]]) -> Iterator[Sourced[T]]:
    """Those that have a row."""
    return (item for item in items if not item.reason)


def made(items: Iterable[Sourced[T]], make: Callable[[Sourced[T]], Row]) -> Iterator[Sourced[Row]]:
    """Each item with the training row that is made of it; the ValueError of `make` is why there is none."""
    for item in items:
        reason = item.reason
        if not reason:
            try:
                row = make(item)
            except ValueError as error:
                reason = str(error)
        if reason:
            yield unusable(item.where, item.id, item.split, reason)
        else:
            yield Sourced(item.where, item.id, item.split, row)


def none_usable(first: str, unit: str = "row") -> str:
    """What is said where nothing can be converted; `first` is the place and the reason of the first fault."""
    return f"no usable {unit}; the first one: {first}"


def read_list(path: Path, kind: type[T], split: str, limit: int | None = None) -> list[Sourced[T]]:
    """The rows of a file that is one JSON list of msgspec structs, or why one has no usable form."""
    wrong = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
    rows: list[T | str]
    content = read_text(path)
    try:
        rows = msgspec.json.decode(content, type=list[kind], strict=False)  # type: ignore[valid-type]
    except wrong:  # the second reading finds out which row it is
        try:
            rows = [_read_one(item, kind) for item in msgspec.json.decode(content, type=list[msgspec.Raw])]
        except wrong as error:
            raise ValueError(f"{path}: expected one JSON list of rows: {error}") from None
    if not rows:
        raise ValueError(f"{path}: the list is empty")
    places = ((i, f"{path.name}[{i}]", f"{split}/{i}") for i in spread(len(rows), limit))
    return [_sourced(where, name, split, rows[i]) for i, where, name in places]


def _sourced(where: str, name: str, split: str, row: T | str) -> Sourced[T]:
    return unusable(where, name, split, row) if isinstance(row, str) else Sourced(where, name, split, row)


def _read_one(item: msgspec.Raw, kind: type[T]) -> T | str:
    try:
        return msgspec.json.decode(item, type=kind, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"malformed row: {error}"


def checked_row(row: Row) -> Row:
    """The row, which has the form of a training row; else ValueError, of the class "messages"."""
    try:
        check_row(row)
    except ValueError as error:
        raise ValueError(f"messages: {error}") from None
    return row
