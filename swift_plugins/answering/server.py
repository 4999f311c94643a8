"""Servers that speak OpenAI's protocol, one or a pool of them, as a back end."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from swift_plugins.answering.conversations import REFUSABLE, UNNAMED, estimated, features_of, request_of, upload_of
from swift_plugins.answering.limits import FIRST_PAUSE, MAX_PAUSE, Budget, Endpoint, OverBudget, Pool, Use
from swift_plugins.answering.probabilities import GREEDY, result_of
from swift_plugins.answering.replies import Refused, Usage, answer_of, quoted
from swift_plugins.answering.sampling_frames import sampling_of
from swift_plugins.core.printable import masked, say
from swift_plugins.core.records import Row, encode

if TYPE_CHECKING:
    import httpx

# Bytes of a reply: some for what stands around it, and for each token those of its 20 likeliest alternatives, with
# text, log-probability and bytes spelt out, for the longest tokens there are.
MAX_REPLY, MAX_REPLY_TOKEN = 1 << 20, 16 << 10
TIMEOUT = 300.0  # seconds for one whole reply of a server, from the first byte that is sent to the last one read
RETRIES = 8  # of a request that met a busy server or a broken connection: two minutes of them
BUSY = frozenset({408, 409, 429, *range(500, 600)})
VAGUE = frozenset({400, 415, 422, 501})  # of a refusal, which may not say what of the request it means
NAMED = frozenset({404, 500})  # of a refusal, too, if they name what they refuse
LEFT_OUT = {
    "logprobs": "asked without, so there are no probabilities",
    "video_url": "videos are sent as frames with their times",
    "temperature": "asked without, so the server's own holds",
    "max_tokens": "sent as max_completion_tokens",
}
MAX_ON_THE_WAY = 128 << 20  # bytes of media that are sent at once, of more than one row
UNREACHED = 8  # tries in a row, of each server, that reach none: the run ends, after a minute
Result = Row | Exception


class Busy(ValueError):
    """A reply of a busy server; `pause` is how long it asks to be left alone, in seconds."""

    def __init__(self, text: str, pause: float | None):
        super().__init__(text)
        self.pause = pause


class Late(ValueError):
    """No whole reply in time."""


class OnTheWay(NamedTuple):
    """A batch that is being asked: its number, the bytes of its media, and what of the budget is put aside for it."""

    number: int
    size: int
    reserved: Use


class Server:
    """OpenAI's chat completions: `swift deploy`, vLLM, or a provider. Media go inline, no link is sent.

    The key comes from the environment, OPENAI_API_KEY; a local server needs none. A reply that is late, too long,
    compressed, a redirect, or no chat completion costs its own row.
    """

    batched: ClassVar[bool] = False
    special_tokens: frozenset[str] = frozenset()  # a server does not tell

    @staticmethod
    def settings(name: str, recipe: Path | None, base_url: str | None, base: Path | None = None) -> dict[str, Any]:
        """A server sees to template and pixels itself; a password in its address is not recorded."""
        from urllib.parse import urlsplit

        if not base_url or not base_url.split():
            raise ValueError("--backend openai needs --base-url, for example http://127.0.0.1:8000/v1")
        for parts in map(urlsplit, base_url.split()):
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
                raise ValueError("--base-url must be http(s)://host[:port]/path, without a name, password or query")
        if masked(base_url) != base_url:
            raise ValueError("--base-url holds a secret, which would be recorded: it belongs in OPENAI_API_KEY")
        return {"model": name, "adapter": None, "base_url": base_url, "vision": {}, "trained": {}}

    @staticmethod
    def video_reader() -> str | None:
        return None

    def __init__(
        self,
        settings: Mapping[str, Any],
        batch_size: int,
        max_tokens: int,
        sampling: Mapping[str, Any] = GREEDY,
        budget: Budget | None = None,
    ):
        """`batch_size` is how many requests each server answers at once."""
        try:
            import httpx
            import tenacity  # noqa: F401
        except ImportError:
            raise ValueError("--backend openai needs the extra: pip install -e '.[judge]'") from None

        key = os.environ.get("OPENAI_API_KEY", "").strip() or "none"
        self.headers = {"Authorization": f"Bearer {key}", "Accept-Encoding": "identity"}
        self.headers["Content-Type"] = self.headers["Accept"] = "application/json"
        self.tls = httpx.create_ssl_context()
        self.pool = Pool([url.rstrip("/") for url in settings["base_url"].split()], batch_size)
        self.fixed = {"model": settings["model"], "max_tokens": max_tokens, **sampling}
        self.frames = sampling_of(settings["model"])
        self.limit = MAX_REPLY + MAX_REPLY_TOKEN * max_tokens
        self.max_tokens, self.budget = max_tokens, budget or Budget()

    def answer(self, rows: list[Row]) -> list[Result]:
        found = {number: results[0] for number, results, _ in self.stream(enumerate([row] for row in rows))}
        return [found[number] for number in range(len(rows))]

    def stream(self, batches: Iterable[tuple[int, list[Row]]]) -> Iterator[tuple[int, list[Result], float]]:
        """(number, result of each row, seconds) of each numbered batch as soon as it is answered.

        What is on the way meanwhile is bounded, in requests and in bytes. OverBudget in the end, where a budget does
        not allow all of them; ConnectionError where no server is there.
        """
        loop = asyncio.new_event_loop()
        client = self._client()
        try:
            yield from self._answers(loop, client, iter(batches))
        finally:
            loop.run_until_complete(_end(client))
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    def _client(self) -> httpx.AsyncClient:
        import httpx

        limits = httpx.Limits(max_connections=self.pool.most)
        return httpx.AsyncClient(headers=self.headers, timeout=None, verify=self.tls, limits=limits)

    def _answers(
        self, loop: asyncio.AbstractEventLoop, client: httpx.AsyncClient, batches: Iterator[tuple[int, list[Row]]]
    ) -> Iterator[tuple[int, list[Result], float]]:
        running: dict[asyncio.Task, OnTheWay] = {}
        batch = next(batches, None)
        while batch or running:
            while batch and self._has_room(running.values(), batch[1]):
                number, rows = batch
                reserved = self.budget.reserve(self._estimate_all(rows))
                running[loop.create_task(self._ask_all(client, rows))] = OnTheWay(number, upload_of(rows), reserved)
                batch = next(batches, None)
            if not running:
                raise OverBudget(f"the budget ({self.budget}) is used up: {self.budget.told()}; a rerun goes on")
            done, _ = loop.run_until_complete(asyncio.wait(running, timeout=1, return_when=asyncio.FIRST_COMPLETED))
            for task in done:
                number, _, reserved = running.pop(task)
                self.budget.release(reserved)
                results, seconds = task.result()
                yield number, results, seconds
            if all(endpoint.unreached >= UNREACHED for endpoint in self.pool.endpoints):
                raise ConnectionError(f"no server was reached in {UNREACHED} tries; a rerun goes on")

    def _has_room(self, running: Collection[OnTheWay], rows: Sequence[Row]) -> bool:
        """Whether rows may be asked besides those on the way."""
        size = sum(one.size for one in running)
        if len(running) >= self.pool.most or (running and size + upload_of(rows) > MAX_ON_THE_WAY):
            return False
        return self.budget.allows(self._estimate_all(rows))

    def _estimate_all(self, rows: Sequence[Row]) -> Use:
        return functools.reduce(Use.plus, map(self._estimate, rows), Use())

    def _estimate(self, row: Row) -> Use:
        return estimated(row, self.frames, self.max_tokens) if self.budget.needs_estimates else Use(1)

    async def _ask_all(self, client: httpx.AsyncClient, rows: Sequence[Row]) -> tuple[list[Result], float]:
        begin = time.perf_counter()
        results = [await self._ask(client, row) for row in rows]
        return results, time.perf_counter() - begin

    async def _ask(self, client: httpx.AsyncClient, row: Row) -> Result:
        """What a server answers; a busy one is asked again later, or another one."""
        import httpx
        from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential, wait_random

        backoff = wait_exponential(FIRST_PAUSE, MAX_PAUSE) + wait_random(0, FIRST_PAUSE)
        retrying = AsyncRetrying(
            retry=retry_if_exception_type((Busy, httpx.TransportError)),
            wait=lambda state: getattr(state.outcome and state.outcome.exception(), "pause", None) or backoff(state),
            stop=lambda state: state.attempt_number > RETRIES or not self.budget.allows(Use()),
            reraise=True,
        )
        try:
            return await retrying(self._ask_one, client, row)
        except ValueError as error:  # of whatever kind, which matters here alone
            return ValueError(str(error))
        except (httpx.HTTPError, OSError) as error:
            return error

    async def _ask_one(self, client: httpx.AsyncClient, row: Row) -> Row:
        """The answer of one server of the pool, whose limit follows from how it takes the request."""
        import httpx

        async with self.pool.turn() as endpoint:
            begun = time.monotonic()
            try:
                found = await self._ask_without_refused(client, endpoint, row)
            except (httpx.ConnectError, httpx.ConnectTimeout, Busy, Late) as error:
                endpoint.unreached = 0 if isinstance(error, ValueError) else endpoint.unreached + 1
                if endpoint.failed(begun, getattr(error, "pause", None)):
                    say(f"note: {endpoint.url}: {error}; from now on fewer requests at once, down to one", sys.stderr)
                raise
            except ValueError:
                endpoint.answered()
                raise
            endpoint.answered()
            return found

    async def _ask_without_refused(self, client: httpx.AsyncClient, endpoint: Endpoint, row: Row) -> Row:
        """The server's answer to a request without what it refuses, which is found out once, and told."""
        features, first = features_of(row), None
        tries = [endpoint.refused]
        while tries:
            without = tries.pop()
            try:
                found = await self._request(client, endpoint, row, without)
            except Refused as refusal:
                first = first or refusal
                tries += alternatives(refusal, without, features - endpoint.taken, first is refusal)
                continue
            for feature in sorted(without - endpoint.refused):
                say(f"note: {endpoint.url} refuses {feature} ({first}): {LEFT_OUT[feature]}", sys.stderr)
            endpoint.refused, endpoint.taken = without, endpoint.taken | (features - without)
            return found | ({"asked_without": sorted(without & features)} if without & features else {})
        raise first or ValueError("nothing was asked")

    async def _request(self, client: httpx.AsyncClient, endpoint: Endpoint, row: Row, without: frozenset[str]) -> Row:
        """What one request brings, which the budget counts."""
        request = await asyncio.to_thread(lambda: encode(request_of(row, self.fixed, without, self.frames)))
        used = Usage()
        try:
            reply, body = await self._post(client, endpoint.url, request)
            if not reply.is_success:
                used = Usage(0, 0)
                raise fault_of(reply, body)
            text, steps, used, reason = answer_of(body)
            return result_of(row, text, steps, used, reason)
        finally:
            self.budget.count(self._estimate(row), used.prompt_tokens, used.completion_tokens)

    async def _post(self, client: httpx.AsyncClient, url: str, request: bytes) -> tuple[httpx.Response, bytes]:
        """(the head of the server's reply, its body), whole, in time."""
        try:
            return await asyncio.wait_for(self._read(client, url, request), TIMEOUT)
        except asyncio.TimeoutError:
            raise Late(f"the server gave no whole reply within {TIMEOUT:g} s") from None

    async def _read(self, client: httpx.AsyncClient, url: str, request: bytes) -> tuple[httpx.Response, bytes]:
        """The same, as it was asked for: neither compressed nor endless."""
        body = bytearray()
        async with client.stream("POST", f"{url}/chat/completions", content=request) as reply:
            if (coding := reply.headers.get("content-encoding", "identity")) != "identity":
                raise ValueError(f"the server's reply is compressed ({coding:.20}), which is not read")
            async for piece in reply.aiter_raw():
                body += piece
                if len(body) > self.limit:
                    raise ValueError(f"the server's reply is longer than {self.limit} bytes")
        return reply, bytes(body)


async def _end(client: httpx.AsyncClient) -> None:
    """End what is still on the way, as after Ctrl-C."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await client.aclose()


def alternatives(
    refusal: Refused, without: frozenset[str], features: frozenset[str], first: bool
) -> list[frozenset[str]]:
    """What to leave out next, the best guess last: what the refusal names, or, where the first one names nothing, what
    servers refuse most; `features` are those that may be the cause."""
    if named := [name for name in REFUSABLE if name in features - without and REFUSABLE[name].search(str(refusal))]:
        return [without | {named[0]}]
    unnamed = [name for name in UNNAMED if name in features - without] if refusal.vague and first else []
    singly = [without | {name} for name in reversed(unnamed)]
    return [without | {*unnamed}, *singly] if len(unnamed) > 1 else singly


def wanted_pause(reply: httpx.Response) -> float | None:
    """The seconds that a busy server asks to wait, in seconds or until a date, MAX_PAUSE at most."""
    wanted = reply.headers.get("retry-after", "")
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", wanted):
        seconds = float(wanted)
    else:
        try:
            seconds = parsedate_to_datetime(wanted).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(seconds, MAX_PAUSE) if seconds > 0 else None


def fault_of(reply: httpx.Response, body: bytes) -> ValueError:
    """What a reply without success says; a redirect is not followed: neither prompt nor media go to another place."""
    status = reply.status_code
    if reply.is_redirect:
        return ValueError(f"the server redirects (HTTP {status}) to {reply.headers['location']:.200}: not followed")
    text = f"the server replies HTTP {status}: {quoted(body)}"
    names = any(pattern.search(text) for pattern in REFUSABLE.values())
    if status in VAGUE or (status in NAMED and names):
        return Refused(text, status in VAGUE)
    if status in BUSY:
        return Busy(text, wanted_pause(reply))
    return ValueError(text)
