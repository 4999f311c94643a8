"""VLMEvalKit's prediction file, XLSX or TSV: the benchmark's own columns, `index` among them, and `prediction`.

`index` is the place of a row in the file that was asked, from 0, where no column `id` says which row it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from eval.exchanging.said import Said, answer_or_error, plain, question_of, whole
from swift_plugins.core.records import Row, media_of
from swift_plugins.core.tables import text_of

NAME = "vlmevalkit"
SUFFIXES = (".xlsx", ".tsv")
_FAILED = "Failed to obtain answer"  # how the text of a request that failed begins


def fits(columns: Collection[str]) -> bool:
    return {"index", "prediction"} <= {*columns}


def read(where: str, row: Row) -> Said:
    text = text_of(row.get("prediction"))
    question = row.get("question")
    answer, error = answer_or_error(text or None, text if text.startswith(_FAILED) else None)
    return Said(
        where,
        text_of(row.get("id")) or text_of(row.get("index")),
        whole(row.get("index")),
        answer,
        error,
        question=plain(question) if isinstance(question, str) and question else None,
        labels=text_of(row.get("answer")) or None,
    )


def write(rows: Iterable[Row], task: str) -> list[Row]:
    found = []
    for i, row in enumerate(rows):
        meta, medium = row["meta"], "video" if row.get("videos") else "image_path"
        found.append(
            {
                "index": i,
                "id": row["id"],
                "question": question_of(row),
                "answer": row.get("labels"),
                "category": meta.get("category") or meta.get("source") or "",
                "split": meta.get("split", ""),
                medium: "\n".join(media_of(row)),
                "prediction": row.get("response") or f"{_FAILED}: {row.get('error', '')}",
            }
        )
    return found
