"""A file's rows answered in parts, each by a process of its own, and the parts put together again."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from swift_plugins.answering.outfile import compared, differences
from swift_plugins.core import next_steps
from swift_plugins.core.media import MEDIA, content_hash
from swift_plugins.core.names import few
from swift_plugins.core.printable import say
from swift_plugins.core.records import Row, atomic_write, encode_line, read_json, read_rows, sha256_text, write_json

SHARD = "shard"  # in the record of a part, which one it is and of what
T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """The part `number`, from 1, of `of`: every `of`-th batch, so that rows are batched as without shards."""

    number: int
    of_all: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of_all}"

    def of(self, batches: Sequence[T]) -> list[T]:
        return list(batches[self.number - 1 :: self.of_all])

    def place(self, out: Path) -> Path:
        """Its own output, beside that of the whole."""
        return out.with_name(f"{out.stem}.{self.number}-of-{self.of_all}{out.suffix}")

    def record(self, ids: Sequence[str], batch: int) -> dict[str, Any]:
        """What its run's record says: which part it is, of how many items of which ids, in batches of what size."""
        return {
            "number": self.number,
            "of": self.of_all,
            "batch": batch,
            "items": len(ids),
            "ids_sha256": _ids_hash(ids),
        }

    def finished(self, path: Path, done: int, failed: int) -> None:
        """Say that the part at `path` is whole, and what to do when all are."""
        if done and failed == done:
            raise ValueError(f"all {failed} rows of shard {self} failed, see their errors in {path}")
        say(f"shard {self}: {done} rows in {path}" + (f", {failed} of this run with an error" if failed else ""))
        whole = path.with_name(re.sub(rf"\.{self.number}-of-{self.of_all}(\.|$)", r"\1", path.name))
        next_steps.say([next_steps.python("eval/merge.py", "--out", whole)], ", when all shards are done")


def shard(text: str) -> Shard:
    """A type for argparse: I/N."""
    match = re.fullmatch("([0-9]{1,5})/([0-9]{1,5})", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"must be I/N with I from 1 to N, got {text!r:.40}")
    return Shard(int(match[1]), int(match[2]))


def shard_of_job(environ: Mapping[str, str] = os.environ) -> tuple[Shard, str] | None:
    """(the shard of this task of a Slurm array, or of this process of torchrun, the variable that tells), if it is one.

    ValueError for an array whose size Slurm does not tell.
    """
    if "SLURM_ARRAY_TASK_ID" in environ:
        names = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_COUNT")
        this, first, count = (_number(environ, name) for name in names)
        step = _number(environ, "SLURM_ARRAY_TASK_STEP", 1)
        found, told = (this - first) // max(step, 1) + 1, names[0]
    elif "RANK" in environ and "WORLD_SIZE" in environ:
        found, count, told = _number(environ, "RANK") + 1, _number(environ, "WORLD_SIZE"), "RANK"
    else:
        return None
    if not 1 <= found <= count:
        raise ValueError(f"{told} tells of task {found} of {count}: name the shard by --shard I/N")
    return (Shard(found, count), told) if count > 1 else None


def _number(environ: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = environ.get(name, "" if default is None else str(default))
    if not re.fullmatch("[0-9]{1,9}", text):
        raise ValueError(f"{name} must be a whole number, got {text!r:.40}: name the shard by --shard I/N")
    return int(text)


def merge(out: Path) -> tuple[int, dict[str, Any], int]:
    """Write the shards of an output as one, in the order of the input, with its record; returns (rows, record, shards).

    ValueError if a shard is missing, not whole, of another run, or has a row of another, or `out` is something else.
    """
    records, kind = _records(out)
    told = next(iter(records.values()))[SHARD]
    parts = {path: [row for _, row in read_rows(path)] for path in records}
    rows = _joined([*parts.values()], told["batch"])
    _check_once(parts)
    if len(rows) != told["items"]:
        held = few([f"{path.name} {len(some)}" for path, some in parts.items()], len(parts))
        raise ValueError(f"{len(rows)} of {told['items']} rows are there ({held}): finish the shards first")
    if _ids_hash([row["id"] for row in rows]) != told["ids_sha256"]:
        raise ValueError(f"the shards of {out} hold other rows than were asked: delete them and run them again")
    content = b"".join(encode_line(row) + b"\n" for row in rows)
    if out.is_file() and out.read_bytes() not in (content, b""):
        raise ValueError(f"{out} holds something else than its shards: remove it first")
    hashes = {path: digest for record in records.values() for path, digest in (record.get(MEDIA) or {}).items()}
    whole = {key: value for key, value in next(iter(records.values())).items() if key != SHARD}
    whole[MEDIA] = content_hash(sorted(hashes), hashes)
    write_json(out.with_name(f"{out.name}.{kind}.json"), whole)
    with atomic_write(out) as file:
        file.write(content)
    return len(rows), whole, len(records)


def _records(out: Path) -> tuple[dict[Path, dict[str, Any]], str]:
    """(output -> record of each shard, in order, what the record is called); ValueError unless they fit together."""
    name = re.compile(rf"{re.escape(out.stem)}\.([0-9]+)-of-([0-9]+){re.escape(out.suffix)}\.([a-z]+)\.json")
    found = sorted(
        (int(match[2]), int(match[1]), match[3], path)
        for path in out.parent.glob("*")
        if (match := name.fullmatch(path.name))
    )
    if not found:
        raise ValueError(f"{out} has no shards beside it, such as {Shard(1, 2).place(out).name} with its record")
    counts, kinds = sorted({count for count, *_ in found}), {kind for _, _, kind, _ in found}
    if len(counts) > 1 or len(kinds) > 1:
        raise ValueError(
            f"{out} has shards of {few([*map(str, counts)])} ({', '.join(sorted(kinds))}): remove all but one run's"
        )
    if missing := sorted(set(range(1, counts[0] + 1)) - {number for _, number, _, _ in found}):
        raise ValueError(f"{out}: of {counts[0]} shards these are missing: {few([*map(str, missing)])}")
    records = {path.with_name(path.name.removesuffix(f".{kind}.json")): read_json(path) for _, _, kind, path in found}
    first = _shared(next(iter(records.values())))
    for path, record in records.items():
        if differ := differences(first, _shared(record)):
            raise ValueError(f"{path} is of another run than the first shard: {', '.join(differ)} differ")
    return records, kinds.pop()


def _shared(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the records of all shards of a run have in common."""
    part = record.get(SHARD, {})
    return compared(record) | {SHARD: {key: value for key, value in part.items() if key != "number"}}


def _joined(parts: Sequence[Sequence[Row]], size: int) -> list[Row]:
    """The batches of all parts, one of each in turn."""
    longest = max(map(len, parts))
    return [row for i in range(0, longest, size) for part in parts for row in part[i : i + size]]


def _check_once(parts: Mapping[Path, Sequence[Row]]) -> None:
    seen: dict[str, Path] = {}
    for path, rows in parts.items():
        for row in rows:
            if (before := seen.setdefault(row["id"], path)) is not path:
                raise ValueError(f"row {row['id']!r} stands in {before} and in {path}")


def _ids_hash(ids: Iterable[str]) -> str:
    return sha256_text("\n".join(ids))
