"""Which rows a checkpoint was trained on, in six bytes for each id and each medium, and how many of others these are.

They stand in the checkpoint's record, so that they are known where the training files are gone.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from swift_plugins.core import exports
from swift_plugins.core.records import Row, media_of, scan_rows

BYTES = 6  # of a hash; of 10,000 rows held against 100,000 one is taken for another in 300,000 runs
PIECE = 16 * 1024  # bytes that are read of a medium's beginning, and of its end
KINDS = ("ids", "media")
COUNTS = ("rows", "trained_on", "by_id", "by_media")


def short(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=BYTES).digest()


def medium(path: str) -> bytes | None:
    """The hash of a file's size, beginning and end; None where there is none to read."""
    path = path if os.path.exists(path) else os.path.join(os.environ.get("ROOT_IMAGE_DIR") or "", path)
    try:
        if not os.path.isfile(path):  # a pipe would be waited for
            return None
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            begin = file.read(PIECE)
            file.seek(max(len(begin), size - PIECE))
            return short(b"%d " % size + begin + file.read(PIECE))
    except (OSError, ValueError):
        return None


def hashed(paths: Iterable[str]) -> dict[str, bytes]:
    """path -> hash of each of them that can be read."""
    from concurrent.futures import ThreadPoolExecutor

    from tqdm import tqdm

    paths = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(16) as pool:  # for disks that are far away
        hashes = tqdm(pool.map(medium, paths), total=len(paths), unit="file", desc="compare media", delay=2)
        return {path: found for path, found in zip(paths, hashes, strict=True) if found}


def described(files: Iterable[str], earlier: Iterable[str | None]) -> dict[str, Any]:
    """What the record of a training on JSONL `files` says of their rows, and of those of `earlier` checkpoints."""
    rows = [row for file in files if file.endswith(".jsonl") for _, row in scan_rows(file) if isinstance(row, dict)]
    ids = {short(row["id"].encode(errors="replace")) for row in rows if isinstance(row.get("id"), str)}
    found = {"ids": ids, "media": {*hashed(path for row in rows for path in media_of(row)).values()}}
    for folder in earlier:
        known = read(Path(folder)) if folder else None
        for kind in KINDS if known else ():
            found[kind] |= known[kind] if known else set()
    return {kind: base64.b64encode(b"".join(sorted(found[kind]))).decode() for kind in KINDS}


def read(checkpoint: Path) -> dict[str, set[bytes]] | None:
    """ "ids" and "media" of what a checkpoint was trained on; None where its record does not tell."""
    _, record = exports.find_record(checkpoint) or (None, {})
    recorded = record.get("trained_rows")
    return unpacked(recorded) if recorded else None


def unpacked(recorded: Mapping[str, str]) -> dict[str, set[bytes]]:
    """The hashes in a record."""
    packed = {kind: base64.b64decode(recorded[kind]) for kind in KINDS}
    return {kind: {data[i : i + BYTES] for i in range(0, len(data), BYTES)} for kind, data in packed.items()}


def overlap(rows: list[Row], trained: Mapping[str, set[bytes]] | None) -> dict[str, int] | None:
    """How many of the rows were trained on: by their id, by a medium's content, and by either; None if not known."""
    if trained is None:
        return None
    of_path = hashed(path for row in rows for path in media_of(row))
    by_id = [short(row["id"].encode(errors="replace")) in trained["ids"] for row in rows]
    by_media = [any(of_path.get(path) in trained["media"] for path in media_of(row)) for row in rows]
    either = sum(map(max, by_id, by_media))
    return dict(zip(COUNTS, (len(rows), either, sum(by_id), sum(by_media)), strict=True))


def warning(found: Mapping[str, int] | None) -> str | None:
    """What must be said of rows that were trained on; None where there are none."""
    if not found or not found["trained_on"]:
        return None
    some = f"WARNING: {found['trained_on']} of {found['rows']} rows"
    if not found["by_media"]:
        return f"{some} have the id of a row that was trained on, none its media: altered files, or other data so named"
    how = f"{found['by_id']} by their id, {found['by_media']} by the content of their media"
    return f"{some} were trained on ({how}): the scores do not tell how the model does on new data"
