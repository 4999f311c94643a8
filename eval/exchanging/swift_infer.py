"""ms-swift's own results (`swift infer --result_path`): the asked row's messages and media with the response, no id."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from eval.exchanging.said import Said, answer_or_error, question_of
from swift_plugins.core.records import MEDIA_TAGS, Row

NAME = "swift_infer"
SUFFIXES = (".jsonl",)


def fits(columns: Collection[str]) -> bool:
    return {"response", "labels", "messages"} <= {*columns} and "id" not in columns


def read(where: str, row: Row) -> Said:
    media = tuple(path for key in MEDIA_TAGS for path in map(_path, row.get(key) or ()) if path)
    labels = row.get("labels")
    text, error = answer_or_error(row.get("response"))
    return Said(
        where,
        text=text,
        error=error,
        question=question_of(row),
        media=media,
        labels=labels if isinstance(labels, str) else None,
    )


def _path(medium: Any) -> str | None:
    """A medium's path, which ms-swift writes alone or beside its bytes."""
    found = medium.get("path") if isinstance(medium, dict) else medium
    return found if isinstance(found, str) else None


def write(rows: Iterable[Row], task: str) -> list[Row]:
    found = []
    for row in rows:
        messages = [*row["messages"], {"role": "assistant", "content": row.get("response") or ""}]
        images = {"images": [{"bytes": None, "path": path} for path in row["images"]]} if row.get("images") else {}
        videos = {"videos": row["videos"]} if row.get("videos") else {}
        answer = {"response": row.get("response") or "", "labels": row.get("labels"), "logprobs": None}
        found.append({**answer, "messages": messages, **images, **videos})
    return found
