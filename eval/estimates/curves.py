"""Average precision, and the true-positive rate at a rate of false positives: functions of the counts above a score."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from eval.estimates.auc import scores_apart
from eval.estimates.bounds import ALPHA, Bounded
from eval.estimates.clusters import Clusters, Ends, Estimate, distinct, standard_error
from eval.estimates.intervals import t_quantile
from eval.estimates.swaps import Swaps


class Step(NamedTuple):
    """Of the fakes, and of all rows, with at least a score: how many more this run has, (lines,), and how many both.

    Whole numbers, of 32 bits: half as long as floating-point ones, they take half the time.

    `gained` is what the score adds to this run's lead in fakes, `alone` whether it is of one fake and of nothing else.
    """

    lead: np.ndarray
    ahead: np.ndarray
    gained: np.ndarray
    fakes: int
    rows: int
    alone: bool


Steps = Iterator[Step]  # from the highest scores on; each holds until the next


class Scores:
    """The scores of one run, `p` (n,) in clusters (n,) of `count`."""

    def __init__(self, p: np.ndarray, fake: np.ndarray, clusters: Clusters, rows: np.ndarray):
        self.p, self.fake, self.index, self.count = p, fake, clusters.index[rows], clusters.count

    @cached_property
    def own(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(the fakes, the reals with at least each score, the highest first; the place of each row's among these)."""
        order = np.argsort(-self.p, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(self.p[order])), len(order) - 1)
        place = np.empty(len(order), int)
        place[order] = np.searchsorted(ends, np.arange(len(order)))
        hits = np.cumsum(self.fake[order])[ends]
        return hits, ends + 1 - hits, place


class Merged:
    """The scores of two runs, the highest first; from `begin` on, the one of the real behind the first `few`, they are
    gone through one by one, what is above is counted at once."""

    def __init__(self, this: Scores, other: Scores):
        p = np.append(this.p, other.p)
        order = np.argsort(-p, kind="stable")
        self.p, self.fake, self.count = p[order], np.append(this.fake, other.fake)[order], this.count
        self.cluster, self.of_other = np.append(this.index, other.index)[order], order >= len(this.p)

    def begin(self, few: int) -> int:
        return int(np.searchsorted(-self.p, -self.p[~self.fake][few]))

    def above(self, few: int) -> np.ndarray:
        """The fakes and the reals above `begin`, of this run and of the other, by cluster, (2, 2, clusters)."""
        found, begin = np.zeros((2, 2, self.count)), self.begin(few)
        rows = (~self.fake[:begin]).astype(int), self.of_other[:begin].astype(int)
        np.add.at(found, (*rows, self.cluster[:begin]), 1)
        return found

    def steps(self, few: int, change: np.ndarray, swaps: Swaps) -> Steps:
        """The counts above `begin`, which exchanges change by `change` (lines, 2), and at each score of a fake below;
        they hold until the next step."""
        above = self.above(few).sum(2)
        fakes, rows = int(above[0].sum()), int(above.sum())
        counts = above[0, 0] + change[:, 0], above[:, 0].sum() + change.sum(1)
        lead, ahead = ((2 * count - of).astype(np.int32) for count, of in zip(counts, (fakes, rows), strict=True))
        yield Step(lead, ahead, lead, fakes, rows, False)
        last = np.append(np.diff(self.p) != 0, True)  # of the rows with its score
        first, score = np.append(True, last[:-1]), np.cumsum(last) - last
        shown = last & (np.bincount(score, weights=self.fake) > 0)[score]
        some = slice(self.begin(few), int(np.searchsorted(-self.p, -self.p[self.fake].min(), "right")))
        facts = (self.fake, self.cluster, self.of_other, first & last, first, shown)
        of, gained = swaps.sides(), np.empty_like(lead)
        for fake, cluster, of_other, alone, begins, ends in zip(*(fact[some].tolist() for fact in facts), strict=True):
            side = of(cluster, of_other)
            ahead += side
            rows += 1
            if begins and not alone:
                gained[:] = 0
            if fake:
                lead += side
                fakes += 1
                if not alone:
                    gained += side
            if ends:
                yield Step(lead, ahead, side if alone else gained, fakes, rows, alone)


merged = lru_cache(1)(Merged)  # the curves of one pair of runs are exchanged one behind another


@dataclass(frozen=True)
class Curve:
    """A Statistic: a value that follows from the counts of fakes and reals above each score.

    Of two runs `down` has the difference; `each` (n,) is what a row more would change, its influence. `few` reals are
    too few to change it.
    """

    scores: Scores
    down: Callable[[Steps], np.ndarray]
    each: np.ndarray
    few: int = 0

    @property
    def index(self) -> np.ndarray:
        return self.scores.index

    @cached_property
    def clusters(self) -> int:
        return distinct(self.index)

    @property
    def degrees(self) -> int:
        """One less than the clusters of the rarer class."""
        return min(distinct(self.index[of]) for of in (self.scores.fake, ~self.scores.fake)) - 1

    @cached_property
    def influence(self) -> np.ndarray:
        """By the infinitesimal jackknife of clusters (Efron 1982, chapter 6)."""
        factor = math.sqrt(self.clusters / (self.clusters - 1)) if self.clusters > 1 else math.nan
        return factor * np.bincount(self.index, weights=self.each, minlength=self.scores.count)

    deff: float | None = None  # of the design effect nothing is known

    def apart(self, other: Curve) -> np.ndarray | None:
        return scores_apart(self.scores, other.scores)

    def changes(self, other: Curve) -> np.ndarray:
        """The fakes and the reals above where the scores are gone through one by one, (clusters, 2)."""
        above = merged(self.scores, other.scores).above(self.few)
        return (above[:, 1] - above[:, 0]).T

    def swapped(self, other: Curve, change: np.ndarray, swaps: Swaps) -> np.ndarray:
        steps = merged(self.scores, other.scores).steps(self.few, change, swaps)
        return 100 * self.down(steps) / self.scores.fake.sum()


def precisions(steps: Steps) -> np.ndarray:
    """sum(hits gained at a score times its precision), this - other; above the first real it is 1."""
    begin = next(steps)
    found, before = begin.lead.astype(float), begin.fakes
    hits, gains, others = np.empty_like(begin.lead), np.empty_like(found), np.empty_like(found)
    for lead, ahead, gained, fakes, rows, alone in steps:  # in place, as new arrays would take most of the time
        if alone:  # a precision of this run, where it gains, or less one of the other
            np.multiply(gained, fakes, out=hits)
            hits += lead
            gained *= ahead
            gained += rows
            np.divide(hits, gained, out=gains)
        else:
            np.add(fakes, lead, out=gains)
            gains *= 0.5 * (fakes - before + gained)
            gains /= np.maximum(rows + ahead, 1)
            np.subtract(fakes, lead, out=others)
            others *= 0.5 * (fakes - before - gained)
            others /= np.maximum(rows - ahead, 1)
            gains -= others
        found += gains
        before = fakes
    return found


def average_precision_of(hits: np.ndarray, alarms: np.ndarray) -> float:
    """sum((recall - recall before) precision) over the scores, 0..100, not interpolated, as scikit-learn has it."""
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(hits > 0, hits / (hits + alarms), 0.0)
    return float(100 * (np.diff(hits, prepend=0) * precision).sum() / hits[-1])


def average_precision(scores: Scores) -> Estimate:
    """The mean precision at the scores of the fakes (Manning, Raghavan and Schuetze 2008, section 8.4), 0..100."""
    p, fake = scores.p, scores.fake
    hits, a, place = scores.own
    value = average_precision_of(hits, a)
    h, new = hits.astype(float), np.diff(hits, prepend=0)
    # What a fake, or a real, more at a score does to the precision at this and all lower ones.
    gains, costs = (np.cumsum((new * part / (h + a) ** 2)[::-1])[::-1][place] for part in (a, h))
    each = np.where(fake, 100 * (h / (h + a))[place] - value + 100 * gains, -100 * costs) / h[-1]
    return Estimate(value, len(p), statistic=Curve(scores, precisions, each), interval=_logit)


def _logit(value: float, statistic: Curve) -> Ends | None:
    """On the scale of the logit; None where nothing varies."""
    error, share = standard_error(statistic), value / 100
    if error is None or statistic.degrees < 1 or not 1e-9 < share < 1 - 1e-9:
        return None
    half = min(t_quantile(statistic.degrees) * error / 100 / (share * (1 - share)), 700.0)
    low, high = (1 / (1 + (1 - share) / share * math.exp(shift)) for shift in (half, -half))
    return 100 * low, 100 * high


def rates(allowed: int) -> Callable[[Steps], np.ndarray]:
    """The fakes above the lowest threshold that no more than `allowed` reals are above, this - other."""

    def down(steps: Steps) -> np.ndarray:
        begin = next(steps)
        found = [begin.fakes + sign * begin.lead for sign in (1, -1)]  # twice as many
        for lead, ahead, _, fakes, rows, _ in steps:
            under = False
            for hits, sign in zip(found, (1, -1), strict=True):  # of this run and of the other
                few = rows - fakes + sign * (ahead - lead) <= 2 * allowed
                np.copyto(hits, fakes + sign * lead, where=few)
                under |= bool(few.any())
            if not under:
                break
        return (found[0] - found[1]) / 2

    return down


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
    allowed = math.floor(level * n + 1e-9)
    hits, alarms, _ = scores.own
    value = 100 * float(hits[alarms <= allowed].max(initial=0) / hits[-1])
    caught = p > _threshold(reals, allowed)
    slope = _slope(p[fake], reals, level)
    each = np.where(fake, (100 * caught - value) / fake.sum(), -slope * (100 * (caught - level)) / n)
    at = RateInterval(p, fake, scores.index, level)
    return Estimate(value, len(p), statistic=Curve(scores, rates(allowed), each, allowed), interval=at)


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

        media, reals = distinct(self.index[~self.fake]), np.sort(self.p[~self.fake])[::-1]
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
