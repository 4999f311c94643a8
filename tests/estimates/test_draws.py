"""Estimates with clustered bootstrap intervals."""

import numpy as np
import pytest

from eval.estimates.draws import Draws, Estimate, difference, estimate, mean


def one(numerator, denominator, clusters, **options):
    column = (np.array(numerator, float), np.array(denominator, float))
    return estimate({"m": column}, Draws(clusters, **options), np.arange(len(clusters)))["m"]


def test_a_ratio_of_sums_weights_rows_not_clusters():
    found = one([100, 100, 0], [1, 1, 1], ["a", "a", "b"])
    assert found.value == pytest.approx(200 / 3)
    assert found.n == 3


def test_rows_without_a_denominator_do_not_count():
    found = one([0, 100], [0, 1], ["a", "b"])
    assert (found.value, found.n) == (100.0, 1)


def test_nothing_to_measure_is_null_with_a_reason():
    assert one([0, 0], [0, 0], ["a", "b"]).as_json() == {
        "value": None,
        "ci95": None,
        "n": 0,
        "reason": "no row to measure it on",
    }


def test_the_interval_is_that_of_a_plain_cluster_bootstrap():
    rng = np.random.default_rng(1)
    clusters = [f"v{i // 2}" for i in range(120)]
    hits = 100.0 * rng.integers(0, 2, 120)
    low, high = one(hits, np.ones(120), clusters, replicates=4000).as_json()["ci95"]
    means = hits.reshape(60, 2).mean(axis=1)
    drawn = np.array([rng.choice(means, 60).mean() for _ in range(4000)])
    assert [low, high] == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=1.5)


def test_rows_of_one_video_widen_the_interval():
    hits = 100.0 * (np.arange(400) % 8 < 4)
    apart = one(hits, np.ones(400), [str(i) for i in range(400)]).as_json()["ci95"]
    together = one(hits, np.ones(400), [str(i // 4) for i in range(400)]).as_json()["ci95"]
    assert together[1] - together[0] > 1.7 * (apart[1] - apart[0])


def test_the_same_seed_gives_the_same_interval_and_another_does_not():
    data = ([100, 0, 100, 0, 0, 100, 100], [1] * 7, list("abcdefg"))
    assert one(*data).samples.tolist() == one(*data).samples.tolist()
    assert one(*data).samples.tolist() != one(*data, seed=1).samples.tolist()


def test_columns_share_their_draws():
    column = (np.array([100.0, 0, 50, 25]), np.ones(4))
    found = estimate({"a": column, "b": column}, Draws(list("wxyz")), np.arange(4))
    assert (found["a"].samples == found["b"].samples).all()


def test_one_cluster_alone_has_no_interval():
    assert one([100, 0], [1, 1], ["a", "a"]).as_json() == {"value": 50.0, "ci95": None, "n": 2}


def test_more_clusters_than_fit_a_block_change_nothing(monkeypatch):
    data = (np.arange(50.0), np.ones(50), [str(i) for i in range(50)])
    whole = one(*data).samples
    monkeypatch.setattr("eval.estimates.draws._BLOCK", 700)
    assert one(*data).samples == pytest.approx(whole)


def test_sums_are_those_of_the_drawn_rows():
    rng = np.random.default_rng(3)
    draws = Draws([f"c{i}" for i in rng.integers(0, 12, 50)], replicates=20)
    parts, some = rng.random((30, 4)), rng.permutation(50)[:30]
    sums = draws.sums(parts, some)
    for i in range(20):
        times = draws.weights[i][draws.index[some]]
        assert sums[i] == pytest.approx((times[:, None] * parts).sum(0))


def test_a_mean_on_its_own_scale_has_no_binomial_bound():
    draws = Draws(list("abcd"))
    assert mean(np.zeros(4), draws, np.arange(4)).as_json() == {"value": 0.0, "ci95": None, "n": 4}
    low, high = mean(np.array([1.0, 2, 4, 5]), draws, np.arange(4)).as_json()["ci95"]
    assert 1 <= low < 3 < high <= 5


def test_a_difference_is_taken_in_pairs():
    """Each row of one is 1 above that of the other: the difference does not vary, however much the rows do."""
    draws, rows = Draws([str(i) for i in range(30)]), np.arange(30)
    x = np.random.default_rng(0).random(30) * 50
    assert difference(mean(x + 1, draws, rows), mean(x, draws, rows)).as_json() == {"value": 1.0, "ci95": None, "n": 30}
    y = x + np.arange(30)
    low, high = difference(mean(y, draws, rows), mean(x, draws, rows)).as_json()["ci95"]
    assert [low, high] == mean(y - x, draws, rows).as_json()["ci95"]


def test_a_difference_to_nothing_is_null_with_its_reason():
    assert difference(Estimate(1.0, 3), Estimate(None, 0, None, "why")).as_json()["reason"] == "why"
