"""Estimates with clustered bootstrap intervals, as the scorers of all tasks share them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

REPLICATES, SEED = 2000, 0
Key = TypeVar("Key", bound=Hashable)
Column = tuple[np.ndarray, np.ndarray]  # numerators and denominators, one entry a row
_BLOCK = 4_000_000  # weights turned to floats at once: bounds the memory for any number of clusters
_SAME = 1e-9  # replicates that differ by less differ by rounding only


@dataclass(frozen=True)
class Estimate:
    """A metric's value on its own scale, n (rows measured), its bootstrap replicates; `reason`: why there is no value.

    `clusters` counts the clusters that a percentage was measured on. Where all of them agree on 0 or 100 the bootstrap
    has nothing to vary and would give a point; then the exact binomial bound (Clopper and Pearson 1934) for that many
    clusters stands. `parts` are the values of other metrics that this one is made of.
    """

    value: float | None
    n: int = 0
    samples: np.ndarray | None = None
    reason: str | None = None
    clusters: int = 0
    parts: Mapping[str, float | None] | None = None

    def as_json(self) -> dict[str, Any]:
        """{"value", "ci95": [lo, hi] or null, "n"}, "reason" where the value is null, and the parts if any."""
        parts = {} if self.parts is None else {"parts": dict(self.parts)}
        if self.value is None:
            return {"value": None, "ci95": None, "n": self.n, "reason": self.reason, **parts}
        interval = None
        if self.samples is not None and not np.isnan(self.samples).all():
            low, high = (float(x) for x in np.nanpercentile(self.samples, [2.5, 97.5]))
            varies = high - low > _SAME
            if not varies and self.clusters and min(self.value, 100 - self.value) < _SAME:
                unseen = 100 * (1 - 0.025 ** (1 / self.clusters))
                low, high = (0.0, unseen) if self.value < _SAME else (100 - unseen, 100.0)
            if varies or self.clusters:
                interval = [_rounded(low), _rounded(high)]
        return {"value": _rounded(self.value), "ci95": interval, "n": self.n, **parts}


def _rounded(value: float) -> float:
    return round(value, 4) + 0.0  # no -0.0


class Draws:
    """How often each cluster is drawn in each replicate of a seeded bootstrap, for all metrics of a file alike.

    Rows of one cluster are drawn together, as traces of one video or judgements of one image are not independent. That
    all metrics share the draws lets replicates of different ones be combined, and two models be compared in pairs.
    """

    def __init__(self, clusters: Sequence[str], replicates: int = REPLICATES, seed: int = SEED):
        names, self.index = np.unique(np.asarray(clusters), return_inverse=True)
        self.count = len(names)
        rng = np.random.default_rng(seed)
        even = np.full(self.count, 1 / self.count)
        size = max(1, _BLOCK // self.count)
        parts = [
            rng.multinomial(self.count, even, size=min(size, replicates - begin)).astype(np.uint16)
            for begin in range(0, replicates, size)
        ]
        self.weights = np.concatenate(parts)  # (replicates, clusters)

    def blocks(self, width: int = 1) -> Iterator[np.ndarray]:
        """The weights as floats, some replicates at a time, so few that as many lines of `width` stay small too."""
        size = max(1, _BLOCK // max(self.count, width))
        for begin in range(0, len(self.weights), size):
            yield self.weights[begin : begin + size].astype(float)

    def sums(self, parts: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The sums over the drawn rows of `parts` (one line for each of `rows`), of shape (replicates, columns)."""
        where = self.index[rows]
        totals = np.array([np.bincount(where, weights=part, minlength=self.count) for part in parts.T]).T
        return np.concatenate([weights @ totals for weights in self.blocks()])

    def clusters_of(self, rows: np.ndarray) -> int:
        return len(np.unique(self.index[rows]))


def estimate(columns: Mapping[Key, Column], draws: Draws, rows: np.ndarray) -> dict[Key, Estimate]:
    """Estimate the percentage sum(numerator) / sum(denominator) of each column, one line of it for each of `rows`."""
    up, down = (np.array([pair[i] for pair in columns.values()], float).T for i in (0, 1))
    sums = draws.sums(np.hstack([up, down]), rows)
    with np.errstate(invalid="ignore"):
        samples = sums[:, : len(columns)] / sums[:, len(columns) :]
    found: dict[Key, Estimate] = {}
    for i, (key, (numerator, denominator)) in enumerate(columns.items()):
        measured = np.flatnonzero(denominator)
        if len(measured) == 0:
            found[key] = Estimate(None, 0, None, "no row to measure it on")
        else:
            count = draws.clusters_of(rows[measured])
            spread = samples[:, i] if count > 1 else None  # one cluster alone tells nothing of the spread
            value = float(numerator.sum()) / float(denominator.sum())
            found[key] = Estimate(value, len(measured), spread, clusters=count)
    return found


def mean(values: np.ndarray, draws: Draws, rows: np.ndarray) -> Estimate:
    """The mean of `values`, one for each of `rows` (at least one)."""
    sums = draws.sums(np.column_stack([values, np.ones(len(values))]), rows)
    with np.errstate(invalid="ignore"):
        return Estimate(float(np.mean(values)), len(values), sums[:, 0] / sums[:, 1])


def difference(this: Estimate, other: Estimate) -> Estimate:
    """this - other, of two estimates on the same rows and draws."""
    if this.value is None or other.value is None:
        return Estimate(None, this.n, None, this.reason or other.reason)
    value = this.value - other.value
    if this.samples is None or other.samples is None:
        return Estimate(value, this.n)
    return Estimate(value, this.n, this.samples - other.samples)


def as_json(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: found.as_json() for name, found in estimates.items()}
