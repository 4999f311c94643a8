"""Output that survives a kill and is written by one process at a time."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO

from swift_plugins.core.locks import lock
from swift_plugins.core.records import Row, atomic_write, jsonl_writer, read_rows, write_json


class OutFile:
    """A growing JSONL that knows what is done and loses nothing."""

    def __init__(self, path: Path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = self._locked()
        self.done: set[str] = set()

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
        self.done = {row["id"] for row in kept}

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
        self.done.update(row["id"] for row in rows)

    def finish(self, order: list[str]) -> None:
        """Put the rows into the order of the input, in which a retry may have left them not."""
        rows, _ = self._rows()
        if list(rows) != order:
            with atomic_write(self.path) as file:
                jsonl_writer(file).write_all(rows[i] for i in order)


def check_run(path: Path, run: dict[str, Any], has_output: bool, may_change: Collection[str] = ()) -> None:
    """Write run.json, or refuse when the one that is there says that the output came from another run.

    `may_change` are the keys in which the two may differ.
    """
    import msgspec

    if has_output:
        if not path.is_file():
            raise ValueError(f"the output exists but {path} does not: delete the output or name another --out")
        try:
            before = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(
                f"{path} is not the record of a run ({error}): delete it and the output, or name another --out"
            ) from None
        changed = sorted(k for k in (run.keys() | before.keys()) - set(may_change) if run.get(k) != before.get(k))
        if changed:
            raise ValueError(
                f"the output was made with other settings ({', '.join(changed)} differ, see {path.name}): "
                "delete it or name another --out"
            )
    write_json(path, run)
