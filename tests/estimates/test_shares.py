"""Shares and means with their intervals, on clusters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.estimates.bounds import most_lost
from eval.estimates.clusters import Clusters, Estimate
from eval.estimates.shares import mean, shares
from eval.scorers.verdicts import verdict_metrics


def one(numerator, denominator, clusters):
    column = (np.array(numerator, float), np.array(denominator, float))
    return shares({"m": column}, Clusters(clusters), np.arange(len(clusters)))["m"]


def ends(hits, n, size=1):
    """The interval of `hits` of n rows in clusters of `size` rows, of which the first rows are hits."""
    return one(100.0 * (np.arange(n) < hits), np.ones(n), [f"{i // size:05}" for i in range(n)]).ends()


def test_a_ratio_of_sums_weights_rows_not_clusters():
    found = one([100, 100, 0], [1, 1, 1], ["a", "a", "b"])
    assert found.value == pytest.approx(200 / 3)
    assert found.n == 3


def test_rows_without_a_denominator_do_not_count():
    found = one([0, 100], [0, 1], ["a", "b"])
    assert (found.value, found.n, found.statistic.clusters) == (100.0, 1, 1)


def test_nothing_to_measure_is_null_with_a_reason():
    assert one([0, 0], [0, 0], ["a", "b"]).as_json() == {
        "value": None,
        "ci95": None,
        "n": 0,
        "reason": "no row to measure it on",
    }


@pytest.mark.parametrize(("hits", "n"), [(1, 20), (7, 30), (49, 50), (250, 300)])
def test_of_independent_rows_it_is_clopper_and_pearsons(hits, n):
    from scipy.special import betaincinv

    low, high = betaincinv(hits, n - hits + 1, 0.025), betaincinv(hits + 1, n - hits, 0.975)
    assert ends(hits, n) == pytest.approx([100 * low, 100 * high], abs=0.05)


@pytest.mark.parametrize("size", [1, 4])
def test_of_clusters_it_is_the_quantile_under_random_weights(size):
    """Gaffke's bound by its definition: 200,000 draws of exponential weights, of one cluster more that is lost too."""
    rng = np.random.default_rng(0)
    lost = rng.beta(1, 4, 12) * size
    weights = rng.standard_exponential((200_000, 13))
    drawn = weights @ np.append(lost, size) / (weights.sum(1) * size)
    assert most_lost(lost, np.full(12, size), size) == pytest.approx(np.quantile(drawn, 0.975), abs=0.003)


def test_errors_that_come_one_by_one_in_large_clusters_are_not_taken_for_whole_clusters():
    """40 of 800 rows wrong in 80 clusters of ten: one in each of forty, or four clusters throughout."""
    names, i = [f"{i // 10:02}" for i in range(800)], np.arange(800)
    alone, of_media = ends(760, 800), ends(76, 80)
    spread, together = (one(100.0 * ~wrong, np.ones(800), names).ends() for wrong in (i % 20 == 0, i < 40))
    assert spread == pytest.approx(alone, abs=0.6)
    assert together == pytest.approx(of_media, abs=0.01)


def test_where_all_agree_it_is_the_exact_bound_of_as_many_clusters():
    assert ends(50, 50) == pytest.approx([100 * 0.025 ** (1 / 50), 100], abs=1e-4)
    assert ends(0, 50) == pytest.approx([0, 100 - 100 * 0.025 ** (1 / 50)], abs=1e-4)
    assert ends(200, 200, 10) == pytest.approx([100 * 0.025 ** (1 / 20), 100], abs=1e-4)


@pytest.mark.parametrize(("n", "size"), [(50, 1), (200, 1), (200, 10), (300, 3)])
def test_a_worse_run_never_has_the_better_bound(n, size):
    found = np.array([ends(hits, n, size) for hits in range(0, n + 1, size)])
    assert (np.diff(found, axis=0) >= 0).all()
    assert (found[:, 1] - found[:, 0] > 0.1).all()
    lows = np.array([ends(n - errors, n, size)[0] for errors in range(size + 1)])
    assert (lows <= lows[0]).all()  # not even one with less than a cluster of errors


ROWS = st.lists(
    st.tuples(st.integers(0, 6), st.booleans(), st.booleans(), st.sampled_from([0.0, 0.3, 1.0]), st.floats(0, 1)),
    min_size=2,
    max_size=40,
)


@settings(max_examples=50)
@given(ROWS)
def test_a_run_that_is_wrong_on_more_rows_has_neither_bound_better(rows):
    """However the errors spread over clusters, as shares, as F1 of a class and as means; and never a point."""
    names, fake, right, kept, gain = (np.array(column) for column in zip(*rows, strict=True))
    clusters, every = Clusters([str(name) for name in names]), np.arange(len(rows))
    runs = [
        verdict_metrics(fake, hits, every, clusters) | shares({"mean": (100 * x, np.ones(len(rows)))}, clusters, every)
        for hits, x in ((right, gain), (right & (kept > 0), gain * kept))
    ]
    for name in ("accuracy", "fake_f1", "mean"):
        found = [run[name].ends() for run in runs]
        if None in found:  # of a class that has no row, or of one cluster alone, which tells nothing of the spread
            assert name == "fake_f1" or clusters.count == 1
            continue
        assert found[1][0] <= found[0][0] + 1e-3, name
        assert found[1][1] <= found[0][1] + 1e-3, name
        assert all(high - low > 1 for low, high in found), name
        assert found[0][0] <= runs[0][name].as_json()["value"] <= found[0][1], name


def test_answers_that_exclude_one_another_vary_less_than_independent_ones():
    """One of the two rows of each cluster is right, as where a model always says yes: the share does not vary."""
    low, high = one([100, 0] * 30, np.ones(60), [f"{i // 2:02}" for i in range(60)]).ends()
    apart = ends(30, 60)
    assert apart[0] < low < 49
    assert 51 < high < apart[1]


def test_the_mean_of_clusters_has_the_same_interval_however_many_rows_they_have():
    values = np.array([10.0, 30, 20, 40, 80, 60])
    found = one(values, np.ones(6), list("abcdef"))
    together = one(np.repeat(values, 3), np.ones(18), list("aaabbbcccdddeeefff")).as_json()
    assert together["ci95"] == found.as_json()["ci95"]
    assert (together["n"], together["clusters"]) == (18, 6)


def test_of_many_rows_it_is_students_interval():
    from scipy.stats import t

    values = 100 * np.random.default_rng(0).beta(3, 2, 2000)
    half = t.ppf(0.975, 1999) * values.std(ddof=1) / 2000**0.5
    found = one(values, np.ones(2000), [f"{i:04}" for i in range(2000)])
    assert found.ends() == pytest.approx([found.value - half, found.value + half], abs=0.2 * half)


def test_a_mean_near_an_end_of_its_scale_is_noted_and_a_share_is_not():
    ones = np.ones(4)
    assert "too rare" in one([99, 98, 100, 97], ones, list("abcd")).as_json()["note"]
    assert "note" not in one([60, 98, 100, 97], ones, list("abcd")).as_json()
    assert "note" not in one([100, 100, 100, 100], ones, list("abcd")).as_json()


def test_means_that_do_not_vary_have_an_interval_on_their_scale():
    """The other ratings may differ, as far as four of them can tell."""
    low, high = mean(np.full(4, 3.0), Clusters(list("abcd")), np.arange(4), 1, 5).ends()
    assert 1 < low < 2.2
    assert high == pytest.approx(6 - low)


def test_an_estimate_without_a_value_has_its_reason():
    assert Estimate(None, 3, "why").as_json() == {"value": None, "ci95": None, "n": 3, "reason": "why"}
