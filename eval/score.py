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
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from eval.scorers import SCORERS, scorer_of
from eval.scorers.comparable import NAMES, OF_RUN, check_names, check_same, with_facts
from eval.scorers.judged import judge_facts, judged_by
from eval.scorers.rows import grammar_for, merge, read_cases, read_predictions, run_facts, task_of, trained_on
from swift_plugins.core.commands import run
from swift_plugins.core.locks import held
from swift_plugins.core.printable import say
from swift_plugins.core.records import Row, encode

if TYPE_CHECKING:
    from eval.scorers.assemble import Scored
    from eval.scorers.base import Scorer
    from swift_plugins.core.tasks import Task


class Baseline(NamedTuple):
    """The cases of a file named by --baseline, and what the report says of it."""

    cases: list[Any]
    record: dict[str, Any]


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pred", type=Path, required=True, help="JSONL of eval/predict.py")
    parser.add_argument("--gold", type=Path, help="the converter's JSONL with the truth (default: the meta in --pred)")
    parser.add_argument(
        "--out", type=Path, help="folder for report.json, report.md, cases.csv and report.html (default none)"
    )
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object instead of a table")
    parser.add_argument(
        "--grammar",
        help="how the answers are written, one of the task's grammars, for deeptrace "
        "trained, tags, json or auto; those of the field's other models are skyra, ivy, busterx and qwen "
        "(default what each file was asked for: tags after predict.py --prompt zero_shot, else trained)",
    )
    parser.add_argument(
        "--baseline",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="predictions on the same rows to put beside these and compare with, as of the untrained model",
    )
    parser.add_argument(
        "--allow-different",
        action="append",
        default=[],
        metavar="NAME",
        help="what may differ between --pred and a --baseline, which is else refused; one of " + ", ".join(NAMES),
    )
    parser.add_argument(
        "--as-published",
        metavar="NAME",
        help="print the paper's table in place of ours: a line for this run, called NAME, for each --baseline and for "
        "each model that the paper trained, in the paper's columns (default ours, a line for each metric)",
    )
    add_encoder_options(parser)
    return parser


def add_encoder_options(parser: argparse.ArgumentParser) -> None:
    from eval.encoders.bertscore import ENCODERS
    from eval.encoders.css import RECOMMENDED

    parser.add_argument(
        "--bertscore",
        metavar="MODEL",
        help="encoder, a hub id or a local folder, for the bertscore of dfj_reason (default none: it is left out)",
    )
    parser.add_argument(
        "--bertscore-layer",
        type=int,
        metavar="N",
        help="the encoder's layer (default the one that BERTScore's authors chose: "
        + ", ".join(f"{layer} for {name}" for name, (layer, _) in ENCODERS.items())
        + "; for any other name one)",
    )
    parser.add_argument(
        "--css",
        metavar="MODEL",
        help="sentence encoder, a local folder or a hub id with @REVISION, "
        "for the css of fakevlm and loki_open; the paper names none, use "
        f"{RECOMMENDED} (default none: it is left out)",
    )


def read_baselines(
    args: argparse.Namespace, task: Task, scorer: Scorer[Any], truth: list[tuple[str, Row]], facts: Row
) -> dict[str, Baseline]:
    """title -> each file named by --baseline, which must be asked as --pred was; `truth` are the rows of that."""
    check_names(args.allow_different)
    found: dict[str, Baseline] = {}
    for text in args.baseline:
        title, _, path = text.partition("=")
        if not path:
            raise ValueError(f"--baseline takes NAME=PATH, got {text!r}")
        if title in found or title in scorer.baselines:
            raise ValueError(f"--baseline {title!r} is there already: choose another name")
        found[title] = read_baseline(args, Path(path), task, scorer, truth, facts)
    return found


def read_baseline(
    args: argparse.Namespace, path: Path, task: Task, scorer: Scorer[Any], truth: list[tuple[str, Row]], facts: Row
) -> Baseline:
    own = run_facts(path)
    rows = {row["id"]: (where, row) for where, row in merge(path, args.gold, own)}
    if task_of(list(rows.values()))[1] is not task or rows.keys() != {row["id"] for _, row in truth}:
        raise ValueError(f"{path}: a baseline must answer the same rows as {args.pred}")
    ordered = [rows[row["id"]] for _, row in truth]
    records = own | judge_facts(path), facts | judge_facts(args.pred)
    differs = check_same(path, args.pred, records, (ordered, truth), args.allow_different)
    grammar = grammar_for(args.grammar, task, scorer, ordered)
    full = [(where, with_facts(row, true)) for (where, row), (_, true) in zip(ordered, truth, strict=True)]
    cases = read_cases(scorer, full, grammar)
    return Baseline(cases, {"file": str(path), "grammar": grammar, "differs": differs, "run": own, **judge_facts(path)})


def with_neural_scores(
    args: argparse.Namespace, task: str, scorer: Scorer[Any], files: list[list[Any]]
) -> tuple[list[list[Any]], dict[str, str]]:
    """The cases of each file with the scores that were asked for, by encoders, and what computed each."""
    computed_by = {}
    for name, model in (("bertscore", args.bertscore), ("css", args.css)):
        if not model:
            continue
        if name not in scorer.encoders:
            having = [other for other in SCORERS if name in scorer_of(other).encoders]
            raise ValueError(f"--{name} compares the explanations of {', '.join(having)}, these rows are {task}")
        encoder = import_module(f"eval.encoders.{name}")
        chosen = {"layer": encoder.layer_of(model, args.bertscore_layer)} if name == "bertscore" else {}
        similarities = partial(encoder.similarities, model=model, **chosen)
        files = [scorer.encoders[name](cases, similarities) for cases in files]
        computed_by[name] = encoder.signature(model, **chosen)
    return files, computed_by


def score_file(args: argparse.Namespace) -> Scored:
    from eval.scorers.assemble import Scored
    from eval.scorers.robustness import score_rows

    facts, rows, task, scorer, grammar, cases = read_predictions(args.pred, args.gold, args.grammar)
    named = read_baselines(args, task, scorer, rows, facts)
    files = [cases, *(baseline.cases for baseline in named.values())]
    (every, *others), encoders = with_neural_scores(args, task.NAME, scorer, files)
    of_named = dict(zip(named, others, strict=True))
    found, cases = score_rows(scorer, rows, every, of_named)
    unparsed = sum(case.parsed.answer is None for case in cases)
    report = {
        "task": task.NAME,
        "n": len(cases),
        "n_unparsed": unparsed,
        "parse_rate": round(1 - unparsed / len(cases), 6),
        **found,
        "remarks": [
            *seen_before(facts, named),
            *different(named, facts),
            *judged_by(args.pred, rows, found["metrics"]),
            *found["remarks"],
        ],
        "policy": {"grammar": grammar, **found["policy"]},
        "versions": {"task": task.VERSION, **found.get("versions", {}), **encoders, **facts.get("versions", {})},
        "run": {key: value for key, value in facts.items() if key != "versions"} | judge_facts(args.pred),
        "baseline_runs": {title: baseline.record for title, baseline in named.items()},
    }
    return Scored(scorer, report, cases, every, of_named)


def seen_before(facts: Row, named: Mapping[str, Baseline]) -> list[str]:
    """The warnings that rows were trained on, by this run's model or that of a baseline."""
    runs = {"": facts} | {f"{title}: ": baseline.record["run"] for title, baseline in named.items()}
    return [f"{title}{told}" for title, run in runs.items() if (told := trained_on(run))]


def different(named: Mapping[str, Baseline], facts: Row) -> list[str]:
    """The remarks on baselines that were asked otherwise than --pred, or of which it is not known."""
    found = [
        f"{title} differs from this run in {', '.join(baseline.record['differs'])}, as --allow-different permits"
        for title, baseline in named.items()
        if baseline.record["differs"]
    ]
    without = [title for title, baseline in named.items() if not (baseline.record["run"] and facts)]
    if without:
        found.append(
            f"compared with {', '.join(without)} by the rows alone: with no record (OUT.run.json) on both sides it is "
            f"not known whether {', '.join(OF_RUN)} are the same"
        )
    return found


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
