"""Intervals of means of what lies between the ends of a scale, as hits and misses do: they assume nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from eval.estimates.clusters import Ends, Statistic, distinct

ALPHA = 0.05
NORMAL = 1.959963984540054  # the 1 - ALPHA / 2 quantile
_EDGE, _CLOSE, _STEPS = 1e-9, 1e-10, 60


def least(clusters: float) -> float:
    """The lower end, 0..1, where so many clusters all agree on 1: Clopper and Pearson (1934), (alpha / 2)^(1 / n)."""
    return (ALPHA / 2) ** (1 / clusters)


@dataclass(frozen=True)
class Bounded:
    """An Interval, on the scale from `low` to `high`, of sum(gained) / sum(weights) of rows (n,) in clusters (n,).

    gained is 0..1 times the weights. `whole` are the weights of a run that is right throughout, where a run's answers
    change them, as with F1. A run that gains no more on any row has neither end higher than another.
    """

    gained: np.ndarray
    weights: np.ndarray
    whole: np.ndarray
    index: np.ndarray
    low: float = 0.0
    high: float = 100.0

    def __call__(self, value: float, statistic: Statistic) -> Ends | None:
        """None for one cluster alone."""
        if distinct(self.index[self.weights > 0]) < 2:
            return None
        ends = 1 - self._most(self.weights - self.gained), self._most(self.gained)
        low, high = (self.low + (self.high - self.low) * end for end in ends)
        return min(low, value), max(high, value)

    def _most(self, lost: np.ndarray) -> float:
        """The upper bound of the share that is lost, at least the one where no row loses anything.

        The cluster that may be lost besides those seen is of the usual size, but no larger than the largest part of one
        that has lost anything: errors that come one by one in large clusters are no errors of whole clusters.
        """
        sizes = self._summed(self.whole)
        usual = (sizes**2).sum() / sizes.sum()  # of the cluster of a row, by the rows
        touched = self._summed(self.weights * (lost > _EDGE)).max()
        bound = most_lost(self._summed(lost), self._summed(self.weights), min(usual, touched))
        return max(bound, 1 - least(sizes.sum() / usual))

    def _summed(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self.index, weights=values)


def most_lost(lost: np.ndarray, size: np.ndarray, more: float) -> float:
    """The upper 97.5 % bound, 0..1, of sum(lost) / sum(size), of clusters with 0 <= lost <= size.

    That of Gaffke (2005, Mathematical Methods of Statistics 14, 437-467; Learned-Miller and Thomas 2019,
    arXiv:1905.06208): the quantile of the mean when each cluster has a random exponential weight, beside one cluster
    more, of size `more`, that is lost. Of single rows that are lost or not it is Clopper and Pearson's. It grows with
    each cluster's loss, as no weight is below 0.
    """
    mean = float(lost.sum() / size.sum())
    if more <= 0 or mean > 1 - _EDGE:
        return round(mean, 8)
    kinds, count = np.unique(np.append(lost, more) + 1j * np.append(size, more), return_counts=True)
    spread = math.sqrt(float(((lost - mean * size) ** 2).sum()) + more**2) / float(size.sum())
    low, high, bound, tilt = mean, 1.0, min(mean + 2 * spread, (mean + 1) / 2), 0.0
    for _ in range(_STEPS):
        tilt, z, slope = _tail(kinds.real - bound * kinds.imag, kinds.imag, count, tilt)
        low, high = (bound, high) if z < NORMAL else (low, bound)
        step = (NORMAL - z) / slope
        bound = bound + step if low < bound + step < high else (low + high) / 2
        if abs(step) < _CLOSE:
            break
    return bound


def _tail(a: np.ndarray, size: np.ndarray, count: np.ndarray, tilt: float) -> tuple[float, float, float]:
    """(tilt, z, dz / dbound), P(sum(E a) > 0) being that of a normal above z; E exponential, `count` of each a.

    The saddlepoint approximation r + log(u / r) / r (Barndorff-Nielsen 1986): of the bound it is within some
    thousandths, even for three clusters. The search for the saddlepoint begins at `tilt`.
    """
    begin, end = low, high = 1 / a.min(), 1 / a.max()
    tilt = tilt if low < tilt < high else 0.0
    for _ in range(_STEPS):
        weight = 1 / (1 - tilt * a)
        first, second = float((count * a * weight).sum()), float((count * (a * weight) ** 2).sum())
        begin, end = (begin, tilt) if first > 0 else (tilt, end)
        if abs(first / second) < _CLOSE * (high - low):
            break
        tilt = tilt - first / second if begin < tilt - first / second < end else (begin + end) / 2
    r = math.copysign(math.sqrt(max(0.0, 2 * float((count * np.log1p(-tilt * a)).sum()))), tilt)
    per_tilt = float((count * size * weight).sum())
    if abs(r) < 1e-5:  # both are 0 where the bound is the mean
        return tilt, r, per_tilt / math.sqrt(second)
    return tilt, r + math.log(tilt * math.sqrt(second) / r) / r, per_tilt * tilt / r
