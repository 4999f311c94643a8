"""What a report tells of its run, and which files it may show pictures of.

Predictions may come from others, and name any file of this machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from swift_plugins.core.records import scan_rows, sha256_file


class Shown:
    """Whether a report may show a medium: what the run itself read, or what came with the predictions.

    The run read the media of its data file, which OUT.run.json names with its hash, and of --gold, where that is given;
    with the predictions came what lies below their own folder. A path that stands in the predictions alone is not read.
    """

    def __init__(self, pred: Path, gold: Path | None, run: dict[str, Any]):
        self.folder = os.path.join(os.path.realpath(pred.parent), "")
        self.read = set(_media(gold)) if gold else set()
        data = run.get("data", {})
        if (
            isinstance(path := data.get("path"), str)
            and os.path.isfile(path)
            and sha256_file(path) == data.get("sha256")
        ):
            self.read |= set(_media(Path(path)))

    def fault(self, path: str) -> str | None:
        """Why a medium may not be shown, None for one that may."""
        if not path or path in self.read or os.path.realpath(path).startswith(self.folder):
            return None
        return (
            "not shown: it stands neither in the data file that OUT.run.json names nor in --gold, and lies outside the "
            "folder of the predictions"
        )


def _media(data: Path) -> Iterator[str]:
    for _, row in scan_rows(data):
        for key in ("images", "videos"):
            paths = row.get(key) if isinstance(row, dict) else None
            yield from (path for path in (paths if isinstance(paths, list) else []) if isinstance(path, str))


def flat(record: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of everything that a run's record states."""
    if isinstance(record, dict):
        for key, value in record.items():
            yield from flat(value, f"{name}.{key}" if name else str(key))
    elif record not in (None, [], ""):
        yield name, record
