"""The expected calibration error, which is above 0 for a calibrated model too: how far above, and without that."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from eval.estimates.clusters import Clusters, Ends, Estimate, rounded, standard_error
from eval.estimates.intervals import t_quantile
from eval.estimates.sums import Sums, sums

BINS = 15
COLDEST = 0.05  # of the temperatures that are looked at


def bins_of(p: np.ndarray) -> np.ndarray:
    """The bin, 0..BINS - 1, of each probability; a bin holds its lower edge, the last one also 1."""
    return np.digitize(p, np.linspace(0, 1, BINS + 1)[1:-1])


def ece_of(totals: np.ndarray) -> np.ndarray:
    """ECE of sums (..., BINS + 1): of P(fake) - truth in each bin, and the rows."""
    with np.errstate(invalid="ignore"):
        return abs(totals[..., :BINS]).sum(-1) / totals[..., BINS]


def folded(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """E|x| of a normal x: the mean of the folded normal distribution (Leone et al. 1961)."""
    from scipy.special import erf

    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.where(deviation > 0, abs(mean) / deviation, np.inf)
    return deviation * math.sqrt(2 / math.pi) * np.exp(-(z**2) / 2) + abs(mean) * erf(z / math.sqrt(2))


@dataclass(frozen=True)
class Gaps:
    """The bins of P(fake), by cluster: sums of P(fake) - truth, rows, and deviations of the truth, (clusters, BINS).

    A deviation is that of a calibrated model's truth, sqrt(P(fake) (1 - P(fake))), summed: rows of a cluster are of one
    medium, and so have one truth.
    """

    gaps: np.ndarray
    rows: np.ndarray
    deviations: np.ndarray

    @cached_property
    def n(self) -> float:
        return float(self.rows.sum())

    @cached_property
    def calibrated(self) -> tuple[float, float]:
        """Mean and deviation of the ECE of a calibrated model with these P(fake), whose gaps are normal around 0."""
        variance = np.maximum((self.gaps**2).sum(0), (self.deviations**2).sum(0))
        mean = math.sqrt(2 / math.pi) * np.sqrt(variance).sum() / self.n
        return float(mean), math.sqrt((1 - 2 / math.pi) * variance.sum()) / self.n

    @cached_property
    def deviation(self) -> np.ndarray:
        """Of the sum of each bin, (BINS,): over its clusters, and at least that of a calibrated model."""
        held = (self.rows > 0).sum(0)
        apart = self.gaps - self.rows * self.gaps.sum(0) / np.maximum(self.rows.sum(0), 1)
        variance = np.where(held > 1, (apart**2).sum(0) * held / np.maximum(held - 1, 1), 0)
        return np.sqrt(np.maximum(variance, (self.deviations**2).sum(0)))

    @cached_property
    def debiased(self) -> float:
        """ECE less its bias, E|x| - |gap| for a normal x of a bin's gap and variance, and at least 0.

        That is the estimate of Kumar, Liang and Ma (2019, "Verified uncertainty calibration", appendix on the l1 error)
        in closed form, with variances over clusters in place of binomial ones.
        """
        total = self.gaps.sum(0)
        return max(0.0, float((2 * abs(total) - folded(total, self.deviation)).sum()) / self.n)

    def interval(self, value: float, statistic: Sums) -> Ends | None:
        """debiased +- t se within 0..1; from 0 where a calibrated model may show as much, and up to the value at least.

        se is that of the gaps, or by the jackknife where that is larger.
        """
        if (error := standard_error(statistic)) is None:
            return None
        t, (usual, deviation) = t_quantile(statistic.degrees), self.calibrated
        half = t * max(error, math.sqrt((self.deviation**2).sum()) / self.n)
        low = 0.0 if value <= usual + t * deviation else max(0.0, self.debiased - half)
        return low, min(1.0, max(value, self.debiased + half))


def ece(p: np.ndarray, fake: np.ndarray, clusters: Clusters, rows: np.ndarray) -> Estimate:
    """|mean P(fake) - share of fakes| over BINS equal bins, weighted by their rows (Naeini et al. 2015), 0..1.

    Beside it stand `debiased`, of which the interval is, and `calibrated`, the ECE to be expected of a calibrated model
    with these P(fake).
    """
    bins = bins_of(p)
    parts = np.zeros((len(p), BINS + 1))
    parts[np.arange(len(p)), bins] = p - fake
    parts[:, BINS] = 1
    statistic = sums(parts, ece_of, clusters, rows)
    counts, deviations = np.zeros((2, statistic.count, BINS))
    np.add.at(counts, (statistic.index, bins), 1)
    np.add.at(deviations, (statistic.index, bins), np.sqrt(p * (1 - p)))
    found = Gaps(statistic.totals[:, :BINS], counts, deviations)
    more = {"debiased": rounded(found.debiased), "calibrated": rounded(found.calibrated[0])}
    value = float(ece_of(parts.sum(0)))
    return Estimate(value, len(p), statistic=statistic, interval=found.interval, more=more)


def logits(p: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)), of probabilities that are neither 0 nor 1 by more than 1e-7."""
    inside = np.clip(p, 1e-7, 1 - 1e-7)
    return np.log(inside / (1 - inside))


def tempered(p: np.ndarray, temperature: float) -> np.ndarray:
    """P(fake) of the logits over a temperature: above 1 it makes less sure, and never changes the order."""
    return 1 / (1 + np.exp(-logits(p) / temperature))


def fit_temperature(p: np.ndarray, fake: np.ndarray) -> float:
    """The temperature, COLDEST to its inverse, with the least log loss of P(fake) (Guo et al. 2017, section 4.2).

    The loss is convex in 1 / T, with the derivative sum((P_T(fake) - fake) logit): halved intervals find its zero.
    """
    z, (low, high) = logits(p), (COLDEST, 1 / COLDEST)
    for _ in range(60):
        middle = math.sqrt(low * high)
        falling = float(((tempered(p, 1 / middle) - fake) * z).sum()) < 0
        low, high = (middle, high) if falling else (low, middle)
    return 1 / math.sqrt(low * high)
