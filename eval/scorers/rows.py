"""Predictions and their truth, read and checked before they are scored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from eval.scorers import SCORERS, scorer_of
from swift_plugins.core import next_steps, trained_rows
from swift_plugins.core.boxes import PIXEL
from swift_plugins.core.names import unknown
from swift_plugins.core.records import Row, read_json, read_rows
from swift_plugins.core.tasks import get_task, made_for

if TYPE_CHECKING:
    from eval.scorers.base import Scorer
    from swift_plugins.core.tasks import Task


class Predictions(NamedTuple):
    """A file of predictions, read and measured: its run's record, its rows, and what its task does with them."""

    facts: dict[str, Any]
    rows: list[tuple[str, Row]]
    task: Task
    scorer: Scorer[Any]
    grammar: str
    cases: list[Any]


NOTHING = type(None)
ROW_FORM: tuple[tuple[str, tuple[type, ...], str], ...] = (
    ("id", (str,), "a text"),
    ("response", (str, NOTHING), "a text"),
    ("labels", (str, NOTHING), "a text"),
    ("meta", (dict, NOTHING), "an object"),
    ("p_fake", (float, int, NOTHING), "a number"),
    ("videos", (list, NOTHING), "a list of paths"),
    ("images", (list, NOTHING), "a list of paths"),
    ("messages", (list, NOTHING), "a list"),
    ("choice_probs", (dict, NOTHING), "an object"),
)
PLAIN_RESULT = (
    "a plain result of swift infer, without the id, task and meta that scoring needs: give it those of the converter's "
    "file, python eval/exchange.py --pred {path} --gold test.jsonl --out out.jsonl, or answer that file with "
    "python eval/predict.py --model CKPT --data test.jsonl --out out.jsonl, and score out.jsonl"
)
BOX_KEYS = ("box_space", "box_width", "box_height")
MUST_AGREE = (*BOX_KEYS, "setting", "task_version")  # of a prediction's meta and --gold's
AS_ASKED = ("media_id", "order", "asks", "width", "height", "duration")  # these too, where both state them


def read_predictions(pred: Path, gold: Path | None, grammar: str | None) -> Predictions:
    """The predictions with their truth, as cases of their task, in the grammar that is asked for or theirs."""
    facts = run_facts(pred)
    rows = merge(pred, gold, facts)
    _, task = task_of(rows)
    scorer = scorer_for(task, rows)
    scorer.judging = next_steps.judging(pred, grammar)
    used = grammar_for(grammar, task, scorer, rows)
    return Predictions(facts, rows, task, scorer, used, read_cases(scorer, rows, used))


def scorer_for(task: Task, rows: list[tuple[str, Row]]) -> Scorer[Any]:
    """The task's scorer; that of answers alone where no row states a truth."""
    from eval.scorers.unlabelled import Unlabelled, are_unlabelled

    scorer = scorer_of(task.NAME)
    return Unlabelled(task, scorer) if are_unlabelled(rows) else scorer


def grammar_for(asked: str | None, task: Task, scorer: Scorer[Any], rows: list[tuple[str, Row]]) -> str:
    """The grammar that was asked for, which the task must have, else the one of the rows."""
    if asked is not None and asked not in task.GRAMMARS:
        raise ValueError(unknown(f"grammar of {task.NAME}", asked, task.GRAMMARS))
    return asked or scorer.grammar_of(row for _, row in rows)


def load(path: Path) -> dict[str, tuple[str, Row]]:
    """id -> ("file:line", row) of a JSONL; ids must be unique and what a report shows must have its type."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name the JSONL in it")
    rows: dict[str, tuple[str, Row]] = {}
    for line, row in read_rows(path):
        where = f"{path}:{line}"
        if "id" not in row and "meta" not in row and "response" in row:
            raise ValueError(f"{where}: {PLAIN_RESULT.format(path=path)}")
        for key, kinds, wanted in ROW_FORM:
            if not isinstance(row.get(key), kinds):
                raise ValueError(f"{where}: {key} must be {wanted}, got {row.get(key)!r:.80}")
        if row["id"] in rows:
            raise ValueError(f"{where}: id {row['id']!r} stands in {rows[row['id']][0]} already")
        rows[row["id"]] = (where, row)
    if not rows:
        raise ValueError(f"{path}: no rows: the file is empty")
    return rows


def merge(pred: Path, gold: Path | None, run: dict[str, Any]) -> list[tuple[str, Row]]:
    """The predicted rows with their truth; with a gold file, its rows in its order, predicted or not.

    Without one, the output of a run that was cut off is refused: what it lacks is not a random part.
    """
    rows = load(pred)
    if not any("response" in row or "error" in row for _, row in rows.values()):
        raise ValueError(f"{pred}: no row has a response: is this a converter's file? Then it belongs to --gold")
    if gold is not None:
        return joined(rows, gold)
    for where, row in rows.values():
        if row.get("meta") is None:
            raise ValueError(f"{where}: no meta with the truth: name the converter's file with --gold")
    if len(rows) < (wanted := run.get("data", {}).get("rows", 0)):
        raise ValueError(
            f"{pred}: {len(rows)} of {wanted} rows are there: run predict.py again to finish it, or name --gold, "
            "which counts the others as wrong"
        )
    return list(rows.values())


def joined(rows: dict[str, tuple[str, Row]], gold: Path) -> list[tuple[str, Row]]:
    """The rows of the gold file, in its order, with what was predicted for each."""
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
        own = own_space(row, true)
        for key in (*MUST_AGREE, *AS_ASKED):
            said = (row.get("meta") or {}).get(key) if key not in own else None
            pair = [made_for(value) if key == "task_version" else value for value in (said, true["meta"].get(key))]
            if said is not None and pair[0] != pair[1] and (key in MUST_AGREE or pair[1] is not None):
                raise ValueError(f"{at}: predicted with {key} {said!r}, {gold} has {true['meta'].get(key)!r}")
        merged.append((at, row | {"meta": true["meta"] | own, "task": true.get("task"), "labels": gold_text(true)}))
    return merged


def own_space(row: Row, true: Row) -> Row:
    """In what space the prediction for a row in source pixels says that its box is: that of its checkpoint."""
    meta = row.get("meta") or {}
    if true["meta"].get("box_space") != PIXEL or not all(meta.get(key) for key in BOX_KEYS):
        return {}
    return {key: meta[key] for key in BOX_KEYS}


def gold_text(row: Row) -> str | None:
    """The gold answer: `labels` of a predicted row, the assistant message of a converter's."""
    messages = row.get("messages") or []
    texts = [m.get("content") for m in messages if isinstance(m, dict) and m.get("role") == "assistant"]
    return texts[0] if texts and isinstance(texts[0], str) else row.get("labels")


def task_of(rows: list[tuple[str, Row]]) -> tuple[str, Task]:
    """The one task of the rows and its module; ValueError where rows mix tasks or task versions."""
    first, row = rows[0]
    name = str(row.get("task"))
    if name not in SCORERS:
        raise ValueError(f"{first}: {unknown('task', name, SCORERS)}")
    task = get_task(name)
    for where, row in rows:
        if row.get("task") != name:
            raise ValueError(f"{where}: rows of several tasks, {name} and {row.get('task')}; score them apart")
        if made_for(row["meta"].get("task_version", task.VERSION)) != made_for(task.VERSION):
            raise ValueError(
                f"{where}: made for {name} {row['meta']['task_version']}, this is version {task.VERSION}: "
                "convert and predict again, scores would not compare"
            )
    return name, task


def run_facts(pred: Path) -> dict[str, Any]:
    """What OUT.run.json records of the run that predicted; empty where there is none."""
    path = pred.with_name(pred.name + ".run.json")
    if not path.is_file():
        return {}
    run = read_json(path)
    if not all(isinstance(run.get(key), dict) for key in ("model", "data", "versions")):
        raise ValueError(f"{path}: not the record of eval/predict.py")
    vision, rows, tasks = run["model"].get("vision"), run["data"].get("rows"), run.get("tasks", {})
    trained = run.get("trained_on") or dict.fromkeys(trained_rows.COUNTS, 0)
    counted = isinstance(trained, dict) and all(isinstance(trained.get(key), int) for key in trained_rows.COUNTS)
    if not (isinstance(vision, dict) and isinstance(rows, int) and isinstance(tasks, dict) and counted):
        raise ValueError(f"{path}: not the record of eval/predict.py")
    for name, version in tasks.items():
        if name not in SCORERS:
            raise ValueError(f"{path}: {unknown('task', name, SCORERS)}")
        if made_for(version) != made_for(get_task(name).VERSION):
            raise ValueError(f"{path}: predicted for {name} {version}, this is {get_task(name).VERSION}: predict again")
    return run


def trained_on(run: dict[str, Any]) -> str | None:
    """The warning that a run's rows were trained on; where their hashes are not on record, those of the files tell."""
    if not run or run.get("trained_on"):
        return trained_rows.warning(run.get("trained_on"))
    files = (run["model"].get("trained") or {}).get("data") or ()
    if run["data"].get("sha256") not in [file.get("sha256") for file in files]:
        return None
    rows = run["data"]["rows"]
    return trained_rows.warning({"rows": rows, "trained_on": rows, "by_id": rows, "by_media": rows})


def read_cases(scorer: Scorer[Any], rows: list[tuple[str, Row]], grammar: str) -> list[Any]:
    cases = []
    for where, row in rows:
        try:
            cases.append(scorer.read_case(row, grammar))
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    scorer.read_together(cases)
    return cases
