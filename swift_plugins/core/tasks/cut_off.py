"""Answers that the limit of tokens cut off: what had been given by then, and what had not."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from swift_plugins.core.tasks import MAX_CHARS, Parsed

# As OpenAI, vLLM and ms-swift say it, and as Anthropic and Gemini do.
_KEYS = ("finish_reason", "finish_reasons", "finishReason", "stop_reason")
_LENGTH = {"length", "max_tokens", "max_length", "max_output_tokens", "model_length"}
_IN_ROW = ("choices", "outputs", "candidates")  # a server's own reply, the first answer of which counts
_TELLING = frozenset(_KEYS + _IN_ROW)
_WHOLE = re.compile(r".*[.!?\n>};,)\]]", re.S)


def is_cut_off(row: Mapping[str, Any]) -> bool:
    """Whether a row's finish_reason, or that of the reply it holds, says that the limit of tokens ended the answer."""
    if _TELLING.isdisjoint(row):
        return False
    inner = (value[0] for key in _IN_ROW if isinstance(value := row.get(key), list) and value)
    found = [part.get(key) for part in (row, *inner) if isinstance(part, Mapping) for key in _KEYS]
    reasons = [reason for value in found for reason in (value[:1] if isinstance(value, list) else [value])]
    return any(isinstance(reason, str) and reason.lower() in _LENGTH for reason in reasons)


def read_response(parse: Callable[[str], Parsed], row: Mapping[str, Any]) -> Parsed:
    """The answer of row["response"]; of one that was cut off only what no continuation can take back.

    It counts if it stands in what is whole, up to the last mark, also with a "But" behind that; a single word is whole.
    """
    text = row["response"]
    parsed = parse(text)
    if parsed.grammar == "upstream" or not is_cut_off(row):
        return parsed
    if parsed.answer is None:
        return Parsed(None, parsed.grammar, f"cut off by the limit of tokens: {parsed.reason}", parsed.problems)
    whole = _WHOLE.match(text[:MAX_CHARS])
    if len(text.split()) > 1 and parse(f"{whole[0] if whole else ''} But").answer is None:
        return Parsed(None, parsed.grammar, "cut off by the limit of tokens before its verdict was whole")
    return parsed
