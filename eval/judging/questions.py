"""What a judge is asked: its prompt, the candidates, the rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from swift_plugins.answering.asking import Asking, Item
from swift_plugins.core.records import Row, check_form, read_rows, spread
from swift_plugins.core.tasks import JudgeTask, dfj_pairwise, dfj_pointwise, get_judge
from swift_plugins.core.tasks.candidates import fill, neutralise
from swift_plugins.core.tasks.verdicts import LABELS

Candidates = Mapping[str, str]  # slot -> text


def prompt_of(file: Path | None, asking: Asking, task: JudgeTask) -> tuple[str, str]:
    """(the prompt with slots, where it comes from): a file, the checkpoint's training data, or the project."""
    if file is not None:
        text = file.read_text(encoding="utf-8")
        return text if "<image>" in text else f"<image>{text}", str(file)
    trained = asking.settings["trained"].get("data") or []
    for data in trained:
        if data.get("task") == task.NAME and data.get("prompt"):
            return data["prompt"], "the checkpoint's training data"
    others = sorted({data["task"] for data in trained if data.get("task") not in (None, task.NAME)})
    if others:
        raise ValueError(f"{asking.model} was trained for {', '.join(others)}, this needs a judge for {task.NAME}")
    if trained:
        raise ValueError(f"the prompt that {asking.model} was trained with is not on record: name a --prompt-file")
    return task.PROMPT, "the project's own"


def candidates_of(row: Row) -> tuple[JudgeTask, Candidates | None]:
    """(the task, the candidates by slot); None where a predicted row has no response to judge."""
    if "response_a" in row or "response_b" in row:
        task = get_judge(dfj_pairwise.NAME)
        texts = {slot: row.get(slot) for slot in task.CANDIDATES}
    elif "response" in row:
        task = get_judge(dfj_pointwise.NAME)
        texts = dict.fromkeys(task.CANDIDATES, row["response"])
        if row["response"] is None:
            return task, None
    else:
        raise ValueError(
            "no response, or response_a and response_b, to judge; rows of a converter, which hold their "
            "prompt, are for eval/predict.py"
        )
    found: dict[str, str] = {}
    for name, text in texts.items():
        if not isinstance(text, str):
            raise ValueError(f"{name.removeprefix('candidate_')} must be a text, got {text!r:.80}")
        found[name] = text
    return task, found


def judge_row(row_id: str, task: JudgeTask, prompt: str, image: str, label: str, texts: Candidates) -> Row:
    """A row that asks the judge."""
    content = fill(prompt, {"ground_truth_label": label, **texts}).text
    row = {
        "id": row_id,
        "task": task.NAME,
        "messages": [{"role": "user", "content": content}],
        "images": [image],
        "meta": {"label": label},
    }
    check_form(row)
    return row


def item_of(row: Row, where: Path, task: JudgeTask, prompt: str, swap: bool, safe: bool) -> Item:
    """What to ask about one row of --data; its image path is relative to `where`."""
    _, texts = candidates_of(row)
    meta = row.get("meta") or {}
    if not isinstance(meta, dict):
        raise ValueError(f"meta must be an object, got {meta!r:.80}")
    label = row.get("label") or meta.get("label")
    if label not in LABELS:
        raise ValueError(f"label must be one of {', '.join(LABELS)}, got {label!r:.40}")
    images = row.get("images") or [row.get("image")]
    if not isinstance(images, list) or len(images) != 1 or not isinstance(images[0], str):
        raise ValueError(f"expected one image, got {images!r:.80}")
    if texts is None:
        return Item(row["id"], [], problem="no response to judge")
    if safe:
        try:
            texts = {name: neutralise(text) for name, text in texts.items()}
        except ValueError as error:
            return Item(row["id"], [], problem=str(error))
    orders = [texts]
    if swap and len(texts) == 2:
        orders.append(dict(zip(texts, reversed([*texts.values()]), strict=True)))
    rows = [judge_row(row["id"], task, prompt, str(where / images[0]), label, order) for order in orders]
    return Item(row["id"], rows, list(texts.values()) if safe else ())


def read_data(path: Path, limit: int | None) -> tuple[JudgeTask, dict[str, tuple[int, Row]]]:
    """(the one task of the rows, id -> (line, row)); with a limit only so many rows, from all over the file."""
    rows: dict[str, tuple[int, Row]] = {}
    task = None
    for line, row in read_rows(path):
        row.setdefault("id", str(line))
        try:
            its = candidates_of(row)[0]
        except ValueError as error:
            raise ValueError(f"{path}:{line}: {error}") from None
        if not isinstance(row["id"], str) or row["id"] in rows:
            raise ValueError(f"{path}:{line}: id must be a text of its own, got {row['id']!r:.80}")
        if its is not (task := task or its):
            raise ValueError(f"{path}:{line}: single responses and pairs in one file; judge them apart")
        rows[row["id"]] = line, row
    if task is None:
        raise ValueError(f"{path}: no rows")
    names = list(rows)
    return task, {names[i]: rows[names[i]] for i in spread(len(names), limit)}
