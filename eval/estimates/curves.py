"""Average precision, and the true-positive rate at a rate of false positives: functions of the counts above a score."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from eval.estimates.auc import scores_apart
from eval.estimates.bounds import ALPHA, Bounded
from eval.estimates.clusters import Clusters, Ends, Estimate, standard_error
from eval.estimates.intervals import t_quantile

_BLOCK = 2_000_000  # counts at once: bounds the memory for any number of rows
# From the counts of fakes and of reals with at least each score, the highest first, (lines, scores), a value a line.
Of = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Scores:
    """The scores of one run, `p` (n,) in clusters (n,) of `count`.

    Of the exchanges that were asked for last it keeps the counts: one metric after another asks for the same.
    """

    def __init__(self, p: np.ndarray, fake: np.ndarray, clusters: Clusters, rows: np.ndarray):
        self.p, self.fake, self.index, self.count = p, fake, clusters.index[rows], clusters.count
        self._last: tuple[Any, ...] = (None, None, [], [])

    def exchanged(self, other: Scores, swaps: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The fakes and the reals with at least each score of either run, of both runs, and those that exchanges put
        into the other run, (lines, scores)."""
        if self._last[0] is not other or self._last[1] is not swaps:
            p, fake = np.append(self.p, other.p), np.append(self.fake, other.fake)
            order, ends = _order(p)
            cluster, of_other, fakes = np.append(self.index, other.index)[order], order >= len(self.p), fake[order]
            both = [np.cumsum(fakes == of)[ends] for of in (True, False)]
            size = max(1, _BLOCK // len(p))
            blocks = [
                _counts(swaps[i : i + size][:, cluster] ^ of_other, fakes, ends) for i in range(0, len(swaps), size)
            ]
            self._last = other, swaps, both, [np.concatenate(part) for part in zip(*blocks, strict=True)]
        return self._last[2:]


@dataclass(frozen=True)
class Curve:
    """A Statistic: `of` the counts above each score; `each` (n,) is what a row more would change, its influence."""

    scores: Scores
    of: Of
    each: np.ndarray

    @property
    def index(self) -> np.ndarray:
        return self.scores.index

    @cached_property
    def clusters(self) -> int:
        return len(np.unique(self.index))

    @property
    def degrees(self) -> int:
        """One less than the clusters of the rarer class."""
        return min(len(np.unique(self.index[of])) for of in (self.scores.fake, ~self.scores.fake)) - 1

    @cached_property
    def influence(self) -> np.ndarray:
        """By the infinitesimal jackknife of clusters (Efron 1982, chapter 6)."""
        factor = math.sqrt(self.clusters / (self.clusters - 1)) if self.clusters > 1 else math.nan
        return factor * np.bincount(self.index, weights=self.each, minlength=self.scores.count)

    deff: float | None = None  # of the design effect nothing is known

    def apart(self, other: Curve) -> np.ndarray:
        return scores_apart(self.scores, other.scores)

    def swapped(self, other: Curve, swaps: np.ndarray) -> np.ndarray:
        both, that = self.scores.exchanged(other.scores, swaps)
        found, size = [], max(1, _BLOCK // len(both[0]))
        for i in range(0, len(swaps), size):
            some = [part[i : i + size] for part in that]
            found.append(self.of(*(whole - part for whole, part in zip(both, some, strict=True))) - self.of(*some))
        return np.concatenate(found)


def _order(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the order from the highest score to the lowest, the last place of each score in it)."""
    order = np.argsort(-p, kind="stable")
    return order, np.append(np.flatnonzero(np.diff(p[order])), len(p) - 1)


def _counts(chosen: np.ndarray, fake: np.ndarray, ends: np.ndarray) -> list[np.ndarray]:
    """The chosen fakes and the chosen reals up to each score's last place, (lines, scores)."""
    return [np.cumsum(chosen & of, axis=1, dtype=np.int32).take(ends, axis=1) for of in (fake, ~fake)]


def _own(p: np.ndarray, fake: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(hits, alarms, the place of each row's score among the scores) of one run."""
    order, ends = _order(p)
    hits, alarms = _counts(np.ones((1, len(p)), bool), fake[order], ends)
    place = np.empty(len(p), int)
    place[order] = np.searchsorted(ends, np.arange(len(p)))
    return hits, alarms, place


def average_precision_of(hits: np.ndarray, alarms: np.ndarray) -> np.ndarray:
    """sum((recall - recall before) precision) over the scores, 0..100, not interpolated, as scikit-learn has it."""
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(hits > 0, hits / (hits + alarms), 0.0)
        return 100 * (np.diff(hits, axis=1, prepend=0) * precision).sum(axis=1) / hits[:, -1]


def average_precision(scores: Scores) -> Estimate:
    """The mean precision at the scores of the fakes (Manning, Raghavan and Schuetze 2008, section 8.4), 0..100."""
    p, fake = scores.p, scores.fake
    hits, alarms, place = _own(p, fake)
    value = float(average_precision_of(hits, alarms)[0])
    h, a, new = hits[0].astype(float), alarms[0], np.diff(hits[0], prepend=0)
    # What a fake, or a real, more at a score does to the precision at this and all lower ones.
    gains, costs = (np.cumsum((new * part / (h + a) ** 2)[::-1])[::-1][place] for part in (a, h))
    each = np.where(fake, 100 * (h / (h + a))[place] - value + 100 * gains, -100 * costs) / h[-1]
    return Estimate(value, len(p), statistic=Curve(scores, average_precision_of, each), interval=_logit)


def _logit(value: float, statistic: Curve) -> Ends | None:
    """On the scale of the logit; None where nothing varies."""
    error, share = standard_error(statistic), value / 100
    if error is None or statistic.degrees < 1 or not 1e-9 < share < 1 - 1e-9:
        return None
    half = min(t_quantile(statistic.degrees) * error / 100 / (share * (1 - share)), 700.0)
    low, high = (1 / (1 + (1 - share) / share * math.exp(shift)) for shift in (half, -half))
    return 100 * low, 100 * high


def rate_of(level: float) -> Of:
    """The share of fakes, 0..100, above the lowest threshold that no more than `level` of the reals are above."""

    def of(hits: np.ndarray, alarms: np.ndarray) -> np.ndarray:
        allowed = np.floor(level * alarms[:, -1:] + 1e-9)
        with np.errstate(invalid="ignore", divide="ignore"):
            return 100 * np.where(alarms <= allowed, hits, 0).max(axis=1) / hits[:, -1]

    return of


def true_positive_rate(scores: Scores, level: float) -> Estimate:
    """The true-positive rate, 0..100, where at most `level` (0..1) of the reals are false positives (Pepe 2003, 4.2).

    The threshold is one of the reals' own scores, nothing is interpolated. Without a value where one false positive is
    already more than that.
    """
    p, fake = scores.p, scores.fake
    n = int((~fake).sum())
    if n * level < 1 - 1e-9:
        return Estimate(None, len(p), f"not measurable with {n} reals: takes {math.ceil(1 / level - 1e-9):,} or more")
    reals = np.sort(p[~fake])[::-1]
    of = rate_of(level)
    value = float(of(*_own(p, fake)[:2])[0])
    caught = p > _threshold(reals, math.floor(level * n + 1e-9))
    slope = _slope(p[fake], reals, level)
    each = np.where(fake, (100 * caught - value) / fake.sum(), -slope * (100 * (caught - level)) / n)
    at = RateInterval(p, fake, scores.index, level)
    return Estimate(value, len(p), statistic=Curve(scores, of, each), interval=at)


def _threshold(reals: np.ndarray, allowed: int) -> float:
    """The score, of the reals' from the highest on, above which only so many of them are."""
    return float(reals[allowed]) if allowed < len(reals) else -math.inf


def _slope(fakes: np.ndarray, reals: np.ndarray, level: float) -> float:
    """How steep the ROC curve is there, from half to twice the rate."""
    low, high = (np.mean(fakes > _threshold(reals, int(level * times * len(reals)))) for times in (0.5, 2))
    return float(high - low) / (1.5 * level)


@dataclass(frozen=True)
class RateInterval:
    """An Interval of a true-positive rate: distribution-free (Hilgers 1991, Methods of Information in Medicine 30, 96).

    The threshold that lets `level` of all reals through lies, with 95 %, between two of the reals' scores, those of the
    binomial quantiles of as many reals as there are clusters of them; between the lower bound of the share of fakes
    above the one and the upper bound above the other, both Gaffke's, lies the rate. From 0 where it may well be that
    the threshold is above all reals.
    """

    p: np.ndarray
    fake: np.ndarray
    index: np.ndarray
    level: float

    def __call__(self, value: float, statistic: Curve) -> Ends | None:
        from scipy.special import bdtr

        media, reals = len(np.unique(self.index[~self.fake])), np.sort(self.p[~self.fake])[::-1]
        if statistic.degrees < 1:
            return None
        known = bdtr(np.arange(media), media, self.level)  # P(no more than so many media above)
        few = int((known < ALPHA / 2).sum())
        many = int((known < 1 - ALPHA / 2).sum())
        per = len(reals) / media
        low = 0.0 if few == 0 else self._ends(_threshold(reals, int((few - 1) * per)))[0]
        return min(low, value), max(self._ends(_threshold(reals, math.ceil(many * per)))[1], value)

    def _ends(self, threshold: float) -> Ends:
        fakes, index = self.p[self.fake], np.unique(self.index[self.fake], return_inverse=True)[1]
        ones, caught = np.ones(len(fakes)), (fakes > threshold).astype(float)
        found = Bounded(caught, ones, ones, index)(100 * float(caught.mean()), None)  # type: ignore[arg-type]
        return found or (0.0, 100.0)
