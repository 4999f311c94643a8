"""Compare runs on the same rows: paired differences, exact tests, and a ranking with how sure it is.

    python eval/compare.py a.jsonl b.jsonl full=c.jsonl --out comparison

Takes two or more files of eval/predict.py, each under its file's name or NAME=PATH. What must not differ between them
(rows, data, prompts, versions, splits, grammars, vision settings and the like) is checked between every two, and what
does is named; --allow-different permits it. Prints the ranking by one metric and the differences, or with --json one
JSON object; --out writes comparison.json, comparison.md and comparison.html. Of the rows of eval/perturb.py the clean
ones count.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from eval.scorers.comparable import NAMES, OF_RUN, ROWS, check_names
from eval.scorers.runs import Run, add_options, first_run, run_beside, seen_before, shared_rows, with_neural_scores
from swift_plugins.core.commands import run
from swift_plugins.core.locks import held
from swift_plugins.core.names import unknown
from swift_plugins.core.printable import say
from swift_plugins.core.records import encode

if TYPE_CHECKING:
    from eval.scorers.base import Scorer


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pred", nargs="+", metavar="[NAME=]PATH", help="two or more JSONL of eval/predict.py")
    parser.add_argument("--by", metavar="METRIC", help="the metric to rank by (default the task's first with a value)")
    parser.add_argument(
        "--out", type=Path, help="folder for comparison.json, comparison.md and comparison.html (default none)"
    )
    parser.add_argument("--json", action="store_true", help="print the comparison as one JSON object, not as tables")
    add_options(parser, f"runs ({ROWS}: only those that all have are compared)", (ROWS, *NAMES))
    return parser


def titled(texts: list[str]) -> dict[str, Path]:
    """title -> path of each file: its NAME, else its name without what it ends in, whole where two are the same."""
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        named = bool(equals) and not Path(text).exists()
        where = Path(path if named else text)
        title = name if named else where.stem
        if title in found and not named:
            title = str(where)
        if not title or title in found:
            raise ValueError(f"two files are called {title!r}: give each a name of its own, NAME=PATH")
        found[title] = where
    if len(found) < 2:
        raise ValueError("name two or more files of predictions: a single one is scored by eval/score.py")
    return found


def read_runs(args: argparse.Namespace) -> tuple[str, str, Scorer[Any], dict[str, Run]]:
    """(the task, its version, its scorer, the runs by title), each run checked against every other."""
    check_names(args.allow_different, (ROWS, *NAMES))
    paths = titled(args.pred)
    title, path = next(iter(paths.items()))
    task, scorer, first = first_run(path, args, args.gold)
    if ROWS in args.allow_different:
        first = shared_rows(first, [*paths.values()][1:])
    runs = {title: first}
    for title, path in [*paths.items()][1:]:
        runs[title] = run_beside(path, args, task, scorer, [*runs.values()])
    return task.NAME, task.VERSION, scorer, runs


def compare_files(args: argparse.Namespace) -> tuple[dict[str, Any], Scorer[Any]]:
    """(the comparison as JSON, the task's scorer)."""
    from eval.scorers.comparison import compare_runs
    from eval.scorers.robustness import plan_of

    task, version, scorer, runs = read_runs(args)
    files, encoders = with_neural_scores(args, task, scorer, [one.cases for one in runs.values()])
    if plan := plan_of(next(iter(runs.values())).rows):
        files = [[cases[i] for i in plan.clean] for cases in files]
    found = compare_runs(scorer, dict(zip(runs, files, strict=True)))
    if args.by is not None and args.by not in found["ranking"]:
        raise ValueError(unknown("metric to rank by", args.by, found["ranking"]))
    unparsed = [sum(case.parsed.answer is None for case in cases) for cases in files]
    report = {
        "task": task,
        "n": len(files[0]),
        "by": args.by or next(iter(found["ranking"]), None),
        "runs": {title: runs[title].record | {"n_unparsed": n} for title, n in zip(runs, unparsed, strict=True)},
        **found,
        "remarks": [*seen_before({title: one.facts for title, one in runs.items()}), *different(runs)],
        "versions": {"task": version, **encoders},
    }
    return report, scorer


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
    for line in comparison_lines(report, scorer):
        say(line)
    if args.out:
        say(f"comparison: {(args.out / 'comparison.html').resolve()}")


def main(argv: list[str] | None = None) -> int:
    return run(print_comparison, options().parse_args(argv))


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `… | head` ends without a traceback
    sys.exit(main())
