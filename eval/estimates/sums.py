"""Metrics that are functions of sums over rows: ratios, errors, correlations, agreement, BLEU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from eval.estimates.clusters import Clusters, design_effect
from eval.estimates.swaps import Swaps

Of = Callable[[np.ndarray], np.ndarray]  # sums (..., k) -> values (...)


@dataclass(frozen=True)
class Sums:
    """A Statistic: `of` the sums of `parts` (n, k) over rows that are of these clusters (n,) of `count`.

    A row counts as measured if one of its parts is not 0.
    """

    parts: np.ndarray
    index: np.ndarray
    count: int
    of: Of

    @cached_property
    def totals(self) -> np.ndarray:
        """The sums of each cluster, (count, k)."""
        return np.array([np.bincount(self.index, weights=part, minlength=self.count) for part in self.parts.T]).T

    @cached_property
    def measured(self) -> np.ndarray:
        """The clusters that hold a measured row, as flags."""
        return np.bincount(self.index, weights=self.parts.any(1), minlength=self.count) > 0

    @cached_property
    def clusters(self) -> int:
        return int(self.measured.sum())

    @property
    def degrees(self) -> int:
        return self.clusters - 1

    @cached_property
    def influence(self) -> np.ndarray:
        found = np.zeros(self.count)
        found[self.measured] = jackknife(self.of, self.totals[self.measured])
        return found

    @property
    def variance(self) -> float:
        return float((self.influence**2).sum())

    @cached_property
    def independent(self) -> float:
        """The variance if every row were a cluster of its own."""
        rows = self.parts[self.parts.any(1)]
        return self.variance if len(rows) == self.clusters else float((jackknife(self.of, rows) ** 2).sum())

    @property
    def deff(self) -> float | None:
        return 1.0 if self.clusters == self.parts.any(1).sum() else design_effect(self.variance, self.independent)

    def apart(self, other: Sums) -> np.ndarray:
        return (self.totals != other.totals).any(axis=1)

    def changes(self, other: Sums) -> np.ndarray:
        return other.totals - self.totals

    def swapped(self, other: Sums, change: np.ndarray, swaps: Swaps) -> np.ndarray:
        return self.of(self.totals.sum(0) + change) - self.of(other.totals.sum(0) - change)


def sums(parts: np.ndarray, of: Of, clusters: Clusters, rows: np.ndarray) -> Sums:
    """The statistic of `parts` (n, k), one line for each of `rows`."""
    return Sums(np.asarray(parts, float), clusters.index[rows], clusters.count, of)


def jackknife(of: Of, totals: np.ndarray) -> np.ndarray:
    """What each line of `totals` (m, k) adds to the variance of `of` their sum, signed: the squares add up to it.

    The variance is that of the delete-one jackknife (Tukey 1958), (m - 1) / m sum((left out - their mean)^2). All nan
    where it is not known: for one line alone, or where the value hangs on one of them.
    """
    m = len(totals)
    if m < 2:
        return np.full(m, np.nan)
    left_out = of(totals.sum(0) - totals)
    return np.sqrt((m - 1) / m) * (left_out.mean() - left_out)
