"""The rows that a model is asked, read and held against what it was trained on, and as they are with its answers."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from swift_plugins.answering.asking import Result, error_text
from swift_plugins.core.judge_rows import made_safe, swapped
from swift_plugins.core.records import Row, read_training_rows
from swift_plugins.core.settings import CHECKPOINT_FILE
from swift_plugins.core.tasks import fakevlm, get_task


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
            raise ValueError(
                f"{path}: row {row['id']!r} is {row['task']}, the checkpoint was trained for "
                + ", ".join(sorted({data["task"] for data in trained if data.get("task")}))
            )
    for data in trained:
        for key in ("task_version", "box_space", "setting"):
            wanted = data.get(key)
            other = next((row for row in rows if wanted and row["meta"].get(key, wanted) != wanted), None)
            if other is not None:
                raise ValueError(
                    f"{path}: row {other['id']!r} has {key} {other['meta'][key]!r}, the checkpoint was trained on "
                    f"{wanted!r} (see {CHECKPOINT_FILE}): convert the data with the same options"
                )
