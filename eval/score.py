"""Score predictions: metrics with 95 % intervals, slices and baselines, and a report with pictures.

    python eval/score.py --pred out.jsonl --out report

Prints a table, or with --json one JSON object. --out writes report.json, report.md, cases.csv (a line for each row) and
report.html: one file, opens anywhere, with every case to look through. The truth comes from the rows' meta, or from
--gold; a row of --gold that was not predicted counts as wrong. Of rows without any truth the answers are counted.
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

from eval.scorers.comparable import OF_RUN, check_names
from eval.scorers.judged import judged_by
from eval.scorers.runs import Run, add_options, first_run, run_beside, seen_before, with_neural_scores
from swift_plugins.core.commands import run, uncollected
from swift_plugins.core.locks import held
from swift_plugins.core.printable import say
from swift_plugins.core.records import encode

if TYPE_CHECKING:
    from eval.scorers.assemble import Scored
    from eval.scorers.base import Scorer
    from swift_plugins.core.tasks import Task


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pred", type=Path, required=True, help="JSONL of eval/predict.py")
    parser.add_argument(
        "--out", type=Path, help="folder for report.json, report.md, cases.csv and report.html (default none)"
    )
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object instead of a table")
    parser.add_argument(
        "--baseline",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="predictions on the same rows to put beside these and compare with, as of the untrained model",
    )
    parser.add_argument(
        "--val",
        type=Path,
        help="predictions on validation rows, to fit a temperature of P(fake) on, which is applied to --pred: ece and "
        "brier before and after (default none)",
    )
    parser.add_argument(
        "--as-published",
        metavar="NAME",
        help="print the paper's table in place of ours: a line for this run, called NAME, for each --baseline and for "
        "each model that the paper trained, in the paper's columns (default ours, a line for each metric)",
    )
    add_options(parser, "--pred and a --baseline")
    return parser


def read_baselines(args: argparse.Namespace, task: Task, scorer: Scorer[Any], this: Run) -> dict[str, Run]:
    """title -> each file named by --baseline, which must be asked as --pred was."""
    check_names(args.allow_different)
    found: dict[str, Run] = {}
    for text in args.baseline:
        title, _, path = text.partition("=")
        if not path:
            raise ValueError(f"--baseline takes NAME=PATH, got {text!r}")
        if title in found or title in scorer.baselines:
            raise ValueError(f"--baseline {title!r} is there already: choose another name")
        found[title] = run_beside(Path(path), args, task, scorer, [this])
    return found


def score_file(args: argparse.Namespace) -> Scored:
    from eval.scorers.assemble import Scored
    from eval.scorers.robustness import score_rows
    from eval.scorers.tempering import calibrated, told

    task, scorer, this = first_run(args.pred, args, args.gold)
    named = read_baselines(args, task, scorer, this)
    files = [this.cases, *(run.cases for run in named.values())]
    (every, *others), encoders = with_neural_scores(args, task.NAME, scorer, files)
    of_named = dict(zip(named, others, strict=True))
    found, cases = score_rows(scorer, this.rows, every, of_named)
    if args.val:
        of, _, val = first_run(args.val, args, gold=None)
        if of is not task:
            raise ValueError(f"--val {args.val}: rows of {of.NAME}, those of --pred are of {task.NAME}")
        found["temperature"] = calibrated(scorer, val, cases)
        found["remarks"].append(told(found["temperature"]))
    unparsed = sum(case.parsed.answer is None for case in cases)
    seen = seen_before({"": this.facts} | {title: run.facts for title, run in named.items()})
    report = {
        "task": task.NAME,
        "n": len(cases),
        "n_unparsed": unparsed,
        "parse_rate": round(1 - unparsed / len(cases), 6),
        **found,
        "remarks": [
            *seen,
            *different(named, this),
            *judged_by(args.pred, this.rows, found["metrics"]),
            *found["remarks"],
        ],
        "policy": {"grammar": this.grammar, **found["policy"]},
        "versions": {"task": task.VERSION, **found.get("versions", {}), **encoders, **this.facts.get("versions", {})},
        "run": {key: value for key, value in this.facts.items() if key != "versions"} | this.judges,
        "baseline_runs": {title: run.record for title, run in named.items()},
    }
    return Scored(scorer, report, cases, every, of_named)


def different(named: Mapping[str, Run], this: Run) -> list[str]:
    """The remarks on baselines that were asked otherwise than --pred, or of which it is not known."""
    found = [
        f"{title} differs from this run in {', '.join(run.differs)}, as --allow-different permits"
        for title, run in named.items()
        if run.differs
    ]
    if without := [title for title, run in named.items() if not (run.facts and this.facts)]:
        found.append(
            f"compared with {', '.join(without)} by the rows alone: with no record (OUT.run.json) on both sides it is "
            f"not known whether {', '.join(OF_RUN)} are the same"
        )
    return found


@uncollected()
def print_scores(args: argparse.Namespace) -> None:
    """Score, write the report where one is wanted, and print."""
    scored = score_file(args)
    report = scored.report
    if args.out:
        from eval.reporting.pages import write_report
        from eval.reporting.provenance import Shown

        with held(args.out):
            write_report(scored, args.out, Shown(args.gold))
    if args.json:
        say(encode(report).decode())
        return
    from eval.reporting.terminal import table

    for line in table(report, scored.scorer, args.as_published):
        say(line)
    if args.out:
        say(f"report: {(args.out / 'report.html').resolve()}")


def main(argv: list[str] | None = None) -> int:
    return run(print_scores, options().parse_args(argv))


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `… | head` ends without a traceback
    sys.exit(main())
