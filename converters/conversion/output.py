"""The output folder of a conversion: rows, rejects and manifest, put in place together."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from converters.conversion.sources import Row, Sourced, none_usable
from swift_plugins.core import manifests
from swift_plugins.core.records import atomic_files, encode_into, sha256_file
from swift_plugins.core.settings import library_versions

LIBRARIES = ("swift-forensics", "msgspec", "av", "pillow")


def _whole(text: str) -> str:
    """A text, with half a character, which no file can hold, as its escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def typed_first(rows: Sequence[Mapping[str, Any]], files: Sequence[str]) -> list[int]:
    """The places of rows, each for one of `files`, those first that are the first in their file to tell the type of a
    key's values, which none and an empty list do not.

    The library by which ms-swift reads JSONL takes the types from its first 10 MB, and fails at others behind them.
    """
    known: dict[str, set[str]] = {file: set() for file in files}
    first = []
    for i, (row, file) in enumerate(zip(rows, files, strict=True)):
        if new := {key for key, value in row.items() if value is not None and value != []} - known[file]:
            known[file] |= new
            first.append(i)
    return [*first, *sorted(set(range(len(rows))) - set(first))]


class Output:
    """The files of one conversion, written aside and put in place together when the block ends without an error.

    A split may be in a folder of its own, "pointwise/train".
    """

    def __init__(self, out: Path, splits: Sequence[str]):
        self.out, self.splits = out, splits
        self.rows: Counter[tuple[str, str]] = Counter()
        self.reasons: Counter[str] = Counter()
        self.ids: set[str] = set()  # of the rows, which tell rows apart in all that follows
        self._files: dict[str, Any] = {}
        self._line = bytearray()  # reused, so that a row costs no allocation

    @contextlib.contextmanager
    def open(self) -> Iterator[Output]:
        names = (*self.splits, "rejects")
        paths = [self.out / f"{name}.jsonl" for name in names]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        # The manifest must never describe other files than its own.
        with atomic_files(paths, outdated=self.out / manifests.FILE) as files:
            self._files = dict(zip(names, files, strict=True))
            yield self

    def write(self, lines: Iterable[Sourced[Row]], unit: str = "row", hint: str = "") -> None:
        """Write each row to the file of its split, and what has none to the rejects.

        ValueError if there is no row at all: it says that of `unit`, of the first fault, and `hint`, what to do.
        """
        first = "there is nothing to convert"
        for line in lines:
            reason = line.reason
            if not reason and line.row["id"] in self.ids:
                reason = f"duplicate: another row has the id {line.row['id'][:80]!r}"
            if not reason:
                try:
                    self._write(line.split, line.row)
                except UnicodeEncodeError as error:
                    reason = f"text: it holds {error.object[error.start]!a}, which is no character"
            if reason:
                first = first if self.reasons else f"{line.where}: {reason}"
                self.reasons[reason.split(":")[0]] += 1
                told = {"where": line.where, "id": line.id, "reason": reason}
                self._write("rejects", {key: text and _whole(text) for key, text in told.items()})
            else:
                self.ids.add(line.row["id"])
                self.rows[line.split, line.row["meta"]["label"]] += 1
        if not self.rows:
            raise ValueError(none_usable(first, unit) + hint)

    def _write(self, name: str, value: Row) -> None:
        encode_into(value, self._line)
        self._line += b"\n"
        self._files[name].write(self._line)

    def counts(self, split: str) -> dict[str, int]:
        """label -> rows written to a split."""
        return {label: n for (of, label), n in sorted(self.rows.items()) if of == split}

    def manifest(self, sources: Mapping[str, Path], options: dict[str, Any], **sections: Any) -> dict[str, Any]:
        """Write the manifest and return it; `sources` are the source's files by the names to record."""
        return manifests.write_manifest(
            self.out,
            {
                "rows_in": sum(self.rows.values()) + self.reasons.total(),
                "rows_out": sum(self.rows.values()),
                "rows_rejected": self.reasons.total(),
                "reject_reasons": dict(self.reasons.most_common()),
                "counts": {split: self.counts(split) for split in self.splits},
                "sources": {name: sha256_file(path) for name, path in sources.items()},
                "files": {f"{s}.jsonl": sha256_file(self.out / f"{s}.jsonl") for s in self.splits},
                "options": {k: str(v) if isinstance(v, Path) else v for k, v in options.items()},
                "versions": library_versions(LIBRARIES),
            },
            sections,
        )
