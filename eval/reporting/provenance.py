"""What a report tells of its run, and which files it may show pictures of.

Predictions may come from others, and name any file of this machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from swift_plugins.core.media import MEDIA, content_hash
from swift_plugins.core.records import Row, media_of, scan_rows


class Shown:
    """Which rows' media a report may show: those that the run itself read, and those of --gold, where that is given.

    Prediction writes into each row a hash of what its media held. Whoever names a file that he never saw cannot state
    it; a path alone, wherever it or the predictions lie, is not read.
    """

    def __init__(self, gold: Path | None):
        self.gold = set(_media(gold)) if gold else set()

    def fault(self, row: Row) -> str | None:
        """Why the media of a row may not be shown, None where they may."""
        paths = media_of(row)
        if self.gold.issuperset(paths) or content_hash(paths) == row.get(MEDIA):
            return None
        return (
            "not shown: what its file holds, if it is there, is not what the row says that the run read "
            "(media_sha256), and --gold does not name it"
        )


def _media(data: Path) -> Iterator[str]:
    for _, row in scan_rows(data):
        yield from media_of(row) if isinstance(row, dict) else ()


def flat(record: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of everything that a run's record states."""
    if isinstance(record, dict):
        for key, value in record.items():
            yield from flat(value, f"{name}.{key}" if name else str(key))
    elif record not in (None, [], ""):
        yield name, record
