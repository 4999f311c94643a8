"""Output that survives a kill and is written by one process at a time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from swift_plugins.core.locks import lock
from swift_plugins.core.media import MEDIA
from swift_plugins.core.records import Row, atomic_write, jsonl_writer, read_json, read_rows, scan_rows

TRAINED_ON = "trained_on"  # in a run's record, which rows the model was trained on: no answer depends on the count


class OutFile:
    """A growing JSONL that knows what is done and loses nothing."""

    def __init__(self, path: Path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = self._locked()
        self.done: dict[str, str | None] = {}  # id -> the row's MEDIA

    def _locked(self) -> BinaryIO:
        file: BinaryIO = open(self.path, "ab")  # noqa: SIM115
        lock(file.fileno(), self.path)
        return file

    def resume(self, retry_errors: bool) -> None:
        """Take over what an earlier run wrote; it may end in a torn line, as a killed writer leaves one."""
        self.file.truncate(self.path.read_bytes().rfind(b"\n") + 1)
        rows, lines = self._rows()
        kept = [row for row in rows.values() if not (retry_errors and "error" in row)]
        if len(kept) < lines:
            with atomic_write(self.path) as file:
                jsonl_writer(file).write_all(kept)
            self.file.close()
            self.file = self._locked()
        self._add(kept)

    def _rows(self) -> tuple[dict[str, Row], int]:
        """(id -> row, number of lines); ValueError for what no run writes, as two answers to one id."""
        rows: dict[str, Row] = {}
        lines = 0
        for line, row in read_rows(self.path):
            lines += 1
            if not isinstance(row.get("id"), str):
                raise ValueError(f"{self.path}:{line}: id must be a text, got {row.get('id')!r:.80}: delete the line")
            if rows.setdefault(row["id"], row) != row:
                raise ValueError(
                    f"{self.path}:{line}: id {row['id']!r} stands in an earlier line with another answer: delete one"
                )
        return rows, lines

    def write(self, rows: list[Row]) -> None:
        jsonl_writer(self.file).write_all(rows)
        self.file.flush()
        os.fsync(self.file.fileno())
        self._add(rows)

    def _add(self, rows: list[Row]) -> None:
        self.done |= {row["id"]: row.get(MEDIA) for row in rows}

    def check_media(self, hashes: Mapping[str, str | None]) -> None:
        """ValueError for a row of which the media are others now; `hashes` are those of what is there, by id."""
        for row_id, before in self.done.items():
            if before is not None and hashes.get(row_id) not in (None, before):
                raise ValueError(
                    f"{self.path}: the media of row {row_id!r} are others now than when it was answered ({MEDIA} "
                    "differs): delete its line, or name another --out; --retry-errors asks anew what failed"
                )

    def finish(self, order: list[str]) -> None:
        """Put the rows into the order of the input, in which a retry may have left them not."""
        rows, _ = self._rows()
        if list(rows) != order:
            with atomic_write(self.path) as file:
                jsonl_writer(file).write_all(rows[i] for i in order)


def done_in(path: Path, retry_errors: bool) -> set[str]:
    """The ids that an output has, as a run would find them done; nothing is changed in it."""
    rows = [row for _, row in scan_rows(path) if isinstance(row, dict)] if path.is_file() else []
    return {row["id"] for row in rows if isinstance(row.get("id"), str) and not (retry_errors and "error" in row)}


def compared(record: Mapping[str, Any]) -> dict[str, Any]:
    """What of a run's record tells it from another run: not what its rows tell of their media, nor where a model that
    is known by its name was served."""
    kept = {key: value for key, value in record.items() if key not in (MEDIA, TRAINED_ON)}
    if isinstance(model := kept.get("model"), Mapping):
        kept["model"] = {key: value for key, value in model.items() if key != "base_url"}
    return kept


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The keys of which two records do not say the same."""
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))


def check_run(path: Path, run: Mapping[str, Any], has_output: bool) -> None:
    """Refuse to go on with an output whose record, at `path`, is that of another run; what both state is compared."""
    if not has_output:
        return
    if not path.is_file():
        raise ValueError(f"the output exists but {path} does not: delete the output or name another --out")
    try:
        before = read_json(path)
    except ValueError as error:
        raise ValueError(
            f"{error}: it is not the record of a run: delete it and the output, or name another --out"
        ) from None
    if changed := differences(compared(run), compared(before)):
        raise ValueError(
            f"the output was made with other settings ({', '.join(changed)} differ, see {path.name}): "
            "delete it or name another --out"
        )
