"""What the command lines have in common."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

MADE_AT_ONCE = 50  # items of a sample that one process makes in a row


def run(main: Callable[[argparse.Namespace], Any], args: argparse.Namespace) -> int:
    """Call a command's main and return its exit code, 0 for None; wrong input ends in one clear line and code 2."""
    try:
        return main(args) or 0
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


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

    jobs = [(make, args.out, args.seed, split, range(begin, min(begin + MADE_AT_ONCE, count)))
            for split, count in counts.items() for begin in range(0, count, MADE_AT_ONCE)]  # fmt: skip
    with ProcessPoolExecutor(args.workers) as pool, tqdm(total=sum(counts.values()), unit=unit) as progress:
        for (_, _, _, split, _), made in zip(jobs, pool.map(_make_some, jobs), strict=True):
            yield from ((split, item) for item in made)
            progress.update(len(made))


def _make_some(job: tuple[Callable[[Path, int, str, int], Any], Path, int, str, range]) -> list[Any]:
    make, out, seed, split, indices = job
    return [make(out, seed, split, index) for index in indices]


def spread(count: int, limit: int | None) -> range | list[int]:
    """The indices of `limit` rows, one out of each of as many equal stretches of `count`; all of them without a limit.

    Which one of a stretch is drawn, the same in every run: in steps of a fixed length all would be fake where real and
    fake take turns.
    """
    if limit is None or limit >= count:
        return range(count)
    draw = random.Random(limit)
    return [draw.randrange(i * count // limit, (i + 1) * count // limit) for i in range(limit)]


def whole_number(least: int = 1) -> Callable[[str], int]:
    """A type for argparse: a whole number that is not too small."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}, got {text!r}")
        return number

    return read
