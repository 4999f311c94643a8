"""Predictions in any table: a key, and an answer's text, or its parts - verdict, box, onset, reason, score, choice."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from types import ModuleType
from typing import Any

from eval.exchanging.said import FAILED, Said, probability
from swift_plugins.core import boxes
from swift_plugins.core.label_maps import meaning
from swift_plugins.core.records import Row, encode
from swift_plugins.core.tables import text_of, worded
from swift_plugins.core.tasks import get_task

NAME = "table"
SUFFIXES = (".jsonl", ".csv", ".tsv", ".xlsx")
KEYS = ("id", "row_id", "custom_id", "media_id", "video_id", "image_id", "path", "image", "video", "video_path")
TEXTS = ("response", "prediction", "raw_output", "output", "answer_text")
PARTS = {
    "verdict": ("predicted_label", "pred_label", "verdict", "pred"),
    "bbox": ("bbox", "box", "pred_bbox", "bounding_box"),
    "start": ("start_time", "start", "onset"),
    "explanation": ("explanation", "reasoning", "reason"),
    "score": ("score", "rating"),
    "choice": ("choice", "better", "preferred"),
}
P_FAKE = ("p_fake", "fake_probability", "prob_fake")
COLUMNS = ("key", "response", *PARTS, "p_fake")  # what a user may map
UNITS = {"px": None, "ratio": 1.0, "percent": 100.0, "norm1000": 1000.0}
_NUMBER = re.compile(r"[-+]?\d{1,9}(?:\.\d{1,20})?(?:[eE][-+]?\d{1,2})?")


class Columns:
    """Which column holds what; `names` are theirs -> ours, as the user tells them. `odd` probabilities are left out."""

    odd = 0

    def __init__(self, columns: Collection[str], names: Mapping[str, str], from_parts: bool):
        told = {ours: theirs for theirs, ours in names.items()}
        key = told.get("key") or _first(KEYS, columns)
        self.text = None if from_parts else told.get("response") or _first(TEXTS, columns)
        self.parts = {part: told.get(part) or _first(usual, columns) for part, usual in PARTS.items()}
        self.p_fake = told.get("p_fake") or _first(P_FAKE, columns)
        if key is None:
            raise ValueError(f"no column names the row: one of {', '.join(KEYS)}, or --columns key=…: {_some(columns)}")
        self.key = key
        if self.text is None and not any(self.parts.values()):
            usual = ", ".join(name for names in PARTS.values() for name in names[:1])
            raise ValueError(
                f"no column holds an answer: one of {', '.join(TEXTS)}, or its parts, {usual}; "
                f"else --columns response=… or verdict=…: {_some(columns)}"
            )

    def read(self, where: str, row: Row) -> Said:
        text = row.get(self.text) if self.text else None
        fields = {part: worded(text_of(row.get(name))) for part, name in self.parts.items() if name and not self.text}
        try:
            p_fake = probability(row.get(self.p_fake)) if self.p_fake else None
        except ValueError:
            p_fake, self.odd = None, self.odd + 1
        return Said(
            where,
            text_of(row.get(self.key)),
            text=None if text is None else text_of(text),
            error=(text_of(row.get("error")) or FAILED) if self.text and text is None else None,  # else of its parsing
            p_fake=p_fake,
            fields={part: value for part, value in fields.items() if value},
        )


def _first(usual: Iterable[str], columns: Collection[str]) -> str | None:
    return next((name for name in usual if name in columns), None)


def _some(columns: Collection[str]) -> str:
    return ", ".join(columns)[:160]


def text_from(fields: Mapping[str, str], row: Row, labels: Mapping[str, str], unit: str) -> str:
    """An answer's text in the form that its task trains, of its parts; ValueError where they make none.

    `labels` say what words of a verdict mean, `unit` what a box's numbers count, one of UNITS.
    """
    task: Any = get_task(row["task"])
    if task.NAME == "dfj_pointwise":
        return task.render(task.Answer(_score(fields), fields.get("explanation")))
    if task.NAME in ("dfj_pairwise", "loki_mc", "loki_tf"):
        choice = fields.get("choice", "")
        return task.render(task.Answer(choice.lower() if task.NAME == "loki_tf" else choice.upper()))
    if task.NAME == "loki_open":
        return task.render(task.Answer(fields.get("explanation", "")))
    if (verdict := labels.get(meaning(fields.get("verdict", ""), labels), "")) == "":
        raise ValueError(f"verdict: must be real or fake, got {fields.get('verdict', '')[:40]!r}; see --label-map")
    if task.NAME == "deeptrace":
        return _trace(task, verdict, fields, row["meta"], unit)
    return task.render(task.Answer(verdict, fields.get("explanation")))


def _score(fields: Mapping[str, str]) -> int | str:
    return int(fields["score"]) if fields.get("score", "").isdigit() else fields.get("score", "")


def _trace(task: ModuleType, verdict: str, fields: Mapping[str, str], meta: Mapping[str, Any], unit: str) -> str:
    if verdict == "real":
        return task.render(task.Answer("real"))
    box, start = _box(fields.get("bbox", ""), meta, unit), fields.get("start")
    if start is not None and not _NUMBER.fullmatch(start):
        raise ValueError(f"start: {start[:40]!r} is no number of seconds")
    if start is not None and box is None:  # the trained form has no words for it, the JSON of a zero-shot answer has
        told = {"label": "FAKE", "bbox": None, "start_time": float(start), "explanation": fields.get("explanation")}
        return encode(told).decode()
    return task.render(task.Answer("fake", box, float(start) if start else None, fields.get("explanation")))


def _box(text: str, meta: Mapping[str, Any], unit: str) -> boxes.Box | None:
    """A stated box in the coordinates of its row; ValueError for one that is none."""
    if not text:
        return None
    numbers = [float(part) for part in re.split(r"[\s,;\[\]()]+", text) if _NUMBER.fullmatch(part)]
    if len(numbers) != 4 or not (numbers[0] < numbers[2] and numbers[1] < numbers[3]):
        raise ValueError(f"bbox: must be x0, y0, x1, y1, got {text[:60]!r}")
    width, height = meta["width"], meta["height"]
    spans = (UNITS[unit],) * 2 if UNITS[unit] else (width, height)
    inside = boxes.to_pixels(numbers, width, height, *spans)
    return boxes.from_pixels(inside, width, height, meta["box_width"], meta["box_height"])


def write(rows: Iterable[Row], task: str) -> list[Row]:
    return [
        {
            "id": row["id"],
            "response": row.get("response"),
            "answer": row.get("labels"),
            "label": row["meta"].get("label"),
            "p_fake": row.get("p_fake"),
            "error": row.get("error"),
        }
        for row in rows
    ]
