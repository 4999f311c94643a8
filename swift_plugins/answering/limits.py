"""How much is asked of servers: as many requests at once as each takes, and in all no more than a budget allows."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from swift_plugins.core.names import unknown
from swift_plugins.core.records import read_json

MAX_PAUSE = 60.0  # seconds that a server is left alone at most
FIRST_PAUSE = 0.5  # seconds after its first fault in a row; twice as many after each further one
_TICK = 0.02  # seconds between two looks for a server that is free


@dataclass
class Endpoint:
    """One server of a pool and how many requests it takes at once: `most`, half as many whenever it is busy, and with
    each round of answers one more (additive increase, multiplicative decrease, as of TCP).

    The first request goes alone, so that what a server refuses is found out once. `refused` and `taken` are names of
    features that requests to it did without, and with; `unreached` is how many in a row did not reach it.
    """

    url: str
    most: int
    limit: float = 1.0
    running: int = 0
    unreached: int = 0
    refused: frozenset[str] = frozenset()
    taken: frozenset[str] = frozenset()
    _met: bool = False
    _faults: int = 0  # in a row
    _ready: float = 0.0  # when it may be asked again, of time.monotonic()
    _slowed: float = -math.inf  # when its limit was halved last

    def is_free(self) -> bool:
        return self.running < int(self.limit) and time.monotonic() >= self._ready

    def answered(self) -> None:
        self.limit = min(self.most, self.limit + 1 / self.limit if self._met else self.most)
        self._met, self._faults, self.unreached = True, 0, 0

    def failed(self, begun: float, pause: float | None = None) -> bool:
        """It was busy or did not reply, to a request of that moment; many that were sent together halve the limit once.

        `pause` is how long it asks to be left alone, in seconds. Whether this was the first time.
        """
        first = self._slowed == -math.inf
        now = time.monotonic()
        if begun >= self._slowed:
            self.limit, self._slowed = max(1.0, self.limit / 2), now
            self._ready = max(self._ready, now + (pause or min(MAX_PAUSE, FIRST_PAUSE * 2**self._faults)))
            self._faults = min(self._faults + 1, 10)
        elif pause:
            self._ready = max(self._ready, now + pause)
        return first


class Pool:
    """Servers that answer alike; each request goes to the one that has most room."""

    def __init__(self, urls: Sequence[str], most: int):
        self.endpoints = [Endpoint(url, most) for url in urls]
        self.most = most * len(urls)
        self._lock = Lock()  # several threads may ask, each in a loop of its own

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[Endpoint]:
        """One of them, as soon as it is free, held until the block ends."""
        while not (endpoint := self._taken()):
            await asyncio.sleep(_TICK)
        try:
            yield endpoint
        finally:
            with self._lock:
                endpoint.running -= 1

    def _taken(self) -> Endpoint | None:
        with self._lock:
            free = [endpoint for endpoint in self.endpoints if endpoint.is_free()]
            if not free:
                return None
            found = min(free, key=lambda endpoint: endpoint.running / endpoint.limit)
            found.running += 1
            return found


class Use(NamedTuple):
    """Requests, and the tokens that they make a model read and write."""

    requests: int = 0
    read: int = 0
    written: int = 0

    def plus(self, other: Use) -> Use:
        return Use(*(a + b for a, b in zip(self, other, strict=True)))

    def minus(self, other: Use) -> Use:
        return Use(*(a - b for a, b in zip(self, other, strict=True)))


class Prices(NamedTuple):
    """Of a million tokens read, and written, in whatever currency."""

    read: float
    written: float

    def of(self, use: Use) -> float:
        return (use.read * self.read + use.written * self.written) / 1e6


def read_prices(path: Path, model: str) -> Prices:
    """A model's prices in a table, a JSON object {model: [price of a million tokens read, of a million written]}."""
    table = read_json(path)
    if model not in table:
        raise ValueError(f"{path}: {unknown('model', model, table)}")
    prices = table[model]
    numbers = isinstance(prices, list) and [type(price) in (int, float) and 0 <= price < math.inf for price in prices]
    if numbers != [True, True]:
        raise ValueError(f"{path}: {model!r} must have [price of a million tokens read, written], got {prices!r:.80}")
    return Prices(*prices)


class OverBudget(ValueError):
    """A request that a budget does not allow any more."""


@dataclass
class Budget:
    """What one run may use; None: any amount. `used` is what its requests did, `reserved` what is put aside for those
    on the way. A request whose server does not count has used what was estimated."""

    requests: int | None = None
    tokens: int | None = None
    cost: float | None = None
    prices: Prices | None = None
    used: Use = field(default_factory=Use)
    reserved: Use = field(default_factory=Use)
    _estimated: int = field(default=0, repr=False)  # tokens to read of the requests that were counted, as estimated
    _counted: int = field(default=0, repr=False)  # and as their servers count them

    @property
    def needs_estimates(self) -> bool:
        return self.tokens is not None or self.cost is not None

    def allows(self, use: Use) -> bool:
        whole = self.used.plus(self.reserved).plus(self._corrected(use))
        if self.requests is not None and whole.requests > self.requests:
            return False
        if self.tokens is not None and whole.read + whole.written > self.tokens:
            return False
        return self.cost is None or self.prices is None or self.prices.of(whole) <= self.cost

    def reserve(self, use: Use) -> Use:
        """Put aside what requests may use at most; `release` takes what it returns."""
        reserved = self._corrected(use)
        self.reserved = self.reserved.plus(reserved)
        return reserved

    def release(self, reserved: Use) -> None:
        self.reserved = self.reserved.minus(reserved)

    def count(self, estimate: Use, read: int | None, written: int | None) -> None:
        """A request was made, and its server counted so many tokens; None where it did not."""
        likely = self._corrected(estimate)
        if read:
            self._estimated, self._counted = self._estimated + estimate.read, self._counted + read
        known = (likely.read if read is None else read, likely.written if written is None else written)
        self.used = self.used.plus(Use(1, *known))

    def _corrected(self, use: Use) -> Use:
        """An estimate set right by how far those before were from what servers counted."""
        factor = self._counted / self._estimated if self._estimated else 1.0
        return use._replace(read=math.ceil(use.read * factor))

    def __str__(self) -> str:
        limits = {"requests": self.requests, "tokens": self.tokens, "cost": self.cost}
        return ", ".join(f"{name} {limit:,}" for name, limit in limits.items() if limit is not None)

    def told(self) -> str:
        """What was used, in words."""
        return described(self.used, self.prices)


def described(use: Use, prices: Prices | None) -> str:
    cost = f", cost {prices.of(use):,.4g}" if prices else ""
    return f"{use.requests:,} requests, {use.read:,} tokens read, {use.written:,} written{cost}"
