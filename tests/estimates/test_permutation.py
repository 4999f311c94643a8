"""Differences of two runs, their intervals, and the test by exchanges of whole clusters."""

import numpy as np
import pytest

from eval.estimates.clusters import Clusters, Estimate
from eval.estimates.permutation import differences
from eval.estimates.shares import mean, shares
from eval.estimates.swaps import SWAPS, every_swap, is_few, random_swaps


def difference(this, other):
    return differences({"m": this}, {"m": other}, {"m": 100})["m"]


def share(hits, names):
    hits = np.array(hits, float)
    return shares({"m": (100 * hits, np.ones(len(hits)))}, Clusters(names), np.arange(len(hits)))["m"]


def test_a_difference_is_taken_in_pairs():
    """Each row of one is 1 above that of the other: the difference does not vary, however much the rows do."""
    from scipy.stats import t

    clusters, rows = Clusters([f"{i:02}" for i in range(30)]), np.arange(30)
    x = np.random.default_rng(0).random(30) * 50
    this, other = (mean(values, clusters, rows, 0, 100) for values in (x + 1, x))
    found = difference(this, other)
    assert (found["value"], found["ci95"], found["n"]) == (1.0, None, 30)
    half = t.ppf(0.975, 29) * np.arange(30).std(ddof=1) / 30**0.5
    assert difference(mean(x + np.arange(30), clusters, rows, 0, 100), other)["ci95"] == pytest.approx(
        [14.5 - half, 14.5 + half], abs=1e-3
    )


def test_an_interval_of_a_difference_ends_where_the_scale_does():
    """29 of 30 that only this run has right: 96.7 and half of 2 se is more than 100, and none is beyond -100 either."""
    names = [f"{i:02}" for i in range(30)]
    ahead = difference(share([True] * 29 + [False], names), share([False] * 30, names))
    behind = difference(share([False] * 30, names), share([True] * 29 + [False], names))
    assert ahead["value"] < ahead["ci95"][1] == 100
    assert behind["ci95"] == [-100, -ahead["ci95"][0]]
    few = difference(share([True, True, False], names[:3]), share([False, False, True], names[:3]))
    assert few["ci95"] == [-100, 100]
    assert few["detectable"] is None  # no true difference would be found in four of five samples of three


def test_a_difference_to_nothing_is_null_with_its_reason():
    found = difference(Estimate(1.0, 3), Estimate(None, 0, "why"))
    assert found == {"value": None, "ci95": None, "n": 3, "p_value": None, "reason": "why"}


@pytest.mark.parametrize(("gained", "lost"), [(5, 0), (5, 1), (4, 4), (9, 2), (0, 0), (1, 0)])
def test_of_independent_rows_it_is_mcnemars_exact_test(gained, lost):
    from scipy.stats import binomtest

    rows = [f"{i:02}" for i in range(30)]
    this = [True] * gained + [False] * lost + [True] * (30 - gained - lost)
    other = [False] * gained + [True] * lost + [True] * (30 - gained - lost)
    expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1
    assert difference(share(this, rows), share(other, rows))["p_value"] == pytest.approx(expected, abs=1e-4)


def test_many_clusters_are_exchanged_at_random():
    rows = [f"{i:03}" for i in range(200)]
    this, other = np.arange(200) % 10 < 6, np.arange(200) % 10 < 4
    assert difference(share(this, rows), share(other, rows))["p_value"] == pytest.approx(1 / (SWAPS + 1), abs=1e-4)
    none = difference(share(np.arange(200) % 2 == 0, rows), share(np.arange(200) % 2 == 1, rows))
    assert none["p_value"] == 1


def test_rows_of_one_cluster_are_exchanged_together():
    """Twenty rows of four clusters of which this run has three: as three of four coins, p = 10 / 16."""
    names = [f"{i // 5}" for i in range(20)]
    this = np.arange(20) < 15
    assert difference(share(this, names), share(~this, names))["p_value"] == 10 / 16


def test_few_exchanges_are_all_there_are_and_leave_what_is_equal():
    swaps = every_swap(np.array([True, False, True, True]))
    flags = swaps.flags(np.arange(4))
    assert (flags.shape, flags[1].any(), flags[:, 0].any()) == ((4, 4), False, False)
    assert len(np.unique(flags, axis=1).T) == 4
    assert is_few(np.arange(30) < 14)
    assert not is_few(np.arange(30) < 15)
    assert every_swap(np.zeros(3, bool)).lines == 1


def test_many_exchanges_are_the_same_each_time_behind_the_one_of_none():
    flags = random_swaps(500).flags(np.arange(500))
    assert flags.shape == (500, SWAPS + 1)
    assert not flags[:, 0].any()
    assert flags[:, 1:].mean() == pytest.approx(0.5, abs=1e-3)
    assert abs(np.corrcoef(flags[:20, 1:]) - np.eye(20)).max() < 0.05
    assert (random_swaps(500).packed == random_swaps(500).packed).all()


def test_sums_of_exchanged_clusters_by_hand(monkeypatch):
    swaps = random_swaps(60)
    changes = np.random.default_rng(1).normal(size=(60, 3)) * (np.arange(60) % 4 > 0)[:, None]
    expected = swaps.flags(np.arange(60)).T @ changes
    assert swaps.sums(changes) == pytest.approx(expected)
    monkeypatch.setattr("eval.estimates.swaps._BLOCK", 30_000)
    assert swaps.sums(changes) == pytest.approx(expected)
