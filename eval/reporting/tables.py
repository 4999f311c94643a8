"""The cases of a page as a table, cases.csv, that a spreadsheet takes for text and numbers and nothing else."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import swift_plugins  # noqa: F401

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # by which a cell begins that a spreadsheet would compute
FACTS = ("id", "media_id", "source", "truth", "answered", "right", "quality", "reason")


def cell(value: Any) -> Any:
    """A value as a cell: numbers as they are, no text that is a formula."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def cells(told: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(column, value) of all that is told of a case, and of the other runs' answers to it."""
    yield from ((name, told[name]) for name in FACTS)
    yield from ((name, " | ".join(values)) for name, values in told["groups"].items() if name not in FACTS)
    yield from told["measures"].items()
    for run in told["runs"]:
        yield f"{run['title']}: answered", run["answered"]
        yield f"{run['title']}: right", run["right"]
        yield from ((f"{run['title']}: {name}", value) for name, value in run["measures"].items())


def to_csv(cases: Sequence[Mapping[str, Any]]) -> str:
    """One line for each case, below the names of the columns that any of them has."""
    rows = [dict(cells(told)) for told in cases]
    columns = [*dict.fromkeys(name for row in rows for name in row)]
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(map(cell, columns))
    lines.writerows([cell(row.get(name)) for name in columns] for row in rows)
    return text.getvalue()
