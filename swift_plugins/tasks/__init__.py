"""The tasks. Each is one file with its prompts, its Answer, `render` and its parsers; standard library only."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType

TASKS = ("deeptrace",)


def get_task(name: str) -> ModuleType:
    """The task module of that name."""
    if name not in TASKS:
        raise ValueError(unknown("task", name, TASKS))
    return import_module(f"{__name__}.{name}")


def unknown(what: str, name: str, available: Iterable[str]) -> str:
    """The error text for a name that does not exist: what was meant, perhaps, and what there is."""
    near = difflib.get_close_matches(str(name), list(available), n=1)
    return f"unknown {what} {name!r}{f'; did you mean {near[0]!r}?' if near else ''} Available: {', '.join(available)}"
