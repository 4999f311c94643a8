"""Several runs on the same rows: exact tests of right and wrong, many tests at once, and how sure a ranking is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from eval.estimates.clusters import Estimate

DRAWS, SEED = 9_999, 0
LEVEL = 0.05  # at which ranks are told apart


def mcnemar(gained: np.ndarray) -> float:
    """The two-sided p that a sum of whole numbers, one a cluster, is so far from 0 if a coin gives each its sign.

    `gained` are the rows of each cluster that only one run has right less those that only the other has. Where each
    cluster has one row this is McNemar's test (1947) in its exact form, the binomial one; where rows share their media
    it is the same test by exchanges of whole clusters (Fisher 1935), of every exchange there is: the distribution is
    that of the sum of a binomial for each size of |gained|.
    """
    sizes, counts = np.unique(abs(gained[gained != 0]), return_counts=True)
    chances = np.ones(1)  # of the sums, from the least to the greatest possible one, which are as far from 0
    for size, count in zip(sizes.astype(int).tolist(), counts.tolist(), strict=True):
        steps = np.zeros(2 * size * count + 1)
        steps[:: 2 * size] = [math.exp(_log_half_binomial(count, k)) for k in range(count + 1)]
        chances = np.convolve(chances, steps)
    middle, far = len(chances) // 2, int(abs(gained.sum()))
    return 1.0 if far == 0 else min(1.0, 2 * float(chances[middle + far :].sum()))


def _log_half_binomial(n: int, k: int) -> float:
    """The logarithm of the binomial probability of k of n at one half."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2)


def holm(p: Sequence[float]) -> list[float]:
    """The p-values of several tests adjusted so that any is wrong at most as often as it says (Holm 1979)."""
    found, least = [0.0] * len(p), 0.0
    for place, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        least = max(least, min(1.0, (len(p) - place) * p[i]))
        found[i] = least
    return found


def ranks(better: np.ndarray) -> list[tuple[int, int]]:
    """The first and the last rank that each run may have, from flags (k, k) of which run is better than which.

    With flags of tests that hold together these are confidence sets of all ranks at once (Mogstad, Romano, Shaikh and
    Wilhelm 2024, Review of Economic Studies 91, 476-518, section 3).
    """
    k = len(better)
    return [(1 + int(better[:, i].sum()), k - int(better[i].sum())) for i in range(k)]


def first_shares(estimates: Sequence[Estimate], direction: int) -> list[float] | None:
    """The share, 0..1, of DRAWS in which each run is the best; `direction` is -1 where lower is better.

    A draw gives each medium one random weight for all runs: a normal multiplier bootstrap of what the clusters add to
    each value (van der Vaart and Wellner 1996, chapter 2.9), whose draws are normal with the covariance of these.
    None where a variance is not known.
    """
    influence = np.array([estimate.statistic.influence for estimate in estimates])
    if not np.isfinite(influence).all():
        return None
    values = np.array([float(estimate.value or 0.0) for estimate in estimates])
    rng = np.random.default_rng(SEED)
    draws = values + rng.multivariate_normal(np.zeros(len(values)), influence @ influence.T, DRAWS, method="eigh")
    best = direction * draws
    first = best >= best.max(axis=1, keepdims=True) - 1e-9
    return (first / first.sum(axis=1, keepdims=True)).mean(axis=0).tolist()
