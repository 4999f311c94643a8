"""Several trainings that differ in their seed alone, on the same rows: their mean, and what another seed would change.

Seeds and clusters of rows are crossed: each run answers every row. The variance of a mean over S runs is taken as

    V = V_rows + V_seeds,   V_rows = sum over clusters of (mean over runs of what the cluster adds)^2,
                            V_seeds = s^2 / S, s^2 the variance of the runs' values,

with Satterthwaite's degrees of freedom (1946, Biometrics Bulletin 2, 110-114), V^2 / (V_rows^2 / (clusters - 1) +
V_seeds^2 / (S - 1)): with three seeds between 2, where seeds matter most, and those of the rows. What varies with both,
a row that one seed has right and another wrong, is in both parts; the two-way variance of Cameron, Gelbach and Miller
(2011, Journal of Business & Economic Statistics 29, 238-249) takes it off once, which three seeds are too few to
estimate. So the interval is rather too long than too short (tests/estimates/test_coverage.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Protocol

import numpy as np

from eval.estimates.clusters import Estimate, rounded, standard_error
from eval.estimates.intervals import plain
from eval.estimates.permutation import NOT_MEASURED, difference


@dataclass(frozen=True)
class Seeds:
    """A Spread: the mean of the values (S,) of S >= 2 runs, whose clusters add `rows` (S, count) to them."""

    values: np.ndarray
    rows: np.ndarray
    clusters: int
    of_rows: float  # degrees of freedom of V_rows
    deff: float | None = None

    @cached_property
    def parts(self) -> tuple[np.ndarray, np.ndarray]:
        """What clusters and what seeds add: the squares of each add up to V_rows and V_seeds."""
        apart = (self.values - self.values.mean()) / math.sqrt(len(self.values) * (len(self.values) - 1))
        return self.rows.mean(0), apart

    @property
    def influence(self) -> np.ndarray:
        """Of each cluster of the file, then of each seed."""
        return np.concatenate(self.parts)

    @property
    def degrees(self) -> float:
        """Satterthwaite's; of the rows where seeds change nothing."""
        rows, seeds = (float((part**2).sum()) for part in self.parts)
        spread = rows**2 / self.of_rows + seeds**2 / (len(self.values) - 1)
        return (rows + seeds) ** 2 / spread if spread > 0 else self.of_rows

    def minus(self, other: Seeds) -> Seeds:
        """The differences of two groups' runs, the k-th of one from the k-th of the other."""
        of_rows, clusters = min(self.of_rows, other.of_rows), min(self.clusters, other.clusters)
        return Seeds(self.values - other.values, self.rows - other.rows, clusters, of_rows)


class Scale(Protocol):
    """The ends between which a metric lies."""

    @property
    def low(self) -> float: ...

    @property
    def high(self) -> float: ...


def over_seeds(runs: Sequence[Mapping[str, Estimate]], scales: Mapping[str, Scale]) -> dict[str, Estimate]:
    """The mean of each metric over two or more runs, without a value where one of them has none."""
    return {name: _mean([run[name] for run in runs], scales[name]) for name in runs[0]}


def _mean(runs: Sequence[Estimate], scale: Scale) -> Estimate:
    n = min(run.n for run in runs)
    values = [run.value for run in runs if run.value is not None]
    if len(values) < len(runs):
        return Estimate(None, n, next(run.reason for run in runs if run.value is None))
    each = [run.statistic for run in runs]
    statistic = Seeds(
        np.array(values),
        np.array([one.influence for one in each]),
        min(one.clusters for one in each),
        min(one.degrees for one in each),
    )
    rows, seeds = (rounded(math.sqrt((part**2).sum())) for part in statistic.parts)
    told = {"values": [rounded(value) for value in values], "se_rows": rows, "se_seeds": seeds}
    interval = partial(plain, low=scale.low, high=scale.high)
    return Estimate(float(np.mean(values)), n, statistic=statistic, interval=interval, more={"seeds": told})


def differences_over_seeds(
    this: Mapping[str, Estimate], other: Mapping[str, Estimate], spans: Mapping[str, float]
) -> dict[str, Any]:
    """name -> this - other of each metric, as permutation.differences has them, with p of Student's t: three seeds are
    too few to exchange.

    Where nothing varies, p is that of so many seeds that all have one sign; 1 where one cluster alone was measured.
    """
    return {name: _difference(this[name], other.get(name, NOT_MEASURED), spans[name]) for name in this}


def _difference(this: Estimate, other: Estimate, span: float) -> dict[str, Any]:
    if this.value is None or other.value is None:
        return difference(this, other, math.nan, 0, None, span)
    apart: Seeds = this.statistic.minus(other.statistic)
    error = standard_error(apart)
    if error is None:
        certain = apart.values.any() and not apart.influence.any()
        degrees, p = 0.0, 2.0 ** (1 - len(apart.values)) if certain else 1.0
    else:
        degrees = apart.degrees
        p = 2 * tail(abs(this.value - other.value) / error, degrees)
    told = {"values": [rounded(value) for value in apart.values], "degrees": rounded(degrees)}
    return difference(this, other, error or 0.0, degrees, p, span) | {"p_value": float(f"{p:.4g}"), "seeds": told}


def tail(t: float, degrees: float) -> float:
    """The probability that Student's t exceeds t >= 0."""
    from scipy.special import stdtr

    return float(stdtr(degrees, -t))
