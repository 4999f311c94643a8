"""The papers' tables, as this project keeps them."""

from __future__ import annotations

import csv
from pathlib import Path

PUBLISHED = Path(__file__).resolve().parents[1] / "published"  # the papers' tables


def published_rows(name: str) -> list[dict[str, str]]:
    """The rows of a table of a paper, as this project keeps it."""
    with open(PUBLISHED / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
