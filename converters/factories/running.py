"""What the commands of the factories have in common: their options, the images that they take, the run of the calls."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from converters.conversion.media import check_files, hash_files
from converters.factories.calls import Log, Runner, Source, Tally
from converters.factories.models import Model, Models, Shared
from swift_plugins.answering.asking import Result
from swift_plugins.answering.conversations import CHARS, PIXELS
from swift_plugins.answering.outfile import check_run
from swift_plugins.answering.rows import read_some
from swift_plugins.answering.shards import shard
from swift_plugins.core.commands import whole_number
from swift_plugins.core.locks import held
from swift_plugins.core.media import LEVELS, Media
from swift_plugins.core.printable import say
from swift_plugins.core.records import Row, write_json

MOST_PIXELS = 1_003_520  # of an image that are shown, in an estimate


def add_factory_options(parser: argparse.ArgumentParser, data: str, out: str) -> None:
    """The options of every factory; each adds its models and what is its own."""
    parser.add_argument("--data", type=Path, required=True, help=data)
    parser.add_argument("--out", type=Path, default=Path(out), help=f"folder to write or go on with (default {out})")
    parser.add_argument("--limit", type=whole_number(), help="only so many images, from all over --data (default all)")
    parser.add_argument(
        "--dry-run", action="store_true", help="ask nobody, write nothing: count the calls and estimate their tokens"
    )
    parser.add_argument(
        "--shard",
        type=shard,
        help="ask about this part of the images alone, such as 2/8, into a log of its own; when all parts are done, "
        "the same command without it makes the data of what they asked (default the task of a Slurm array, or RANK of "
        "WORLD_SIZE, where they are set; 1/1 for all images)",
    )
    parser.add_argument("--batch-size", type=whole_number(), default=8, help="calls to a model at once (default 8)")
    parser.add_argument("--max-tokens", type=whole_number(), default=1024, help="longest reply (default 1024)")
    parser.add_argument(
        "--tries", type=whole_number(), default=3, help="of a call whose reply cannot be read, all of them (default 3)"
    )
    parser.add_argument(
        "--budget-requests", type=whole_number(), help="of this run, to all models; a rerun goes on (default any)"
    )
    parser.add_argument(
        "--budget-tokens", type=whole_number(), help="read and written in this run, by all models (default any)"
    )
    parser.add_argument("--retry-errors", action="store_true", help="make the calls again that no server replied to")
    parser.add_argument("--check", choices=LEVELS, default="decode", help="look at the images first (default decode)")
    parser.add_argument(
        "--workers", type=whole_number(), default=os.cpu_count() or 1, help="processes for --check (default all)"
    )
    parser.add_argument("--seed", type=whole_number(0), default=0, help="of all that is drawn (default 0)")


class Pictured(NamedTuple):
    """A row of --data with its one image: the place, the image's SHA-256 and size in px (None where not looked at)."""

    where: str
    row: Row
    image: str
    sha256: str
    size: tuple[int, int] | None


def read_pictured(args: argparse.Namespace) -> tuple[list[Pictured], list[tuple[str, str, str]]]:
    """(the rows of this run whose image can be shown, (place, id, reason) of the others)."""
    rows = [(f"{args.data}:{line}", row) for line, row in read_some(args.data, args.limit)]
    rows = rows if args.shard is None else args.shard.of(rows)
    if not rows:
        raise ValueError(f"{args.data}: no rows")
    paths = sorted({row["images"][0] for _, row in rows if len(row.get("images", [])) == 1})
    checked, hashes = check_files(paths, args.check, args.workers), hash_files(paths, args.workers)
    good, bad = [], []
    for where, row in rows:
        path = row["images"][0] if len(row.get("images", [])) == 1 else ""
        found = checked.get(path)
        if not path:
            bad.append((where, row["id"], "images: the row has not just one"))
        elif isinstance(found, str) or path not in hashes:
            bad.append((where, row["id"], f"media: {found or 'the file does not exist'}"))
        else:
            size = (found.width, found.height) if isinstance(found, Media) else None
            good.append(Pictured(where, row, path, hashes[path], size))
    return good, bad


@contextlib.contextmanager
def holding(args: argparse.Namespace) -> Iterator[None]:
    """Hold --out; a shard holds its own files alone, a dry run nothing."""
    if args.shard is not None:
        args.out.mkdir(parents=True, exist_ok=True)
    with contextlib.nullcontext() if args.dry_run or args.shard is not None else held(args.out):
        yield


def files_of(args: argparse.Namespace, stem: str) -> list[Path]:
    """The files of a name that a run reads: the one that it writes, and, where it is no shard, those of shards."""
    if args.shard is not None:
        return [args.shard.place(args.out / f"{stem}.jsonl")]
    return [args.out / f"{stem}.jsonl", *sorted(args.out.glob(f"{stem}.*-of-*.jsonl"))]


class Asked(NamedTuple):
    """What came of the jobs: their results by name, what was asked of each role."""

    results: dict[str, Any]
    tallies: dict[str, Tally]

    def facts(self) -> dict[str, Any]:
        return {role: tally.facts() for role, tally in self.tallies.items()}


def run_jobs(
    args: argparse.Namespace, models: Mapping[str, Model], sources: Sequence[Sequence[Source]], unit: str
) -> Asked | None:
    """Run the jobs of each image; None where nothing is to be made of them: in a dry run, and for a shard."""
    if args.dry_run:
        runner = Runner(_dry, None, args.batch_size, args.tries)
        runner.run([source for some in sources for source in some], unit)
        report_dry(runner.tallies, models)
        return None
    paths = files_of(args, "calls")
    record = {
        "models": {role: of.name for role, of in models.items()},  # wherever they are served
        "generation": {"max_tokens": args.max_tokens, "temperature": 0.0},
    }
    for path in paths:
        place = path.with_name(f"{path.name}.run.json")
        check_run(place, record, path.is_file() and path.stat().st_size > 0)
        if not place.is_file():
            write_json(place, record)
    log = Log(paths, args.retry_errors)
    try:
        budget = Shared(args.budget_requests, args.budget_tokens)
        ask = Models(models, args.batch_size, args.max_tokens, budget).ask
        runner = Runner(ask, log, args.batch_size, args.tries)
        results = runner.run([source for some in sources for source in some], unit)
    finally:
        log.close()
    if args.shard is not None:
        say(f"shard {args.shard}: {len(sources)} images asked about; when all shards are, run this without --shard")
        return None
    return Asked(results, runner.tallies)


# ------------------------------------------------------------------------------------------------------------- dry runs


def _dry(role: str, rows: Sequence[Row]) -> Iterator[tuple[int, Result, float]]:
    """For each call a reply as it should be, and the tokens of both as they are estimated."""
    for i, row in enumerate(rows):
        yield i, {"response": row["meta"]["example"], "usage": _estimate(row)}, 0.0


def _estimate(row: Row) -> dict[str, int]:
    width, height = row["meta"]["size"] or (MOST_PIXELS, 1)
    seen = min(width * height, MOST_PIXELS) // PIXELS
    text = sum(len(message["content"]) for message in row["messages"])
    return {"prompt_tokens": text // CHARS + seen, "completion_tokens": len(row["meta"]["example"]) // CHARS}


def report_dry(tallies: Mapping[str, Tally], models: Mapping[str, Model]) -> None:
    """Print what would be asked of each role if every first reply were as it should be."""
    say("a dry run: nobody was asked, nothing is written; if every first reply were as it should be:")
    report_calls(tallies, models, "about ")
    total = sum(tally.prompt_tokens + tally.completion_tokens for tally in tallies.values())
    say(f"  all          about {sum(t.calls for t in tallies.values())} calls, {total} tokens")


def report_calls(tallies: Mapping[str, Tally], models: Mapping[str, Model], about: str = "") -> None:
    """Print the calls and tokens of each role."""
    for role, tally in tallies.items():
        unread = f", {n} replies that could not be read" if (n := tally.unread.total()) else ""
        failed = f", {tally.failed} without a reply" if tally.failed else ""
        say(
            f"  {role:12} {tally.calls} calls, {about}{tally.prompt_tokens} tokens in, {about}"
            f"{tally.completion_tokens} out{unread}{failed} ({models[role].name})"
        )


def warn(found: Sequence[str], judge: str) -> None:
    """Say which roles have a model of the judge's own family."""
    if found:
        say(
            f"note: {', '.join(found)} and the judge to be trained ({judge}) are of one family: a judge prefers what "
            "its own family writes, so its scores of such models may be too high",
            sys.stderr,
        )
