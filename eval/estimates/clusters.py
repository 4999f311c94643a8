"""Which rows belong together, and what an estimate is made of: a value, and how it varies from cluster to cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

import swift_plugins  # noqa: F401

if TYPE_CHECKING:
    from eval.estimates.swaps import Swaps

FEW = 50  # clusters; with fewer an interval is rough, as simulations show (tests/estimates/test_coverage.py)


class Clusters:
    """The clusters of a file's rows: traces of one video or judgements of one image are not independent."""

    def __init__(self, names: Sequence[str]):
        found, self.index = np.unique(np.asarray(names), return_inverse=True)
        self.count = len(found)


def distinct(index: np.ndarray) -> int:
    """How many clusters there are in an index: without sorting it, which takes long for many rows."""
    return int(np.count_nonzero(np.bincount(index)))


class Spread(Protocol):
    """What a metric's variance is made of."""

    @property
    def influence(self) -> np.ndarray:
        """Of each cluster of the file; the squares add up to the variance, nan: it is not known."""


class Statistic(Spread, Protocol):
    """How a metric hangs on the clusters of a file."""

    @property
    def clusters(self) -> int:
        """How many it was measured on."""

    @property
    def degrees(self) -> float:
        """Of freedom of the variance."""

    @property
    def deff(self) -> float | None:
        """The design effect (Kish 1965): the variance over that of as many independent rows, None: it is not known."""

    def apart(self, other: Any) -> np.ndarray | None:
        """The clusters in which two runs differ, as flags; None where they have no rows that could be exchanged."""

    def changes(self, other: Any) -> np.ndarray:
        """What the exchange of each cluster adds to this run's sums and takes from the other's, (clusters, k)."""

    def swapped(self, other: Any, change: np.ndarray, swaps: Swaps) -> np.ndarray:
        """this - other for each line of `swaps`, of which the changes add up to `change` (lines, k)."""


Ends = tuple[float, float]
Interval = Callable[[float, Any], Ends | None]  # the ends for a value and its statistic


@dataclass(frozen=True)
class Estimate:
    """A metric's value on its own scale, and n (rows measured); `reason` says why there is no value.

    `parts` are the values of other metrics that this one is made of, `more` what else stands in its entry.
    """

    value: float | None
    n: int = 0
    reason: str | None = None
    statistic: Any = None  # a Statistic
    interval: Interval | None = None
    parts: Mapping[str, float | None] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """{"value", "ci95": [lo, hi] or null, "n", "clusters", "deff"}, and the parts if any; without a value
        {"value": null, "ci95": null, "n", "reason"}."""
        parts = {} if self.parts is None else {"parts": dict(self.parts)}
        if self.value is None:
            return {"value": None, "ci95": None, "n": self.n, "reason": self.reason, **parts}
        found = {"value": rounded(self.value), "ci95": self.ends(), "n": self.n}
        if self.statistic is not None:
            deff = self.statistic.deff
            found |= {"clusters": self.statistic.clusters, "deff": None if deff is None else rounded(deff)}
        return {**found, **parts, **self.more}

    def ends(self) -> list[float] | None:
        """The ends of the 95 % interval; None where nothing varies, or one cluster alone was measured."""
        if self.value is None or self.interval is None or self.statistic is None:
            return None
        ends = self.interval(self.value, self.statistic)
        return None if ends is None else [rounded(end) for end in ends]


def rounded(value: float) -> float:
    return round(float(value), 4) + 0.0  # no -0.0


def standard_error(statistic: Spread) -> float | None:
    """The root of the variance; None where it is not known, or nothing varies."""
    found = float(np.sqrt((statistic.influence**2).sum()))
    return found if np.isfinite(found) and found > 1e-12 else None


def design_effect(variance: float, independent: float) -> float | None:
    """The ratio of two variances, None where it is not known."""
    return variance / independent if np.isfinite(variance) and independent > 1e-20 else None


def as_json(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: found.as_json() for name, found in estimates.items()}
