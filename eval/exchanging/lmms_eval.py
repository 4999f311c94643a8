"""lmms-eval's samples (`--log_samples`, …_samples_TASK.jsonl): a document's number, what was asked, the responses.

`doc_id` is the place of a row in the file that was asked, from 0, where the document brings no id of its own. What is
written can be scored again there by its model from_log.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from eval.exchanging.said import Said, answer_or_error, plain, question_of, whole
from swift_plugins.core.records import Row, encode, media_of, sha256_text
from swift_plugins.core.tables import text_of

NAME = "lmms_eval"
SUFFIXES = (".jsonl",)


def fits(columns: Collection[str]) -> bool:
    return "doc_id" in columns and bool({"resps", "filtered_resps"} & {*columns})


def read(where: str, row: Row) -> Said:
    doc = row["doc"] if isinstance(row.get("doc"), dict) else {}
    first = _first(row.get("filtered_resps"))
    text, error = answer_or_error(_first(row.get("resps")) if first is None else first)
    question, target = doc.get("question"), row.get("target")
    return Said(
        where,
        text_of(doc.get("id")) or text_of(row.get("doc_id")),
        whole(row.get("doc_id")),
        text,
        error,
        question=plain(question) if isinstance(question, str) else None,
        labels=target if isinstance(target, str) else None,
    )


def _first(found: Any) -> str | None:
    """The first response, however deep it stands in lists."""
    while isinstance(found, list) and found:
        found = found[0]
    return found if isinstance(found, str) else None


def write(rows: Iterable[Row], task: str) -> list[Row]:
    found = []
    for i, row in enumerate(rows):
        question, answer = question_of(row), row.get("response") or ""
        doc = {"id": row["id"], "question": question, "media": media_of(row), **row["meta"]}
        found.append(
            {
                "doc_id": i,
                "doc": doc,
                "target": row.get("labels") or "",
                "input": question,
                "arguments": [question],
                "resps": [[answer]],
                "filtered_resps": [answer],
                "doc_hash": sha256_text(encode(doc).decode()),
                "prompt_hash": sha256_text(question),
                "target_hash": sha256_text(row.get("labels") or ""),
                "task": task,
            }
        )
    return found
