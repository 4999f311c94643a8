"""A server that speaks OpenAI's protocol, as a back end."""

from __future__ import annotations

import asyncio
import base64
import mimetypes
import os
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swift_plugins.answering.probabilities import TOP, result_of
from swift_plugins.answering.replies import answer_of, quoted
from swift_plugins.core.printable import masked
from swift_plugins.core.records import MEDIA_TAGS, Row, encode

if TYPE_CHECKING:
    import httpx

MAX_UPLOAD = 64 << 20  # bytes of one media file sent to a server
# Bytes of a reply: some for what stands around it, and for each token those of its 20 likeliest alternatives, with
# text, log-probability and bytes spelt out, for the longest tokens there are.
MAX_REPLY, MAX_REPLY_TOKEN = 1 << 20, 16 << 10
TIMEOUT = 300.0  # seconds for one whole reply of a server, from the first byte that is sent to the last one read
RETRIES = 2  # of a request that met a busy server or a broken connection
BUSY = frozenset({408, 409, 429, *range(500, 600)})
MAX_PAUSE = 60.0  # seconds that a busy server may ask to wait


class Server:
    """A server with OpenAI's chat completions: `swift deploy`, vLLM, or a provider. Media go inline, no link is sent.

    The key comes from the environment, OPENAI_API_KEY; a local server needs none. A reply that is late, too long,
    compressed, a redirect, or no chat completion costs its own row.
    """

    special_tokens: frozenset[str] = frozenset()  # a server does not tell

    @staticmethod
    def settings(name: str, recipe: Path | None, base_url: str | None, base: Path | None = None) -> dict[str, Any]:
        """A server sees to template and pixels itself; a password in its address is not recorded."""
        from urllib.parse import urlsplit

        if base_url is None:
            raise ValueError("--backend openai needs --base-url, for example http://127.0.0.1:8000/v1")
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise ValueError("--base-url must be http(s)://host[:port]/path, without a name, password or query in it")
        if masked(base_url) != base_url:
            raise ValueError("--base-url holds a secret, which would be recorded: it belongs in OPENAI_API_KEY")
        return {"model": name, "adapter": None, "base_url": base_url, "vision": {}, "trained": {}}

    def __init__(self, settings: Mapping[str, Any], batch_size: int, max_tokens: int):
        try:
            import httpx
        except ImportError:
            raise ValueError("--backend openai needs the extra: pip install -e '.[judge]'") from None

        key = os.environ.get("OPENAI_API_KEY", "").strip() or "none"
        self.url = settings["base_url"].rstrip("/") + "/chat/completions"
        self.headers = {"Authorization": f"Bearer {key}", "Accept-Encoding": "identity"}
        self.headers["Content-Type"] = self.headers["Accept"] = "application/json"
        self.tls = httpx.create_ssl_context()
        self.model, self.max_tokens, self.batch_size = settings["model"], max_tokens, batch_size

    def answer(self, rows: list[Row]) -> list[Row | Exception]:
        return asyncio.run(self._answer_all(rows))

    async def _answer_all(self, rows: list[Row]) -> list[Row | Exception]:
        import httpx

        at_once = asyncio.Semaphore(self.batch_size)
        limits = httpx.Limits(max_connections=self.batch_size)
        async with httpx.AsyncClient(headers=self.headers, timeout=None, verify=self.tls, limits=limits) as client:
            return await asyncio.gather(*(self._answer(client, row, at_once) for row in rows))

    async def _answer(self, client: httpx.AsyncClient, row: Row, at_once: asyncio.Semaphore) -> Row | Exception:
        import httpx

        async with at_once:
            try:
                request = {"model": self.model, "messages": chat_messages(row), "max_tokens": self.max_tokens}
                request |= {"temperature": 0.0, "logprobs": True, "top_logprobs": TOP}
                return result_of(row, *answer_of(await self._reply(client, encode(request))))
            except (httpx.HTTPError, OSError, ValueError) as error:
                return error

    async def _reply(self, client: httpx.AsyncClient, request: bytes) -> bytes:
        """The body of the server's reply; a busy server is asked again, as OpenAI's own client does."""
        import httpx

        tried = 0
        while True:
            pause = 0.5 * 2**tried * random.uniform(0.75, 1)
            try:
                reply, body = await asyncio.wait_for(self._post(client, request), TIMEOUT)
            except asyncio.TimeoutError:
                raise ValueError(f"the server gave no whole reply within {TIMEOUT:g} s") from None
            except httpx.TransportError:
                if tried == RETRIES:
                    raise
            else:
                if reply.is_success:
                    return body
                if tried == RETRIES or reply.status_code not in BUSY:
                    raise ValueError(fault_of(reply, body))
                pause = wanted_pause(reply) or pause
            await asyncio.sleep(pause)
            tried += 1

    async def _post(self, client: httpx.AsyncClient, request: bytes) -> tuple[httpx.Response, bytes]:
        """(the head of the server's reply, its body), as it was asked for: neither compressed nor endless."""
        limit = MAX_REPLY + MAX_REPLY_TOKEN * self.max_tokens
        body = bytearray()
        async with client.stream("POST", self.url, content=request) as reply:
            if (coding := reply.headers.get("content-encoding", "identity")) != "identity":
                raise ValueError(f"the server's reply is compressed ({coding:.20}), which is not read")
            async for piece in reply.aiter_raw():
                body += piece
                if len(body) > limit:
                    raise ValueError(f"the server's reply is longer than {limit} bytes")
        return reply, bytes(body)


def wanted_pause(reply: httpx.Response) -> float | None:
    """The seconds that a busy server asks to wait, where that is a number within reason."""
    wanted = reply.headers.get("retry-after", "")
    seconds = float(wanted) if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", wanted) else 0.0
    return seconds if seconds <= MAX_PAUSE else None


def fault_of(reply: httpx.Response, body: bytes) -> str:
    """What a reply without success says; a redirect is not followed: neither prompt nor media go to another place."""
    if reply.is_redirect:
        return f"the server redirects (HTTP {reply.status_code}) to {reply.headers['location']:.200}: not followed"
    return f"the server replies HTTP {reply.status_code}: {quoted(body)}"


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
