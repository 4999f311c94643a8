"""The papers' tables, as this project keeps them."""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import swift_plugins  # noqa: F401

PUBLISHED = Path(__file__).resolve().parents[1] / "published"  # the papers' tables


def published_rows(name: str) -> list[dict[str, str]]:
    """The rows of a table of a paper, as this project keeps it."""
    with open(PUBLISHED / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def published_table(name: str, title: str, n: int | None = None, **only: str) -> dict[str, Any]:
    """A table as a report has it: its file, its title, its rows with `only` these values, and of how many rows of the
    data it is, where the paper says so."""
    rows = [row for row in published_rows(name) if only.items() <= row.items()]
    return {"file": name, "title": title, "n": n, "rows": rows}


def with_comparability(table: dict[str, Any], n: int) -> dict[str, Any]:
    """The table with `not_comparable`, why no run on these n rows compares with it, None where one may."""
    if table["rows"] and table.get("n") not in (None, n):
        return table | {"not_comparable": f"the table is of {table['n']:,} rows, these are {n:,}"}
    return table | {"not_comparable": None}


def off(value: float, printed: str, rounding: float) -> bool:
    """Whether a number computed of printed ones is not the one that is printed, for all that rounding may do."""
    return abs(value - float(printed)) > rounding + 1e-9


def may_be_of(cases: Sequence[Any], dataset: str, splits: Collection[str]) -> bool:
    """Whether no row says that it is of another dataset or split; a row need not say anything."""
    metas = [case.row["meta"] for case in cases]
    return all(
        meta.get("dataset") in (None, "", dataset) and meta.get("split") in (None, "", *splits) for meta in metas
    )


def no_table(paper: str) -> dict[str, Any]:
    """What stands in place of a table: nothing, for rows that say that they are of another dataset or split."""
    return {"file": None, "title": f"{paper} has no table of these rows", "rows": []}
