"""Score predictions: metrics with 95 % intervals, slices and baselines, and a report with pictures.

    python eval/score.py --pred out.jsonl --out report

Prints a table, or with --json one JSON object. --out writes report.json, report.md and report.html (one file, opens
anywhere). The truth comes from the rows' meta, or from --gold; a row of --gold that was not predicted counts as wrong.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

SCORERS = {"deeptrace": "eval.deeptrace"}  # task -> module with METRICS, POLICY, read_cases and score
Row = dict[str, Any]


def load(path: Path) -> dict[str, tuple[int, Row]]:
    """id -> (line, row) of a JSONL; ids must be unique."""
    from swift_plugins.records import read_rows

    rows: dict[str, tuple[int, Row]] = {}
    for line, row in read_rows(path):
        row_id = row.get("id")
        if not isinstance(row_id, str):
            raise ValueError(f"{path}:{line}: id must be a string, got {row_id!r}")
        if row_id in rows:
            raise ValueError(f"{path}:{line}: id {row_id!r} stands on line {rows[row_id][0]} already")
        rows[row_id] = (line, row)
    if not rows:
        raise ValueError(f"{path}: no rows")
    return rows


def merge(pred: Path, gold: Path | None) -> list[Row]:
    """The predicted rows with their truth; with a gold file, its rows in its order."""
    rows = load(pred)
    if gold is None:
        for line, row in rows.values():
            if not isinstance(row.get("meta"), dict):
                raise ValueError(f"{pred}:{line}: no meta with the truth: name the data file with --gold")
        return [row for _, row in rows.values()]
    truth = load(gold)
    for row_id, (line, _) in rows.items():
        if row_id not in truth:
            raise ValueError(f"{pred}:{line}: id {row_id!r} is not in {gold}")
    merged = []
    for row_id, (line, true) in truth.items():
        if not isinstance(true.get("meta"), dict):
            raise ValueError(f"{gold}:{line}: no meta with the truth")
        answers = [m["content"] for m in true.get("messages", ()) if m["role"] == "assistant"]
        facts = {"meta": true["meta"], "task": true.get("task")} | ({"labels": answers[0]} if answers else {})
        merged.append((rows[row_id][1] if row_id in rows else {"id": row_id}) | facts)
    return merged


def task_of(rows: list[Row], where: Path) -> tuple[str, ModuleType]:
    """The one task of the rows and its module; ValueError where rows mix tasks or task versions."""
    from swift_plugins.tasks import get_task, unknown

    names = {str(row.get("task")) for row in rows}
    if len(names) > 1:
        raise ValueError(f"{where}: rows of several tasks: {', '.join(sorted(names))}; score them apart")
    name = names.pop()
    if name not in SCORERS:
        raise ValueError(f"{where}: {unknown('task', name, SCORERS)}")
    task = get_task(name)
    versions = {row["meta"]["task_version"] for row in rows if "task_version" in row["meta"]}
    if versions - {task.VERSION}:
        raise ValueError(f"{where}: made for {name} {', '.join(sorted(map(str, versions)))}, this is version "
                         f"{task.VERSION}: convert and predict again, scores would not compare")  # fmt: skip
    return name, task


def run_facts(pred: Path, name: str, version: str) -> dict[str, Any]:
    """What OUT.run.json records of the run that predicted; empty where there is none."""
    import json

    path = pred.with_name(pred.name + ".run.json")
    if not path.is_file():
        return {}
    run = json.loads(path.read_text(encoding="utf-8"))
    if run.get("tasks", {}).get(name, version) != version:
        raise ValueError(f"{path}: predicted for {name} {run['tasks'][name]}, this is {version}: predict again")
    return run


def score_file(args: argparse.Namespace) -> tuple[dict[str, Any], list[Any]]:
    """(the report as JSON, the scored cases)."""
    rows = merge(args.pred, args.gold)
    name, task = task_of(rows, args.pred)
    scorer = import_module(SCORERS[name])
    cases = read_cases(scorer, rows, args.grammar, args.gold or args.pred)
    run = run_facts(args.pred, name, task.VERSION)
    baselines = {}
    for text in args.baseline:
        title, _, path = text.partition("=")
        if not path:
            raise ValueError(f"--baseline takes NAME=PATH, got {text!r}")
        others = merge(Path(path), args.gold)
        by_id = {row["id"]: row for row in others}
        if task_of(others, Path(path))[0] != name or by_id.keys() != {row["id"] for row in rows}:
            raise ValueError(f"{path}: a baseline must answer the same rows as {args.pred}")
        run_facts(Path(path), name, task.VERSION)
        baselines[title] = read_cases(scorer, [by_id[row["id"]] for row in rows], args.grammar, Path(path))
    found = scorer.score(cases, baselines)
    unparsed = sum(case.parsed.answer is None for case in cases)
    report = {
        "task": name,
        "n": len(cases),
        "n_unparsed": unparsed,
        "parse_rate": round(1 - unparsed / len(cases), 6),
        **found,
        "policy": {"grammar": args.grammar, **found["policy"]},
        "versions": {"task": task.VERSION, **run.get("versions", {})},
        "run": {key: run[key] for key in ("model", "data", "generation", "seed", "backend") if key in run},
        "published": scorer.PUBLISHED,
    }
    return report, cases


def read_cases(scorer: ModuleType, rows: list[Row], grammar: str, where: Path) -> list[Any]:
    cases = []
    for row in rows:
        try:
            cases += scorer.read_cases([row], grammar)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{where}: row {row['id']!r}: {type(error).__name__}: {error}") from None
    return cases


def number(metric: dict[str, Any] | None, interval: bool = True) -> str:
    """ "99.5 [98.5, 100.0]", or a dash where there is no value."""
    if metric is None or metric["value"] is None:
        return "–"
    text = f"{metric['value']:.1f}"
    if interval and metric["ci95"]:
        text += f" [{metric['ci95'][0]:.1f}, {metric['ci95'][1]:.1f}]"
    return text


def table(report: dict[str, Any]) -> str:
    """The report's head as text for a terminal."""
    titles = list(report["baselines"])
    rows = [["metric", "value [95 % interval]", "n", *titles]]
    for name, metric in report["metrics"].items():
        others = [number(report["baselines"][title].get(name), interval=False) for title in titles]
        rows.append([name, number(metric), str(metric["n"]), *others])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [f"{report['task']}: {report['n']} rows, {report['n_unparsed']} unparsed (counted as wrong), "
             f"grammar {report['policy']['grammar']}", ""]  # fmt: skip
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [f"{name}: {m['reason']}" for name, m in report["metrics"].items() if m["value"] is None]
    lines += [f"unparsed {n}: {reason}" for reason, n in list(report["unparsed_reasons"].items())[:5]]
    if report["parse_rate"] < 0.5 and report["policy"]["grammar"] != "auto":
        lines.append("Most answers do not follow this grammar; --grammar auto tells which one they follow.")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pred", type=Path, required=True, help="JSONL of eval/predict.py")
    parser.add_argument("--gold", type=Path, help="the converter's JSONL with the truth (default: the meta in --pred)")
    parser.add_argument("--out", type=Path, help="folder for report.json, report.md and report.html (default none)")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object instead of a table")
    parser.add_argument("--grammar", choices=("trained", "tags", "json", "auto"), default="trained",
                        help="how the answers are written: as trained, in the tags of the zero-shot prompt, as JSON, "
                        "or told by their form (default trained)")  # fmt: skip
    parser.add_argument("--baseline", action="append", default=[], metavar="NAME=PATH",
                        help="predictions on the same rows to put beside these, as of the untrained model")  # fmt: skip
    args = parser.parse_args(argv)
    try:
        report, cases = score_file(args)
        if args.out:
            from eval.report import write_report

            write_report(report, cases, args.out)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if args.json:
        from swift_plugins.records import encode

        print(encode(report).decode())
    else:
        print(table(report))
        if args.out:
            print(f"report: {(args.out / 'report.html').resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
