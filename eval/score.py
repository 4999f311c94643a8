"""Score predictions: metrics with 95 % intervals, slices and baselines, and a report with pictures.

    python eval/score.py --pred out.jsonl --out report

Prints a table, or with --json one JSON object. --out writes report.json, report.md and report.html (one file, opens
anywhere). The truth comes from the rows' meta, or from --gold; a row of --gold that was not predicted counts as wrong.
"""

from __future__ import annotations

import argparse
import signal
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

if TYPE_CHECKING:
    from eval.scorer import Scorer

SCORERS = {  # task -> its scorer; what one provides is listed in eval/scorer.py
    "deeptrace": "eval.deeptrace",
    "dfj_pointwise": "eval.dfj_pointwise",
    "dfj_pairwise": "eval.dfj_pairwise",
    "dfj_detect": "eval.dfj_detect",
    "dfj_reason": "eval.dfj_reason",
    "fakevlm": "eval.fakevlm",
    "loki_tf": "eval.loki_tf",
    "loki_mc": "eval.loki_mc",
    "loki_open": "eval.loki_open",
}
Row = dict[str, Any]
NOTHING = type(None)
ROW_FORM: tuple[tuple[str, tuple[type, ...], str], ...] = (
    ("id", (str,), "a text"), ("response", (str, NOTHING), "a text"), ("labels", (str, NOTHING), "a text"),
    ("meta", (dict, NOTHING), "an object"), ("p_fake", (float, int, NOTHING), "a number"),
    ("videos", (list, NOTHING), "a list of paths"), ("images", (list, NOTHING), "a list of paths"),
    ("messages", (list, NOTHING), "a list"), ("choice_probs", (dict, NOTHING), "an object"),
)  # fmt: skip
MUST_AGREE = ("box_space", "box_width", "box_height", "setting", "task_version")  # of a prediction's meta and --gold's


def load(path: Path) -> dict[str, tuple[str, Row]]:
    """id -> ("file:line", row) of a JSONL; ids must be unique and what a report shows must have its type."""
    from swift_plugins.records import read_rows

    rows: dict[str, tuple[str, Row]] = {}
    for line, row in read_rows(path):
        where = f"{path}:{line}"
        for key, kinds, wanted in ROW_FORM:
            if not isinstance(row.get(key), kinds):
                raise ValueError(f"{where}: {key} must be {wanted}, got {row.get(key)!r:.80}")
        if row["id"] in rows:
            raise ValueError(f"{where}: id {row['id']!r} stands in {rows[row['id']][0]} already")
        rows[row["id"]] = (where, row)
    if not rows:
        raise ValueError(f"{path}: no rows")
    return rows


def merge(pred: Path, gold: Path | None, run: dict[str, Any]) -> list[tuple[str, Row]]:
    """The predicted rows with their truth; with a gold file, its rows in its order, predicted or not.

    Without one, the output of a run that was cut off is refused: what it lacks is not a random part.
    """
    rows = load(pred)
    if not any("response" in row or "error" in row for _, row in rows.values()):
        raise ValueError(f"{pred}: no row has a response: is this a converter's file? Then it belongs to --gold")
    if gold is None:
        for where, row in rows.values():
            if row.get("meta") is None:
                raise ValueError(f"{where}: no meta with the truth: name the converter's file with --gold")
        if len(rows) < (wanted := run.get("data", {}).get("rows", 0)):
            raise ValueError(
                f"{pred}: {len(rows)} of {wanted} rows are there: run predict.py again to finish it, or name --gold, "
                "which counts the others as wrong"
            )
        return list(rows.values())
    truth = load(gold)
    for row_id, (where, row) in rows.items():
        if row_id not in truth:
            swapped = (row.get("meta") or {}).get("order") == "BA"
            hint = ": rows of predict.py --swap hold their truth themselves, leave out --gold" if swapped else ""
            raise ValueError(f"{where}: id {row_id!r} is not in {gold}{hint}")
    merged = []
    for row_id, (where, true) in truth.items():
        if true.get("meta") is None:
            raise ValueError(f"{where}: no meta with the truth")
        at, row = rows.get(row_id, (where, {"id": row_id}))
        for key in MUST_AGREE:
            said = (row.get("meta") or {}).get(key)
            if said is not None and said != true["meta"].get(key):
                raise ValueError(f"{at}: predicted with {key} {said!r}, {gold} has {true['meta'].get(key)!r}")
        merged.append((at, row | {"meta": true["meta"], "task": true.get("task"), "labels": gold_text(true)}))
    return merged


def gold_text(row: Row) -> str | None:
    """The gold answer: `labels` of a predicted row, the assistant message of a converter's."""
    messages = row.get("messages") or []
    texts = [m.get("content") for m in messages if isinstance(m, dict) and m.get("role") == "assistant"]
    return texts[0] if texts and isinstance(texts[0], str) else row.get("labels")


def task_of(rows: list[tuple[str, Row]]) -> tuple[str, ModuleType]:
    """The one task of the rows and its module; ValueError where rows mix tasks or task versions."""
    from swift_plugins.tasks import get_task, unknown

    first, row = rows[0]
    name = str(row.get("task"))
    if name not in SCORERS:
        raise ValueError(f"{first}: {unknown('task', name, SCORERS)}")
    task = get_task(name)
    for where, row in rows:
        if row.get("task") != name:
            raise ValueError(f"{where}: rows of several tasks, {name} and {row.get('task')}; score them apart")
        if row["meta"].get("task_version", task.VERSION) != task.VERSION:
            raise ValueError(f"{where}: made for {name} {row['meta']['task_version']}, this is version {task.VERSION}: "
                             "convert and predict again, scores would not compare")  # fmt: skip
    return name, task


def run_facts(pred: Path) -> dict[str, Any]:
    """What OUT.run.json records of the run that predicted; empty where there is none."""
    import json

    from swift_plugins.tasks import get_task

    path = pred.with_name(pred.name + ".run.json")
    if not path.is_file():
        return {}
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from None
    if not isinstance(run, dict) or not all(isinstance(run.get(key), dict) for key in ("model", "data", "versions")):
        raise ValueError(f"{path}: not the record of eval/predict.py")
    vision, rows, tasks = run["model"].get("vision"), run["data"].get("rows"), run.get("tasks", {})
    if not (isinstance(vision, dict) and isinstance(rows, int) and isinstance(tasks, dict)):
        raise ValueError(f"{path}: not the record of eval/predict.py")
    for name, version in tasks.items():
        if version != get_task(name).VERSION:
            raise ValueError(f"{path}: predicted for {name} {version}, this is {get_task(name).VERSION}: predict again")
    return run


def judge_facts(pred: Path) -> dict[str, Any]:
    """What OUT.judge.json records of the judge whose scores the rows hold; empty where there is none."""
    import json

    path = pred.with_name(pred.name + ".judge.json")
    if not path.is_file():
        return {}
    record = json.loads(path.read_text(encoding="utf-8"))
    return {
        "judge": {key: record.get(key) for key in ("model", "candidates", "prompt_is", "prompt_sha256", "versions")}
    }


def scorer_of(task: str) -> Scorer:
    """The task's scorer; a module, which is why the type checker is told."""
    scorer: Any = import_module(SCORERS[task])
    return scorer


def read_cases(scorer: Scorer, rows: list[tuple[str, Row]], grammar: str) -> list[Any]:
    cases = []
    for where, row in rows:
        try:
            cases.append(scorer.read_case(row, grammar))
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    return cases


def read_baselines(
    args: argparse.Namespace, name: str, scorer: Scorer, truth: list[tuple[str, Row]]
) -> dict[str, list[Any]]:
    """title -> cases of the files named by --baseline, which must answer the same rows; `truth` are those of --pred."""
    found: dict[str, list[Any]] = {}
    for text in args.baseline:
        title, _, path = text.partition("=")
        if not path:
            raise ValueError(f"--baseline takes NAME=PATH, got {text!r}")
        if title in found or title in scorer.BASELINES:
            raise ValueError(f"--baseline {title!r} is there already: choose another name")
        rows = {row["id"]: (where, row) for where, row in merge(Path(path), args.gold, run_facts(Path(path)))}
        if task_of(list(rows.values()))[0] != name or rows.keys() != {row["id"] for _, row in truth}:
            raise ValueError(f"{path}: a baseline must answer the same rows as {args.pred}")
        judged = [with_truth(*rows[true["id"]], true) for _, true in truth]
        found[title] = read_cases(scorer, judged, args.grammar)
    return found


def with_truth(where: str, row: Row, true: Row) -> tuple[str, Row]:
    """A baseline's row with the truth of --pred's, by which both are measured; how it was asked stays its own."""
    said, label = row["meta"].get("label"), true["meta"].get("label")
    if said not in (None, label):
        raise ValueError(f"{where}: meta.label is {said!r:.40}, in --pred {label!r:.40}: a baseline must answer the "
                         "same rows, or name the truth with --gold")  # fmt: skip
    own = {key: row["meta"][key] for key in MUST_AGREE if key in row["meta"]}
    facts = {key: true[key] for key in ("labels", "images", "videos") if key in true}
    return where, row | facts | {"meta": true["meta"] | own}


def grammar_for(asked: str | None, task: ModuleType, scorer: Scorer, rows: list[tuple[str, Row]]) -> str:
    """The grammar that was asked for, which the task must have, else the one of the rows."""
    from swift_plugins.tasks import unknown

    if asked is not None and asked not in task.GRAMMARS:
        raise ValueError(unknown(f"grammar of {task.NAME}", asked, task.GRAMMARS))
    return asked or scorer.grammar_of(row for _, row in rows)


def with_neural_scores(
    args: argparse.Namespace, task: str, scorer: Scorer, files: list[list[Any]]
) -> tuple[list[list[Any]], dict[str, str]]:
    """The cases of each file with the scores that were asked for, by encoders, and what computed each."""
    computed_by = {}
    for name, model in (("bertscore", args.bertscore), ("css", args.css)):
        if not model:
            continue
        add = getattr(scorer, f"add_{name}", None)
        if add is None:
            having = [other for other in SCORERS if hasattr(scorer_of(other), f"add_{name}")]
            raise ValueError(f"--{name} compares the explanations of {', '.join(having)}, these rows are {task}")
        encoder = import_module(f"eval.{name}")
        options = (encoder.layer_of(model, args.bertscore_layer),) if name == "bertscore" else ()
        files = [add(cases, model, *options) for cases in files]
        computed_by[name] = encoder.signature(model, *options)
    return files, computed_by


def score_file(args: argparse.Namespace) -> tuple[dict[str, Any], list[Any]]:
    """(the report as JSON, the cases that its metrics are of)."""
    from eval.robustness import score_rows

    run = run_facts(args.pred)
    rows = merge(args.pred, args.gold, run)
    name, task = task_of(rows)
    scorer = scorer_of(name)
    args.grammar = grammar_for(args.grammar, task, scorer, rows)
    cases = read_cases(scorer, rows, args.grammar)
    named = read_baselines(args, name, scorer, rows)
    (cases, *others), versions = with_neural_scores(args, name, scorer, [cases, *named.values()])
    named = dict(zip(named, others, strict=True))
    found, cases = score_rows(scorer, rows, cases, named)
    unparsed = sum(case.parsed.answer is None for case in cases)
    report = {
        "task": name,
        "n": len(cases),
        "n_unparsed": unparsed,
        "parse_rate": round(1 - unparsed / len(cases), 6),
        **found,
        "policy": {"grammar": args.grammar, **found["policy"]},
        "versions": {"task": task.VERSION, **found.get("versions", {}), **versions, **run.get("versions", {})},
        "run": {key: run[key] for key in ("model", "data", "generation", "backend") if key in run}
        | judge_facts(args.pred),
    }
    return report, cases


def main(argv: list[str] | None = None) -> int:
    from eval.css import RECOMMENDED

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pred", type=Path, required=True, help="JSONL of eval/predict.py")
    parser.add_argument("--gold", type=Path, help="the converter's JSONL with the truth (default: the meta in --pred)")
    parser.add_argument("--out", type=Path, help="folder for report.json, report.md and report.html (default none)")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object instead of a table")
    parser.add_argument("--grammar", help="how the answers are written, one of the task's grammars, for deeptrace "
                        "trained, tags, json or auto (default what was asked for: tags after predict.py --prompt "
                        "zero_shot, else trained)")  # fmt: skip
    parser.add_argument("--baseline", action="append", default=[], metavar="NAME=PATH",
                        help="predictions on the same rows to put beside these and compare with, as of the "
                        "untrained model")  # fmt: skip
    parser.add_argument("--bertscore", metavar="MODEL", help="encoder, a hub id or a local folder, for the bertscore "
                        "of dfj_reason (default none: it is left out)")  # fmt: skip
    parser.add_argument("--bertscore-layer", type=int, metavar="N", help="the encoder's layer (default 17 for "
                        "roberta-large; for any other name one)")  # fmt: skip
    parser.add_argument("--css", metavar="MODEL", help="sentence encoder, a local folder or a hub id with @REVISION, "
                        "for the css of fakevlm and loki_open; the paper names none, use "
                        f"{RECOMMENDED} (default none: it is left out)")  # fmt: skip
    args = parser.parse_args(argv)
    try:
        report, cases = score_file(args)
        if args.out:
            from eval.report import write_report

            write_report(report, scorer_of(report["task"]), cases, args.out)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if args.json:
        from swift_plugins.records import encode

        print(encode(report).decode())
    else:
        from eval.terminal import table

        print(table(report, scorer_of(report["task"])))
        if args.out:
            print(f"report: {(args.out / 'report.html').resolve()}")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `… | head` ends without a traceback
    sys.exit(main())
