"""Names that people type: what was meant by one that does not exist."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import swift_plugins  # noqa: F401


def names_of(available: Sequence[Any], what: str) -> Callable[[str], list[Any]]:
    """A type for argparse: a comma-separated choice of some of these, each once, in their order here."""

    def read(text: str) -> list[Any]:
        asked = [name.strip() for name in text.split(",")]
        known = {str(name): name for name in available}
        for name in asked:
            if name not in known:
                raise argparse.ArgumentTypeError(unknown(what, name, known))
        return [name for name in available if str(name) in asked]

    return read


def few(names: Sequence[str], most: int = 6) -> str:
    """The first of the names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def unknown(what: str, name: str, available: Iterable[str]) -> str:
    """The error text for a name that does not exist: what was meant, perhaps, and what there is."""
    near = difflib.get_close_matches(str(name), list(available), n=1)
    return f"unknown {what} {name!r}{f'; did you mean {near[0]!r}?' if near else ''} Available: {', '.join(available)}"
