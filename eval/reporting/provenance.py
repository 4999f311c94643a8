"""What a report tells of its run, and which files it may show pictures of.

Predictions may come from others, and name any file of this machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from swift_plugins.core.media import MEDIA, content_hash, content_hashes
from swift_plugins.core.records import Row, media_of, scan_rows

NOT_SHOWN = (
    "not shown: what its file holds, if it is there, is not what the row says that the run read (media_sha256), and "
    "--gold does not name it"
)


class Shown:
    """Which rows' media a report may show: those that the run itself read, and those of --gold, where that is given.

    Prediction writes into each row a hash of what its media held. Whoever names a file that he never saw cannot state
    it; a path alone, wherever it or the predictions lie, is not read.
    """

    def __init__(self, gold: Path | None):
        self.gold = set(_media(gold)) if gold else set()

    def faults(self, rows: Sequence[Row]) -> list[str | None]:
        """Why the media of each row may not be shown, None where they may."""
        told = [media_of(row) for row in rows]
        known = [self.gold.issuperset(paths) for paths in told]
        asked = [
            paths if row.get(MEDIA) and not seen else [] for row, paths, seen in zip(rows, told, known, strict=True)
        ]
        hashes = content_hashes(path for paths in asked for path in paths)
        return [
            None if seen or (paths and content_hash(paths, hashes) == row[MEDIA]) else NOT_SHOWN
            for row, paths, seen in zip(rows, asked, known, strict=True)
        ]


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
