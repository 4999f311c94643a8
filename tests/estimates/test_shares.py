"""Shares and means with their intervals, on clusters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.estimates.clusters import Clusters, Estimate
from eval.estimates.shares import kish, mean, means, shares


def one(numerator, denominator, clusters, kind=shares):
    column = (np.array(numerator, float), np.array(denominator, float))
    return kind({"m": column}, Clusters(clusters), np.arange(len(clusters)))["m"]


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
def test_of_independent_rows_it_is_clopper_and_pearsons_of_one_row_less(hits, n):
    """The variance p (1 - p) / (n - 1) is that of n - 1 rows; the exact interval is scipy's, of real counts."""
    from scipy.stats import beta

    k, less = hits * (n - 1) / n, n - 1
    low, high = 100 * beta.ppf(0.025, k, less - k + 1), 100 * beta.ppf(0.975, k + 1, less - k)
    edge = 100 * 0.025 ** (1 / n)
    assert ends(hits, n) == pytest.approx([min(low, edge), max(high, 100 - edge)], abs=1e-3)


def test_of_clusters_it_is_that_of_the_effective_number_of_rows():
    """Korn and Graubard by hand: 40 clusters of 5 rows, 12 of them right throughout and the others wrong."""
    from scipy.stats import beta, t

    variance = 0.3 * 0.7 / 39  # of the mean of 40 independent clusters, 12 of them right
    n = 0.3 * 0.7 / variance * (t.ppf(0.975, 199) / t.ppf(0.975, 39)) ** 2
    expected = [100 * beta.ppf(0.025, 0.3 * n, 0.7 * n + 1), 100 * beta.ppf(0.975, 0.3 * n + 1, 0.7 * n)]
    assert ends(60, 200, 5) == pytest.approx(expected, abs=1e-3)
    found = one(100.0 * (np.arange(200) < 60), np.ones(200), [f"{i // 5:05}" for i in range(200)]).as_json()
    assert found["clusters"] == 40
    assert found["deff"] == pytest.approx(5 * 199 / 200 * 40 / 39, abs=1e-3)  # five rows tell what one tells


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


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=40))
def test_it_holds_the_value_and_is_never_a_point(rows):
    hits, names = zip(*rows, strict=True)
    found = one(100.0 * np.array(hits), np.ones(len(hits)), [str(name) for name in names])
    if len(set(names)) > 1:
        low, high = found.ends()
        assert 0 <= low <= found.as_json()["value"] <= high <= 100
        assert high - low > 1
    else:
        assert found.ends() is None  # one cluster alone tells nothing of the spread


def test_answers_that_exclude_one_another_are_no_better_than_independent_ones():
    """One of the two rows of each cluster is right: the share does not vary at all."""
    low, high = one([100, 0] * 30, np.ones(60), [f"{i // 2:02}" for i in range(60)]).ends()
    apart = one([100, 0] * 30, np.ones(60), [f"{i:02}" for i in range(60)]).ends()
    assert low <= apart[0] + 0.2
    assert high >= apart[1] - 0.2


def test_weights_that_differ_tell_as_much_as_fewer_rows():
    assert kish(np.ones(7)) == 7
    assert kish(np.array([1.0, 1, 2])) == 16 / 6


def test_the_mean_of_clusters_has_students_interval():
    from scipy.stats import t

    values = np.array([10.0, 30, 20, 40, 80, 60])
    found = one(values, np.ones(6), list("abcdef"), means)
    half = t.ppf(0.975, 5) * values.std(ddof=1) / 6**0.5
    assert found.as_json()["ci95"] == pytest.approx([max(0, 40 - half), 40 + half], abs=1e-3)
    together = one(np.repeat(values, 3), np.ones(18), list("aaabbbcccdddeeefff"), means).as_json()
    assert together["ci95"] == found.as_json()["ci95"]
    assert (together["n"], together["clusters"]) == (18, 6)


def test_a_mean_near_an_end_of_its_scale_is_noted_and_one_that_does_not_vary_has_no_interval():
    ones = np.ones(4)
    assert "too rare" in one([99, 98, 100, 97], ones, list("abcd"), means).as_json()["note"]
    assert "note" not in one([60, 98, 100, 97], ones, list("abcd"), means).as_json()
    found = mean(np.full(4, 3.0), Clusters(list("abcd")), np.arange(4), 1, 5)
    assert found.as_json() == {"value": 3.0, "ci95": None, "n": 4, "clusters": 4, "deff": 1.0}


def test_an_estimate_without_a_value_has_its_reason():
    assert Estimate(None, 3, "why").as_json() == {"value": None, "ci95": None, "n": 3, "reason": "why"}
