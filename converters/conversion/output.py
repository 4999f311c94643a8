"""The output folder of a conversion: rows, rejects and manifest, put in place together."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from swift_plugins.core.records import atomic_files, encode_into, sha256_file, write_json
from swift_plugins.core.settings import library_versions

LIBRARIES = ("swift-forensics", "msgspec", "av", "pillow")


class Output:
    """The files of one conversion, written aside and put in place together when the block ends without an error.

    A split may be in a folder of its own, "pointwise/train".
    """

    def __init__(self, out: Path, splits: tuple[str, ...]):
        self.out, self.splits = out, splits
        self.rows: Counter[tuple[str, str]] = Counter()
        self.reasons: Counter[str] = Counter()
        self._files: dict[str, Any] = {}
        self._line = bytearray()  # reused, so that a row costs no allocation

    def _write(self, name: str, value: dict[str, Any]) -> None:
        encode_into(value, self._line)
        self._line += b"\n"
        self._files[name].write(self._line)

    def row(self, split: str, row: dict[str, Any]) -> None:
        self.rows[split, row["meta"]["label"]] += 1
        self._write(split, row)

    def reject(self, where: str, row_id: str | None, reason: str) -> None:
        """Set a source row aside: `where` is its file and place, `reason` begins with the short class of the fault."""
        self.reasons[reason.split(":")[0]] += 1
        self._write("rejects", {"where": where, "id": row_id, "reason": reason})

    @contextlib.contextmanager
    def open(self) -> Iterator[Output]:
        names = (*self.splits, "rejects")
        paths = [self.out / f"{name}.jsonl" for name in names]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        # The manifest must never describe other files than its own.
        with atomic_files(paths, outdated=self.out / "manifest.json") as files:
            self._files = dict(zip(names, files, strict=True))
            yield self

    def counts(self, split: str) -> dict[str, int]:
        """label -> rows written to a split."""
        return {label: n for (of, label), n in sorted(self.rows.items()) if of == split}

    def manifest(self, sources: dict[str, Path], options: dict[str, Any], **sections: Any) -> dict[str, Any]:
        """Write manifest.json and return it; `sources` are the source's files by the names to record."""
        manifest = {
            "rows_in": sum(self.rows.values()) + self.reasons.total(),
            "rows_out": sum(self.rows.values()),
            "rows_rejected": self.reasons.total(),
            "reject_reasons": dict(self.reasons.most_common()),
            "counts": {split: self.counts(split) for split in self.splits},
            "sources": {name: sha256_file(path) for name, path in sources.items()},
            "files": {f"{s}.jsonl": sha256_file(self.out / f"{s}.jsonl") for s in self.splits},
            "options": {k: str(v) if isinstance(v, Path) else v for k, v in options.items()},
            "versions": library_versions(LIBRARIES),
            **sections,
        }
        write_json(self.out / "manifest.json", manifest)
        return manifest


Line = tuple[str, str, str | None, dict[str, Any] | str]  # place on disk, split, id, the row or why there is none


def write_rows(output: Output, lines: Iterable[Line]) -> set[tuple[str, str]]:
    """Write rows and rejects; returns (split, video) of the rows. ValueError if there is no row at all."""
    seen, first = set(), "there is nothing to convert"
    for where, split, row_id, row in lines:
        if isinstance(row, str):
            first = first if output.reasons else f"{where}: {row}"
            output.reject(where, row_id, row)
        else:
            output.row(split, row)
            seen.add((split, row["meta"]["video"]))
    if not output.rows:
        raise ValueError(f"no usable row; the first one: {first}")
    return seen
