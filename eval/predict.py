"""Answer every row of a JSONL with a checkpoint, through ms-swift's own engine, or with a server.

    python eval/predict.py --model output/deeptrace/checkpoint-383 --data data/deeptrace/test.jsonl --out out.jsonl
    python eval/predict.py --backend openai --base-url http://127.0.0.1:8000/v1 --model NAME --data … --out out.jsonl

One row in, one row out: the input row with `response`, `labels` (the gold text), the probabilities of what it decides
(`p_fake`, or `choice_probs` of scores and choices), `usage` and `latency_s`, or with `error`. Killed at any point and
started again it continues and ends with the same file. What the run depends on stands in OUT.run.json; a rerun that
differs in any of it is refused. The vision settings come from the checkpoint, or, for a model that was not trained
here, from --recipe.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from eval.asking import Item, Result, add_engine_options, answer_file, error_text, run_record, settings_of
from eval.candidates import made_safe, swapped, texts_of
from eval.engine import Row
from swift_plugins.commands import run, whole_number
from swift_plugins.records import read_training_rows
from swift_plugins.settings import CHECKPOINT_FILE
from swift_plugins.tasks import fakevlm, get_task
from swift_plugins.tasks.candidates import MODES


def load_data(path: Path, limit: int | None, prompt: str, swap: bool, safe: bool) -> list[Row]:
    """The rows to answer, checked; with the prompt "zero_shot" they ask the task's zero-shot question instead.

    With `swap` each pairwise row is followed by one whose candidates have changed places; with `safe` the candidates in
    a judge's rows are so written that they are only ever text.
    """
    rows, seen = [], set()
    for line, row in read_training_rows(path):
        try:
            task = get_task(row["task"])
        except ValueError as error:
            raise ValueError(f"{path}:{line}: {error}") from None
        if row["id"] in seen:
            raise ValueError(f"{path}:{line}: id {row['id']!r} stands in an earlier line already")
        seen.add(row["id"])
        if len(seen) > (limit or len(seen)):
            break
        try:
            if prompt == "zero_shot":
                row["messages"][0]["content"] = zero_shot_question(task)
            row = made_safe(row) if safe else row
            rows += [row, swapped(row)] if swap else [row]
        except ValueError as error:
            raise ValueError(f"{path}:{line}: {error}") from None
    if not rows:
        raise ValueError(f"{path}: no rows")
    return rows


def zero_shot_question(task: ModuleType) -> str:
    try:
        return task.ZERO_SHOT_QUESTION
    except AttributeError:
        raise ValueError(f"{task.NAME} has no zero-shot question: leave out --prompt") from None


def out_row(item: Item, results: Sequence[Result], seconds: float) -> Row:
    """The output row of one input row."""
    (row,), (result,) = item.rows, results
    timed = {"latency_s": round(seconds, 4)} if isinstance(result, dict) else {}
    return answered(row, result) | timed


def answered(row: Row, result: Result) -> Row:
    """A row with what was answered to it, or what went wrong, in place of its own answer."""
    out = {k: v for k, v in row.items() if k != "messages"}
    out["messages"] = [m for m in row["messages"] if m["role"] != "assistant"]
    out["labels"] = next((m["content"] for m in row["messages"] if m["role"] == "assistant"), None)
    if isinstance(result, dict):
        return out | result
    return out | {"response": None, "error": error_text(result)}


def check_rows_fit(rows: list[Row], model: dict[str, Any], path: Path) -> None:
    """Refuse rows whose task, question, box space or task version is not what the checkpoint was trained on."""
    if model.get("task_type") == "seq_cls" and (other := next((r for r in rows if r["task"] != fakevlm.NAME), None)):
        raise ValueError(f"{path}: row {other['id']!r} is {other['task']}, a linear head answers {fakevlm.NAME} alone")
    trained = model["trained"].get("data") or []
    grammars = [get_task(data["task"]).GRAMMARS for data in trained if data.get("task")]
    for row in rows if grammars else []:
        if get_task(row["task"]).GRAMMARS not in grammars:
            raise ValueError(f"{path}: row {row['id']!r} is {row['task']}, the checkpoint was trained for "
                             + ", ".join(sorted({data["task"] for data in trained if data.get("task")})))  # fmt: skip
    for data in trained:
        for key in ("task_version", "box_space", "setting"):
            wanted = data.get(key)
            other = next((row for row in rows if wanted and row["meta"].get(key, wanted) != wanted), None)
            if other is not None:
                raise ValueError(
                    f"{path}: row {other['id']!r} has {key} {other['meta'][key]!r}, the checkpoint was trained on "
                    f"{wanted!r} (see {CHECKPOINT_FILE}): convert the data with the same options"
                )


def predict(args: argparse.Namespace) -> int:
    safe = args.candidates == "safe"
    rows = load_data(args.data, args.limit, args.prompt, args.swap, safe)
    model = settings_of(args)
    check_rows_fit(rows, model, args.data)
    record = run_record(args, model, rows)
    record |= {"prompt": args.prompt, "swap": args.swap, "candidates": args.candidates}
    items = [Item(row["id"], [row], list(texts_of(row).values()) if safe else ()) for row in rows]
    failed = answer_file(items, args, model, record, out_row)
    print(f"{len(rows)} rows in {args.out}" + (f", {failed} of this run with an error" if failed else ""))
    return 1 if failed == len(rows) else 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_engine_options(parser)
    parser.add_argument("--data", type=Path, required=True, help="JSONL of a converter")
    parser.add_argument("--out", type=Path, required=True, help="JSONL to write or continue")
    parser.add_argument("--prompt", choices=("trained", "zero_shot"), default="trained",
                        help="ask the rows' own question, or the paper's zero-shot one, for models that were not "
                        "trained on it (default trained)")  # fmt: skip
    parser.add_argument("--limit", type=whole_number(), help="only the first rows (default all)")
    parser.add_argument("--candidates", choices=MODES, default="safe",
                        help="judges' rows: how candidates stand in the prompt: safe, only ever text, which leaves "
                        "plain prose as it is; exact, untouched, as the paper has them (default safe)")  # fmt: skip
    parser.add_argument("--swap", action="store_true",
                        help="pairs: ask each a second time with its candidates in each other's place")  # fmt: skip
    args = parser.parse_args(argv)
    return run(predict, args)


if __name__ == "__main__":
    sys.exit(main())
