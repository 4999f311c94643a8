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


def published_table(name: str, title: str, **only: str) -> dict[str, Any]:
    """A table as a report has it: its file, its title, and those of its rows that have `only` these values."""
    rows = [row for row in published_rows(name) if only.items() <= row.items()]
    return {"file": name, "title": title, "rows": rows}


def may_be_of(cases: Sequence[Any], dataset: str, splits: Collection[str]) -> bool:
    """Whether no row says that it is of another dataset or split; a row need not say anything."""
    metas = [case.row["meta"] for case in cases]
    return all(
        meta.get("dataset") in (None, "", dataset) and meta.get("split") in (None, "", *splits) for meta in metas
    )


def no_table(paper: str) -> dict[str, Any]:
    """What stands in place of a table: nothing, for rows that say that they are of another dataset or split."""
    return {"file": None, "title": f"{paper} has no table of these rows", "rows": []}
