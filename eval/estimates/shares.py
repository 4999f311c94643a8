"""Shares of rows, and means over rows, in percent, with their intervals."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial
from typing import TypeVar

import numpy as np

from eval.estimates.clusters import Clusters, Ends, Estimate, Interval
from eval.estimates.intervals import ALPHA, plain, t_quantile
from eval.estimates.sums import Sums, sums

Key = TypeVar("Key", bound=Hashable)
Column = tuple[np.ndarray, np.ndarray]  # numerators and denominators, one entry a row
PERCENT: Interval = partial(plain, low=0.0, high=100.0)  # of means
NEAR = 0.05  # of the scale: a mean so close to an end of it is noted
NEAR_END = (
    "near an end of the scale; the interval knows nothing of failures that are too rare to be among these rows, and is "
    "too short by them"
)
_EDGE = 1e-9


def ratio(totals: np.ndarray) -> np.ndarray:
    """Numerators over denominators, (..., 2) -> (...)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return totals[..., 0] / totals[..., 1]


def kish(weights: np.ndarray) -> float:
    """How many units of equal weight tell as much as these (Kish 1965): (sum w)^2 / sum w^2."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def least(clusters: float) -> float:
    """The lower end, 0..1, where so many clusters all agree on 1: Clopper and Pearson (1934), (alpha / 2)^(1 / n)."""
    return (ALPHA / 2) ** (1 / clusters)


def clopper_pearson(hits: float, n: float) -> Ends:
    """The exact interval, 0..1, of a share of `hits` in n, which need not be whole numbers."""
    from scipy.special import betaincinv

    low = 0.0 if hits <= 0 else betaincinv(hits, n - hits + 1, ALPHA / 2)
    high = 1.0 if hits >= n else betaincinv(hits + 1, n - hits, 1 - ALPHA / 2)
    return float(low), float(high)


def korn_graubard(value: float, statistic: Sums, rows: float, clusters: float) -> Ends | None:
    """The interval of a share in percent (Korn and Graubard 1998, Survey Methodology 24, 193-201).

    Clopper and Pearson's on the effective number of rows, p (1 - p) / variance, times (t of rows - 1 / t of clusters -
    1)^2; the variance is at least that of independent rows. It never ends closer to 0 or 100 than where as many
    clusters all agree: a run with an error does not tell more of the errors to come than one without. None for one
    cluster alone.
    """
    if statistic.clusters < 2:
        return None
    p, least_of_all = value / 100, least(clusters)
    if p < _EDGE or p > 1 - _EDGE:
        return (0.0, 100 * (1 - least_of_all)) if p < _EDGE else (100 * least_of_all, 100.0)
    variance = max(statistic.variance, statistic.independent) / 100**2
    if not variance > 0:  # it hangs on one cluster
        return None
    n = p * (1 - p) / variance * (t_quantile(max(1, round(rows) - 1)) / t_quantile(statistic.degrees)) ** 2
    low, high = clopper_pearson(p * n, n)
    return 100 * min(low, least_of_all), 100 * max(high, 1 - least_of_all)


def share_interval(weights: np.ndarray, statistic: Sums) -> Interval:
    """Korn and Graubard's interval for rows of these weights."""
    of_clusters = np.bincount(statistic.index, weights=weights, minlength=statistic.count)
    return partial(korn_graubard, rows=kish(weights), clusters=kish(of_clusters))


def shares(columns: Mapping[Key, Column], clusters: Clusters, rows: np.ndarray) -> dict[Key, Estimate]:
    """Estimate the percentage sum(numerator) / sum(denominator) of each column, one line of it for each of `rows`.

    A row's numerator is 0 or 100 times its denominator: the rows are counted. `means` is for other numerators.
    """
    return {key: _measured(column, clusters, rows, share=True) for key, column in columns.items()}


def means(columns: Mapping[Key, Column], clusters: Clusters, rows: np.ndarray) -> dict[Key, Estimate]:
    """As `shares`, of numerators that may be anything of 0..100 times the denominator; with an interval by t."""
    return {key: _measured(column, clusters, rows, share=False) for key, column in columns.items()}


def _measured(column: Column, clusters: Clusters, rows: np.ndarray, share: bool) -> Estimate:
    up, down = (np.asarray(part, float) for part in column)
    n = int(np.count_nonzero(down))
    if n == 0:
        return Estimate(None, 0, "no row to measure it on")
    statistic = sums(np.column_stack([up, down]), ratio, clusters, rows)
    value = float(up.sum()) / float(down.sum())
    if share:
        return Estimate(value, n, statistic=statistic, interval=share_interval(down, statistic))
    return Estimate(value, n, statistic=statistic, interval=PERCENT, more=_noted(value, 0.0, 100.0))


def _noted(value: float, low: float, high: float) -> dict[str, str]:
    return {"note": NEAR_END} if min(value - low, high - value) < NEAR * (high - low) else {}


def mean(values: np.ndarray, clusters: Clusters, rows: np.ndarray, low: float, high: float) -> Estimate:
    """The mean of `values`, one for each of `rows` (at least one), on a scale from low to high."""
    statistic = sums(np.column_stack([values, np.ones(len(values))]), ratio, clusters, rows)
    value, interval = float(np.mean(values)), partial(plain, low=low, high=high)
    return Estimate(value, len(values), statistic=statistic, interval=interval, more=_noted(value, low, high))
