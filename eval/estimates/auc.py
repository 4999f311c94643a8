"""The area under the ROC curve, with its variance over clusters and its value after an exchange of answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from eval.estimates.bounds import least
from eval.estimates.clusters import Clusters, Ends, Estimate, design_effect, distinct, standard_error
from eval.estimates.intervals import t_quantile
from eval.estimates.statistics import roc_auc
from eval.estimates.swaps import Swaps


@dataclass(frozen=True)
class Ranking:
    """A Statistic: the AUC, 0..100, of scores `p` (n,) of fakes against those of reals, in clusters (n,) of `count`."""

    p: np.ndarray
    fake: np.ndarray
    index: np.ndarray
    count: int

    @cached_property
    def placements(self) -> np.ndarray:
        """The share, 0..1, of the other class that each row is in order with (DeLong et al. 1988); ties count half."""
        found = np.empty(len(self.p))
        for of, others in ((self.fake, ~self.fake), (~self.fake, self.fake)):
            found[of] = _shares_below(self.p[of], np.sort(self.p[others]))
        found[~self.fake] = 1 - found[~self.fake]
        return found

    def _of_classes(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """For fakes and for reals the flags of their rows, and of the clusters that hold some."""
        return [(of, np.bincount(self.index, weights=of, minlength=self.count) > 0) for of in (self.fake, ~self.fake)]

    def _influence(self, index: np.ndarray, sizes: Sequence[int], count: int) -> np.ndarray:
        """The weighted deviations of the placements, summed by `index`, for classes in so many clusters."""
        found = np.zeros(count)
        for (of, _), clusters in zip(self._of_classes(), sizes, strict=True):
            apart = (self.placements[of] - self.placements[of].mean()) / of.sum()
            factor = math.sqrt(clusters / (clusters - 1)) if clusters > 1 else math.nan
            found += factor * np.bincount(index[of], weights=apart, minlength=count)
        return 100 * found

    @cached_property
    def sizes(self) -> list[int]:
        """The clusters with fakes, and those with reals."""
        return [int(clusters.sum()) for _, clusters in self._of_classes()]

    @cached_property
    def influence(self) -> np.ndarray:
        """By the structural components of clustered data (Obuchowski 1997, Biometrics 53, 567-578)."""
        return self._influence(self.index, self.sizes, self.count)

    @cached_property
    def clusters(self) -> int:
        return distinct(self.index)

    @property
    def degrees(self) -> int:
        return min(self.sizes) - 1

    @cached_property
    def pairs(self) -> int:
        """How many pairs of a fake and a real of other clusters there are at least that have no cluster in common."""
        return max(1, min(*self.sizes, self.clusters // 2))

    @cached_property
    def deff(self) -> float | None:
        if self.clusters == len(self.p):
            return 1.0
        rows = self._influence(np.arange(len(self.p)), [int(self.fake.sum()), int((~self.fake).sum())], len(self.p))
        return design_effect((self.influence**2).sum(), (rows**2).sum())

    @property
    def area(self) -> float:
        return 100 * float(self.placements[self.fake].mean())

    def apart(self, other: Ranking) -> np.ndarray | None:
        return scores_apart(self, other)

    def changes(self, other: Ranking) -> np.ndarray:
        """By the placements of both runs' scores among those of both, (clusters, 1).

        Of a pair of a fake and a real, what the exchange of both of them does to the difference of the runs' areas is
        the sum of what the exchange of each alone does; so the difference is linear in the exchanges.
        """
        found = np.zeros(self.count)
        for of, others, sign in ((self.fake, ~self.fake, -200), (~self.fake, self.fake, 200)):
            against = np.sort(np.append(self.p[others], other.p[others]))
            apart = _shares_below(self.p[of], against) - _shares_below(other.p[of], against)
            found += sign / of.sum() * np.bincount(self.index[of], weights=apart, minlength=self.count)
        return found[:, None]

    def swapped(self, other: Ranking, change: np.ndarray, swaps: Swaps) -> np.ndarray:
        return self.area - other.area + change[:, 0]


@dataclass(frozen=True)
class Average:
    """A Statistic: the mean of several AUCs of one file."""

    rankings: Sequence[Ranking]

    @cached_property
    def influence(self) -> np.ndarray:
        return np.mean([ranking.influence for ranking in self.rankings], axis=0)

    @cached_property
    def clusters(self) -> int:
        return distinct(np.concatenate([ranking.index for ranking in self.rankings]))

    @property
    def degrees(self) -> int:
        return min(ranking.degrees for ranking in self.rankings)

    @property
    def pairs(self) -> int:
        return min(ranking.pairs for ranking in self.rankings)

    deff: float | None = None  # its parts share rows: it has no number of independent ones

    def apart(self, other: Average) -> np.ndarray | None:
        found = [this.apart(that) for this, that in zip(self.rankings, other.rankings, strict=True)]
        known = [flags for flags in found if flags is not None]
        return np.any(known, axis=0) if len(known) == len(found) else None

    def changes(self, other: Average) -> np.ndarray:
        return np.mean([this.changes(that) for this, that in zip(self.rankings, other.rankings, strict=True)], axis=0)

    def swapped(self, other: Average, change: np.ndarray, swaps: Swaps) -> np.ndarray:
        here, there = (np.mean([ranking.area for ranking in of.rankings]) for of in (self, other))
        return here - there + change[:, 0]


def scores_apart(this: Any, other: Any) -> np.ndarray | None:
    """The clusters in which the scores `p` of two runs differ; None, where their rows or the truth of these do."""
    if not (np.array_equal(this.index, other.index) and np.array_equal(this.fake, other.fake)):
        return None
    return np.bincount(this.index, weights=this.p != other.p, minlength=this.count) > 0


def _shares_below(scores: np.ndarray, against: np.ndarray) -> np.ndarray:
    """Of each score the share, 0..1, of others, in order, that are below it; ties count half."""
    below, upto = (np.searchsorted(against, scores, side) for side in ("left", "right"))
    return (below + upto) / (2 * len(against))


def logit(value: float, statistic: Any) -> Ends | None:
    """On the scale of the logit, logit(AUC) +- t se / (AUC (1 - AUC)) (Pepe 2003, 5.2), in percent.

    As with shares it never ends closer to 0 or 100 than where as many independent pairs of a fake and a real are all in
    order, which is also the interval of an AUC of 0 or of 100: each such pair is, with a probability of AUC. None where
    a class stands in one cluster alone.
    """
    if statistic.degrees < 1:
        return None
    area, least_of_all = value / 100, least(statistic.pairs)
    if not 1e-9 < area < 1 - 1e-9:
        return (0.0, 100 * (1 - least_of_all)) if area < 0.5 else (100 * least_of_all, 100.0)
    if (error := standard_error(statistic)) is None:
        return None
    half = t_quantile(statistic.degrees) * error / 100 / (area * (1 - area))
    low, high = (1 / (1 + (1 - area) / area * math.exp(min(shift, 700))) for shift in (half, -half))
    return 100 * min(low, least_of_all), 100 * max(high, 1 - least_of_all)


def auc(p: np.ndarray, fake: np.ndarray, clusters: Clusters, rows: np.ndarray) -> Estimate:
    """The area under the ROC curve of P(fake), 0..100, or the reason why there is none."""
    if fake.all() or not fake.any():
        return Estimate(None, len(p), "all rows are real" if not fake.any() else "all rows are fake")
    statistic = Ranking(p, fake, clusters.index[rows], clusters.count)
    return Estimate(100 * roc_auc(fake, p), len(p), statistic=statistic, interval=logit)
