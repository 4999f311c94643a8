"""The rows that a model is asked, read and held against what it was trained on, and as they are with its answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from swift_plugins.answering.asking import Result, error_text
from swift_plugins.core.box_rows import restated
from swift_plugins.core.judge_rows import made_safe, swapped
from swift_plugins.core.records import Row, read_training_rows, spread
from swift_plugins.core.settings import CHECKPOINT_FILE, vision_settings
from swift_plugins.core.tasks import Task, answers_of, fakevlm, get_task, made_for
from swift_plugins.core.vision import frame_fault, vision_of


def load_data(path: Path, limit: int | None, prompt: str, swap: bool, safe: bool) -> list[Row]:
    """The rows to answer, checked; with the prompt "zero_shot" they ask the task's zero-shot question instead.

    With `swap` each pairwise row is followed by one whose candidates have changed places; with `safe` the candidates in
    a judge's rows are so written that they are only ever text.
    """
    rows = []
    for line, row in read_some(path, limit):
        try:
            task = get_task(row["task"])
            if prompt == "zero_shot":
                row["messages"][0]["content"] = zero_shot_question(task)
            row = made_safe(row) if safe else row
            rows += [row, swapped(row)] if swap else [row]
        except ValueError as error:
            raise ValueError(f"{path}:{line}: {error}") from None
    if not rows:
        raise ValueError(f"{path}: no rows")
    return rows


def read_some(path: Path, limit: int | None) -> list[tuple[int, Row]]:
    """(line, row) of a file's rows, whose ids must be unique; with a limit only so many, from all over it."""
    rows, seen = list(read_training_rows(path)), set()
    for line, row in rows:
        if row["id"] in seen:
            raise ValueError(f"{path}:{line}: id {row['id']!r} stands in an earlier line already")
        seen.add(row["id"])
    return [rows[i] for i in spread(len(rows), limit)]


def zero_shot_question(task: Task) -> str:
    if task.ZERO_SHOT_QUESTION is None:
        raise ValueError(f"{task.NAME} has no zero-shot question: leave out --prompt")
    return task.ZERO_SHOT_QUESTION


def answered(row: Row, result: Result) -> Row:
    """A row with what was answered to it, or what went wrong, in place of its own answer."""
    out = {k: v for k, v in row.items() if k != "messages"}
    out["messages"] = [m for m in row["messages"] if m["role"] != "assistant"]
    out["labels"] = next((m["content"] for m in row["messages"] if m["role"] == "assistant"), None)
    if isinstance(result, dict):
        return out | result
    return out | {"response": None, "error": error_text(result)}


def in_space(rows: list[Row], path: Path) -> list[Row]:
    """The rows with their boxes in the space that is in force: the checkpoint's, or for a server the environment's."""
    settings, found = vision_settings(), []
    for row in rows:
        try:
            found.append(restated(row, settings))
        except ValueError as error:
            raise ValueError(f"{path}: row {row['id']!r}: {error}") from None
    return found


def check_rows_fit(rows: list[Row], model: Mapping[str, Any], path: Path) -> None:
    """Refuse rows that are like none of the datasets that the checkpoint was trained on: of another task, question, box
    space or task version, or with boxes on another frame than it sees."""
    if model.get("task_type") == "seq_cls" and (other := next((r for r in rows if r["task"] != fakevlm.NAME), None)):
        raise ValueError(f"{path}: row {other['id']!r} is {other['task']}, a linear head answers {fakevlm.NAME} alone")
    trained = model["trained"].get("data") or []
    if trained and all(data.get("task") for data in trained):  # of each of which something is known
        for row in rows:
            if fault := misfit(row, trained):
                raise ValueError(f"{path}: row {row['id']!r} {fault}")
    if vision := vision_of(model.get("vision") or {}, model.get("model_type")):
        for row in rows:
            if fault := frame_fault(row["meta"], vision):
                raise ValueError(f"{path}: row {row['id']!r}: {fault}: convert the data for the checkpoint's limits")


def misfit(row: Row, trained: Sequence[Mapping[str, Any]]) -> str | None:
    """Why a row is like none of the datasets of a training; None where it is like one."""
    alike = [data for data in trained if answers_of(data["task"]) == answers_of(row["task"])]
    if not alike:
        return f"is {row['task']}, the checkpoint was trained for {', '.join(sorted({d['task'] for d in trained}))}"
    nearest = min(([*differences(row, data)] for data in alike), key=len)
    if not nearest:
        return None
    return f"has {' and '.join(nearest)} (see {CHECKPOINT_FILE}): convert the data with the same options"


def differences(row: Row, data: Mapping[str, Any]) -> Iterator[str]:
    for key, same in (("task_version", made_for), ("box_space", str), ("setting", str)):
        wanted = data.get(key)
        if wanted and same(found := row["meta"].get(key, wanted)) != same(wanted):
            yield f"{key} {found!r}, the checkpoint was trained on {wanted!r}"
