"""How the samples' generators run: their folder, their processes, their progress."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import swift_plugins  # noqa: F401

MADE_AT_ONCE = 50  # items of a sample that one process makes in a row


def make_sample(
    parser: argparse.ArgumentParser, argv: list[str] | None, write: Callable[[argparse.Namespace], Any]
) -> int:
    """Run the generator of a sample, whose parser has --out; it writes to no folder that holds anything."""
    args = parser.parse_args(argv)
    try:
        if args.out.exists() and any(args.out.iterdir()):
            parser.error(f"{args.out} is not empty: delete it or name another folder")
        write(args)
    except OSError as error:
        parser.error(f"cannot write to --out: {error}")
    return 0


def make_items(
    make: Callable[[Path, int, str, int], Any], args: argparse.Namespace, counts: Mapping[str, int], unit: str
) -> Iterator[tuple[str, Any]]:
    """(split, what make(--out, --seed, split, index) returned) for each index below each split's count, in order.

    Made in --workers processes, under a progress bar of so many `unit`s.
    """
    from tqdm import tqdm

    jobs = [
        (make, args.out, args.seed, split, range(begin, min(begin + MADE_AT_ONCE, count)))
        for split, count in counts.items()
        for begin in range(0, count, MADE_AT_ONCE)
    ]
    with ProcessPoolExecutor(args.workers) as pool, tqdm(total=sum(counts.values()), unit=unit) as progress:
        for (_, _, _, split, _), made in zip(jobs, pool.map(_make_some, jobs), strict=True):
            yield from ((split, item) for item in made)
            progress.update(len(made))


def _make_some(job: tuple[Callable[[Path, int, str, int], Any], Path, int, str, range]) -> list[Any]:
    make, out, seed, split, indices = job
    return [make(out, seed, split, index) for index in indices]
