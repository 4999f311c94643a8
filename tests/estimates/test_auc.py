"""The area under the ROC curve: its variance over clusters, its interval, and exchanged answers."""

import numpy as np
import pytest

from eval.estimates.auc import auc
from eval.estimates.clusters import Clusters
from eval.estimates.permutation import differences
from tests.scoring import exchanged


def made(names, fake, p):
    return auc(np.array(p, float), np.array(fake, bool), Clusters(names), np.arange(len(names)))


def obuchowski(names, fake, p):
    """The variance of the AUC by the formulas of the paper (1997), with a double loop, in 0..1."""
    x, y = p[fake], p[~fake]
    order = (x[:, None] > y[None, :]) + 0.5 * (x[:, None] == y[None, :])
    area, m, n = order.mean(), len(x), len(y)
    of_x, of_y = order.mean(1) - area, order.mean(0) - area
    sums = {name: (of_x[names[fake] == name].sum(), of_y[names[~fake] == name].sum()) for name in set(names)}
    in_x, in_y = (len(set(names[some])) for some in (fake, ~fake))
    s10 = in_x / ((in_x - 1) * m) * sum(a**2 for a, _ in sums.values())
    s01 = in_y / ((in_y - 1) * n) * sum(b**2 for _, b in sums.values())
    s11 = sum(a * b for a, b in sums.values())
    return s10 / m + s01 / n + 2 * s11 / (m * n), area


@pytest.mark.parametrize("both", [False, True], ids=["a class a cluster", "both classes in a cluster"])
def test_the_variance_is_obuchowskis(both):
    rng = np.random.default_rng(1)
    names = np.array([f"c{i // 4:02}" for i in range(160)])
    fake = rng.random(160) < 0.5 if both else np.arange(160) // 4 % 3 == 0
    p = np.round(rng.normal(size=160) + fake, 1)
    variance, area = obuchowski(names, fake, p)
    found = made(names, fake, p)
    assert found.value == pytest.approx(100 * area)
    # Clusters of both classes: their common factor is here the root of the product of both classes' factors.
    assert (found.statistic.influence**2).sum() == pytest.approx(100**2 * variance, rel=1e-2 if both else 1e-9)


def test_one_row_a_cluster_gives_delongs_interval_on_the_logit_scale():
    from scipy.special import expit, logit
    from scipy.stats import t

    rng = np.random.default_rng(3)
    fake = np.arange(200) < 80
    p = rng.normal(size=200) + fake
    order = (p[fake][:, None] > p[~fake][None, :]).astype(float)
    variance = order.mean(1).var(ddof=1) / 80 + order.mean(0).var(ddof=1) / 120
    area = order.mean()
    half = t.ppf(0.975, 79) * variance**0.5 / (area * (1 - area))
    found = made([f"{i:03}" for i in range(200)], fake, p)
    assert found.ends() == pytest.approx(100 * expit(logit(area) + np.array([-half, half])), abs=1e-3)
    assert found.statistic.deff == 1


def test_a_perfect_order_has_the_exact_bound_of_as_many_independent_pairs():
    fake = np.arange(50) < 20
    perfect = made([f"{i:02}" for i in range(50)], fake, fake * 0.8 + 0.1)
    assert perfect.ends() == pytest.approx([100 * 0.025 ** (1 / 20), 100], abs=1e-4)
    p = fake * 0.8 + 0.1
    p[0] = 0.05
    worse = made([f"{i:02}" for i in range(50)], fake, p)
    assert worse.value < 100
    assert worse.ends()[0] <= perfect.ends()[0]
    assert worse.ends()[1] < 100
    assert made([f"{i:02}" for i in range(50)], fake, 1 - (fake * 0.8 + 0.1)).ends()[0] == 0


def test_one_cluster_of_a_class_or_one_class_alone_has_no_interval():
    assert made(list("aabc"), [1, 1, 0, 0], [0.4, 0.6, 0.5, 0.1]).ends() is None
    assert made(list("abc"), [1, 1, 1], [0.4, 0.6, 0.5]).reason == "all rows are fake"


@pytest.mark.parametrize("levels", [3, 1000])
def test_exchanged_areas_are_those_of_the_exchanged_scores(levels):
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(levels)
    fake, names = rng.random(60) < 0.5, [f"{i // 2:02}" for i in range(60)]
    here, there = (rng.integers(0, levels, 60) / levels for _ in range(2))
    this, other = (made(names, fake, p).statistic for p in (here, there))
    swaps = rng.random((30, 30)) < 0.5
    for swap, found in zip(swaps, exchanged(this, other, swaps), strict=True):
        each = swap[np.arange(60) // 2]
        areas = [roc_auc_score(fake, np.where(each, *p)) for p in ((there, here), (here, there))]
        assert found == pytest.approx(100 * (areas[0] - areas[1]))


def test_scores_of_other_rows_are_not_exchanged():
    """Where the truth of a row is not the same in both runs, there is a difference but no test of it."""
    names, fake = [f"{i:02}" for i in range(40)], np.arange(40) < 15
    this, other = (made(names, some, np.arange(40) % 7) for some in (fake, ~fake))
    found = differences({"m": this}, {"m": other}, {"m": 100})["m"]
    assert (found["p_value"], found["value"]) == (None, pytest.approx(this.value - other.value, abs=1e-4))
