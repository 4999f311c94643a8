"""The output of a batch of OpenAI's protocol: a request's custom_id, and the response with its choices, or an error."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from eval.exchanging.said import Said, answer_or_error
from swift_plugins.core.records import Row
from swift_plugins.core.tables import text_of

NAME = "openai_batch"
SUFFIXES = (".jsonl",)
_DONE = 200


def fits(columns: Collection[str]) -> bool:
    return {"custom_id", "response"} <= {*columns}


def read(where: str, row: Row) -> Said:
    response = row["response"] if isinstance(row.get("response"), dict) else {}
    body = response["body"] if isinstance(response.get("body"), dict) else {}
    status, error = response.get("status_code"), row.get("error") or body.get("error")
    if not error and status != _DONE:
        error = f"status {status}"
    text, fault = answer_or_error(_content(body), error)
    return Said(where, text_of(row.get("custom_id")), text=text, error=fault)


def _content(body: dict[str, Any]) -> str | None:
    """The text of the first choice, which may come in parts."""
    try:
        content = body["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        return None
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else None


def write(rows: Iterable[Row], task: str) -> list[Row]:
    found = []
    for i, row in enumerate(rows):
        error = {"code": "failed", "message": row["error"]} if row.get("error") else None
        message = {"role": "assistant", "content": row.get("response")}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        body = {"object": "chat.completion", "choices": [choice], "usage": row.get("usage")}
        response = None if error else {"status_code": _DONE, "request_id": "", "body": body}
        found.append({"id": f"batch_req_{i}", "custom_id": row["id"], "response": response, "error": error})
    return found
