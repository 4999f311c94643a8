"""Compare runs on the same rows: paired differences, exact tests, and a ranking with how sure it is.

    python eval/compare.py a.jsonl b.jsonl full=c.jsonl --out comparison
    python eval/compare.py plain=a1.jsonl,a2.jsonl,a3.jsonl weighted=b1.jsonl,b2.jsonl,b3.jsonl

Takes two or more files of eval/predict.py, each under its file's name or NAME=PATH. A NAME of several files, one for
each seed, is their mean: intervals and tests are then for other rows and other seeds, and the k-th files of two names
are paired (the same seed, where one was set). What must not differ between them
(rows, data, prompts, versions, splits, grammars, vision settings and the like) is checked between every two, and what
does is named; --allow-different permits it. Prints the ranking by one metric and the differences, or with --json one
JSON object; --out writes comparison.json, comparison.md and comparison.html. Of the rows of eval/perturb.py the clean
ones count.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from eval.scorers.comparable import NAMES, OF_RUN, ROWS, check_names
from eval.scorers.runs import Run, add_options, first_run, run_beside, seen_before, shared_rows, with_neural_scores
from swift_plugins.core.commands import run, uncollected
from swift_plugins.core.locks import held
from swift_plugins.core.names import unknown
from swift_plugins.core.printable import say
from swift_plugins.core.records import encode

if TYPE_CHECKING:
    from eval.scorers.base import Scorer

T = TypeVar("T")


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "pred",
        nargs="+",
        metavar="[NAME=]PATH[,PATH…]",
        help="two or more JSONL of eval/predict.py, or as many for each name as there were seeds",
    )
    parser.add_argument(
        "--metric",
        action="append",
        metavar="METRIC",
        help="a metric to compare by; may be given several times, p (Holm) is for these (default all of the task)",
    )
    parser.add_argument("--by", metavar="METRIC", help="the metric to rank by (default the task's first with a value)")
    parser.add_argument(
        "--out", type=Path, help="folder for comparison.json, comparison.md and comparison.html (default none)"
    )
    parser.add_argument("--json", action="store_true", help="print the comparison as one JSON object, not as tables")
    add_options(parser, f"runs ({ROWS}: only those that all have are compared)", (ROWS, *NAMES))
    return parser


def titled(texts: list[str]) -> dict[str, list[Path]]:
    """title -> paths of each run: its NAME, else its file's name without what it ends in, whole where two are the same.

    ValueError unless two or more are told apart, of as many different files each.
    """
    found: dict[str, list[Path]] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        named = bool(equals) and not Path(text).exists()
        where = path if named else text
        files = [Path(where)] if not named or Path(where).exists() else [Path(one) for one in where.split(",")]
        title = name if named else files[0].stem
        if title in found and not named:
            title = where
        if not title or title in found:
            raise ValueError(f"two files are called {title!r}: give each a name of its own, NAME=PATH")
        if len({os.path.realpath(file) for file in files}) < len(files):
            raise ValueError(f"{text}: a file stands twice; each is of another seed")
        found[title] = files
    if len(found) < 2:
        raise ValueError("name two or more files of predictions: a single one is scored by eval/score.py")
    if len({len(files) for files in found.values()}) > 1:
        counts = ", ".join(f"{title} {len(files)}" for title, files in found.items())
        raise ValueError(f"as many files for each name, the k-th of one beside the k-th of the others; got {counts}")
    return found


def read_runs(args: argparse.Namespace) -> tuple[str, str, Scorer[Any], dict[str, list[Run]]]:
    """(the task, its version, its scorer, the runs of each title), each run checked against every other."""
    check_names(args.allow_different, (ROWS, *NAMES))
    titles = titled(args.pred)
    path, *others = [path for paths in titles.values() for path in paths]
    task, scorer, first = first_run(path, args, args.gold)
    for name in args.metric or ():
        if name not in scorer.metrics:
            raise ValueError(unknown("name for --metric", name, scorer.metrics))
    runs = [shared_rows(first, others) if ROWS in args.allow_different else first]
    for path in others:
        runs.append(run_beside(path, args, task, scorer, runs))
    return task.NAME, task.VERSION, scorer, by_title(runs, titles)


def by_title(flat: Iterable[T], titles: Mapping[str, Sequence[Any]]) -> dict[str, list[T]]:
    """What is in a row for all runs, by their titles."""
    each = iter(flat)
    return {title: [next(each) for _ in runs] for title, runs in titles.items()}


def compare_files(args: argparse.Namespace) -> tuple[dict[str, Any], Scorer[Any]]:
    """(the comparison as JSON, the task's scorer)."""
    from eval.scorers.comparison import compare_runs
    from eval.scorers.robustness import plan_of

    task, version, scorer, titles = read_runs(args)
    runs = [one for group in titles.values() for one in group]
    files, encoders = with_neural_scores(args, task, scorer, [one.cases for one in runs])
    if plan := plan_of(runs[0].rows):
        files = [[cases[i] for i in plan.clean] for cases in files]
    found = compare_runs(scorer, by_title(files, titles), args.metric or scorer.metrics)
    if args.by is not None and args.by not in found["ranking"]:
        raise ValueError(unknown("metric to rank by", args.by, found["ranking"]))
    unparsed = [sum(case.parsed.answer is None for case in cases) for cases in files]
    records = [one.record | {"n_unparsed": n} for one, n in zip(runs, unparsed, strict=True)]
    names = {
        title if len(group) == 1 else f"{title} {i}": one
        for title, group in titles.items()
        for i, one in enumerate(group, 1)
    }
    report = {
        "task": task,
        "n": len(files[0]),
        "by": args.by or next(iter(found["ranking"]), None),
        "runs": {title: together(group) for title, group in by_title(records, titles).items()},
        **found,
        "remarks": [*seen_before({title: one.facts for title, one in names.items()}), *different(names)],
        "versions": {"task": version, **encoders},
    }
    return report, scorer


def together(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What a report says of a title: its run's record, or of several seeds those of each and their unparsed answers."""
    if len(records) == 1:
        return records[0]
    return {
        "n_unparsed": sum(one["n_unparsed"] for one in records),
        "seeds": {str(i): one for i, one in enumerate(records, 1)},
    }


def different(runs: Mapping[str, Run]) -> list[str]:
    """The remarks on runs that were asked otherwise than one before them, or of which it is not known."""
    found = [
        f"{title} differs from a run before it in {', '.join(one.differs)}, as --allow-different permits"
        for title, one in runs.items()
        if one.differs
    ]
    if without := [title for title, one in runs.items() if not one.facts]:
        found.append(
            f"no record (OUT.run.json) of {', '.join(without)}: whether {', '.join(OF_RUN)} are the same is not known"
        )
    return found


@uncollected()
def print_comparison(args: argparse.Namespace) -> None:
    """Compare, write the files where they are wanted, and print."""
    from eval.reporting.comparing import comparison_lines, write_comparison

    report, scorer = compare_files(args)
    if args.out:
        with held(args.out):
            write_comparison(report, scorer, args.out)
    if args.json:
        say(encode(report).decode())
        return
    for line in comparison_lines(report, scorer, args.metric or [name for name in [report["by"]] if name]):
        say(line)
    if args.out:
        say(f"comparison: {(args.out / 'comparison.html').resolve()}")


def main(argv: list[str] | None = None) -> int:
    return run(print_comparison, options().parse_args(argv))


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `… | head` ends without a traceback
    sys.exit(main())
