"""Average precision and the true-positive rate at a rate of false positives, by hand, by the library, by simulation."""

import numpy as np
import pytest

from eval.estimates.clusters import Clusters
from eval.estimates.curves import Scores, average_precision, true_positive_rate
from tests.estimates.test_permutation import difference
from tests.scoring import exchanged


def alone(p, fake, function, *level):
    p, fake = np.array(p, float), np.array(fake, bool)
    clusters = Clusters([f"{i:05}" for i in range(len(p))])
    return function(Scores(p, fake, clusters, np.arange(len(p))), *level)


def test_average_precision_by_hand():
    """Fakes at 0.9, 0.7 and 0.1, reals at 0.8 and 0.2: precisions 1, 2 / 3 and 3 / 5."""
    found = alone([0.9, 0.8, 0.7, 0.2, 0.1], [1, 0, 1, 0, 1], average_precision)
    assert found.value == pytest.approx(100 * (1 + 2 / 3 + 3 / 5) / 3)


@pytest.mark.parametrize("levels", [4, 1000])
def test_average_precision_is_scikit_learns_and_its_variance_the_jackknifes(levels):
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(levels)
    fake = rng.random(300) < 0.4
    p = np.clip(rng.normal(0.4 + 0.2 * fake, 0.2), 0, 1)
    p = np.round(p * levels) / levels
    found = alone(p, fake, average_precision)
    assert found.value == pytest.approx(100 * average_precision_score(fake, p))
    without = np.array([average_precision_score(np.delete(fake, i), np.delete(p, i)) for i in range(300)])
    variance = 100**2 * (1 - 1 / 300) * ((without - without.mean()) ** 2).sum()
    assert (found.statistic.influence**2).sum() == pytest.approx(variance, rel=0.05)
    low, high = found.ends()
    assert 0 < low < found.value < high < 100


def test_true_positive_rate_by_hand():
    """Of 200 reals at 0, 0.001, … two may be above: the threshold is the third, 0.197, and what ties is not above."""
    reals = [i / 1000 for i in range(200)]
    fakes = [0.197] * 10 + [0.1975] * 20 + [0.9] * 10
    found = alone(reals + fakes, [0] * 200 + [1] * 40, true_positive_rate, 0.01)
    assert found.value == 75
    assert found.ends()[0] == 0  # with 200 reals the threshold may well be above them all
    assert found.ends()[1] > 90
    none = alone(reals + fakes, [0] * 200 + [1] * 40, true_positive_rate, 0.001)
    assert none.value is None
    assert none.reason == "not measurable with 200 reals: takes 1,000 or more"


def test_the_interval_of_the_rate_holds_the_true_one():
    """Normal scores one and a half apart, of media of two rows: the rate at 5 % is Phi(1.5 - 1.645)."""
    from scipy.stats import norm

    truth, rng, inside = 100 * norm.cdf(1.5 - norm.ppf(0.95)), np.random.default_rng(0), []
    fake = np.arange(800) < 400
    clusters = Clusters([f"{i // 2:03}" for i in range(800)])
    for _ in range(60):
        p = np.repeat(rng.normal(size=400), 2) * 0.5**0.5 + rng.normal(size=800) * 0.5**0.5 + 1.5 * fake
        low, high = true_positive_rate(Scores(p, fake, clusters, np.arange(800)), 0.05).ends()
        inside.append(low <= truth <= high)
        assert high - low < 60
    assert np.mean(inside) >= 0.93


@pytest.mark.parametrize("apart", [0, 0.4, 2])
@pytest.mark.parametrize("levels", [4, 20, 1000])
@pytest.mark.parametrize("function", [average_precision, lambda scores: true_positive_rate(scores, 0.1)])
def test_exchanged_curves_are_those_of_the_exchanged_scores(function, levels, apart):
    """Also where all fakes are above all reals in one run or in both, and where most scores are equal."""
    rng = np.random.default_rng(levels)
    fake, clusters, rows = rng.random(60) < 0.5, Clusters([f"{i // 2:02}" for i in range(60)]), np.arange(60)
    here, there = (rng.integers(0, levels, 60) / levels + apart * fake * better for better in (1, 0.6))
    this, other = (function(Scores(p, fake, clusters, rows)).statistic for p in (here, there))
    swaps = rng.random((10, 30)) < 0.5
    for swap, found in zip(swaps, exchanged(this, other, swaps), strict=True):
        each = swap[np.arange(60) // 2]
        sides = [
            function(Scores(np.where(each, *p), fake, clusters, rows)).value for p in ((there, here), (here, there))
        ]
        assert found == pytest.approx(sides[0] - sides[1])


def test_two_runs_are_compared():
    rng, fake = np.random.default_rng(4), np.arange(400) < 200
    good, bad = (alone(rng.normal(gap * fake, 1), fake, true_positive_rate, 0.05) for gap in (3, 0.5))
    assert difference(good, bad)["p_value"] < 0.01
    assert difference(good, bad)["ci95"][0] > 0
