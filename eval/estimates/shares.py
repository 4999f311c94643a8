"""Shares of rows, and means over rows, with their intervals."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy as np

from eval.estimates.bounds import Bounded
from eval.estimates.clusters import Clusters, Estimate
from eval.estimates.sums import sums

Key = TypeVar("Key", bound=Hashable)
Column = tuple[np.ndarray, np.ndarray]  # numerators and denominators, one entry a row
NEAR = 0.05  # of the scale: a mean so close to an end of it is noted
NEAR_END = (
    "near an end of the scale; failures that are too rare to be among these rows are not in the value: the interval "
    "allows for them, as for a medium more that fails throughout, and is long where there are few media"
)


def ratio(totals: np.ndarray) -> np.ndarray:
    """Numerators over denominators, (..., 2) -> (...)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return totals[..., 0] / totals[..., 1]


def shares(columns: Mapping[Key, Column], clusters: Clusters, rows: np.ndarray) -> dict[Key, Estimate]:
    """Estimate the percentage sum(numerator) / sum(denominator) of each column, one line of it for each of `rows`.

    A row's numerator is of 0..100 times its denominator.
    """
    return {key: share(column, clusters, rows) for key, column in columns.items()}


def share(column: Column, clusters: Clusters, rows: np.ndarray, whole: np.ndarray | None = None) -> Estimate:
    """One of them; `whole` are the denominators of a run that is right throughout, where a run changes them."""
    up, down = (np.asarray(part, float) for part in column)
    n = int(np.count_nonzero(down))
    if n == 0:
        return Estimate(None, 0, "no row to measure it on")
    statistic = sums(np.column_stack([up, down]), ratio, clusters, rows)
    interval = Bounded(up / 100, down, down if whole is None else whole, statistic.index)
    value = float(up.sum()) / float(down.sum())
    counted = ((up == 0) | (up == 100 * down)).all()
    return Estimate(value, n, statistic=statistic, interval=interval, more={} if counted else _noted(value, 0, 100))


def mean(values: np.ndarray, clusters: Clusters, rows: np.ndarray, low: float, high: float) -> Estimate:
    """The mean of `values`, one for each of `rows` (at least one), on a scale from low to high."""
    ones = np.ones(len(values))
    statistic = sums(np.column_stack([values, ones]), ratio, clusters, rows)
    interval = Bounded((values - low) / (high - low), ones, ones, statistic.index, low, high)
    value = float(np.mean(values))
    return Estimate(value, len(values), statistic=statistic, interval=interval, more=_noted(value, low, high))


def _noted(value: float, low: float, high: float) -> dict[str, str]:
    return {"note": NEAR_END} if min(value - low, high - value) < NEAR * (high - low) else {}
