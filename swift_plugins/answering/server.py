"""A server that speaks OpenAI's protocol, as a back end."""

from __future__ import annotations

import base64
import mimetypes
import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from swift_plugins.answering.probabilities import TOP, result_of
from swift_plugins.core.records import MEDIA_TAGS, Row

MAX_UPLOAD = 64 << 20  # bytes of one media file sent to a server
TIMEOUT = 300.0  # seconds for one answer of a server


class Server:
    """A server with OpenAI's chat completions: `swift deploy`, vLLM, or a provider. Media go inline, no link is sent.

    The key comes from the environment, OPENAI_API_KEY; a local server needs none.
    """

    special_tokens: frozenset[str] = frozenset()  # a server does not tell

    @staticmethod
    def settings(name: str, recipe: Path | None, base_url: str | None) -> dict[str, Any]:
        """A server sees to template and pixels itself; a password in its address is not recorded."""
        from urllib.parse import urlsplit

        if base_url is None:
            raise ValueError("--backend openai needs --base-url, for example http://127.0.0.1:8000/v1")
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError("--base-url must be http(s)://host[:port]/path, without a name or password in it")
        return {"model": name, "adapter": None, "base_url": base_url, "vision": {}, "trained": {}}

    def __init__(self, settings: Mapping[str, Any], batch_size: int, max_tokens: int):
        try:
            import openai
        except ImportError:
            raise ValueError("--backend openai needs the extra: pip install -e '.[judge]'") from None

        key = os.environ.get("OPENAI_API_KEY") or "none"
        self.client = openai.OpenAI(base_url=settings["base_url"], api_key=key, timeout=TIMEOUT)
        self.errors = openai.OpenAIError
        self.model, self.max_tokens, self.workers = settings["model"], max_tokens, batch_size

    def answer(self, rows: list[Row]) -> list[Row | Exception]:
        with ThreadPoolExecutor(self.workers) as pool:
            return list(pool.map(self._answer, rows))

    def _answer(self, row: Row) -> Row | Exception:
        try:
            reply = self.client.chat.completions.create(
                model=self.model,
                messages=chat_messages(row),
                max_tokens=self.max_tokens,
                temperature=0.0,
                logprobs=True,
                top_logprobs=TOP,
            )
        except (self.errors, OSError, ValueError) as error:
            return error
        choice = reply.choices[0]
        content = choice.logprobs.content if choice.logprobs and choice.logprobs.content else []
        steps = [(step.token, {top.token: top.logprob for top in step.top_logprobs}) for step in content]
        return result_of(row, choice.message.content or "", steps, reply.usage, choice.finish_reason)


def chat_messages(row: Row) -> list[Any]:
    """The row's messages in the form of OpenAI's protocol, its media inline in place of their tags."""
    media = {tag: iter(row.get(key, [])) for key, tag in MEDIA_TAGS.items()}
    messages: list[Any] = []
    for message in row["messages"]:
        if message["role"] == "assistant":
            continue
        parts: list[dict[str, Any]] = []
        for piece in re.split(f"({'|'.join(media)})", message["content"]):
            if piece in media:
                kind = piece.strip("<>") + "_url"
                parts.append({"type": kind, kind: {"url": data_uri(next(media[piece]))}})
            elif piece:
                parts.append({"type": "text", "text": piece})
        messages.append({"role": message["role"], "content": parts})
    return messages


def data_uri(path: str) -> str:
    """A media file as a data URI; ValueError for one too large to send."""
    if (size := os.path.getsize(path)) > MAX_UPLOAD:
        raise ValueError(f"{path} has {size} bytes, at most {MAX_UPLOAD} are sent to a server")
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(Path(path).read_bytes()).decode()}"
