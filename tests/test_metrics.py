"""The statistics that all scorers share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.metrics import Estimate, estimate, rouge_l


def one(numerator, denominator, clusters, **options):
    return estimate({"m": (np.array(numerator, float), np.array(denominator, float))}, clusters, **options)["m"]


def test_a_ratio_of_sums_weights_rows_not_clusters():
    found = one([100, 100, 0], [1, 1, 1], ["a", "a", "b"])
    assert found.value == pytest.approx(200 / 3)
    assert found.n == 3


def test_rows_without_a_denominator_do_not_count():
    found = one([0, 100], [0, 1], ["a", "b"])
    assert (found.value, found.n) == (100.0, 1)


def test_nothing_to_measure_is_null_with_a_reason():
    assert one([0, 0], [0, 0], ["a", "b"]).as_json() == {
        "value": None, "ci95": None, "n": 0, "reason": "no row to measure it on",
    }  # fmt: skip


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
    found = estimate({"a": column, "b": column}, list("wxyz"))
    assert (found["a"].samples == found["b"].samples).all()


def test_one_cluster_alone_has_no_interval():
    assert one([100, 0], [1, 1], ["a", "a"]).as_json() == {"value": 50.0, "ci95": None, "n": 2}


def test_more_clusters_than_fit_a_block_change_nothing(monkeypatch):
    data = (np.arange(50.0), np.ones(50), [str(i) for i in range(50)])
    whole = one(*data).samples
    monkeypatch.setattr("eval.metrics._BLOCK", 700)
    assert one(*data).samples == pytest.approx(whole)


def test_an_estimate_rounds_only_what_it_prints():
    assert Estimate(12.3456789, 3).as_json()["value"] == 12.3457


@pytest.mark.parametrize(
    ("reference", "candidate", "expected"),
    [
        ("a b c", "a b c", 1.0),
        ("a b c", "a a a b c", 0.75),
        ("the cat sat", "", 0.0),
        ("The CAT, sat!", "the cat sat", 1.0),
        ("a b c d", "d c b a", 0.25),
    ],
)
def test_rouge_l_by_hand(reference, candidate, expected):
    assert rouge_l(reference, candidate) == pytest.approx(expected)


@settings(max_examples=300, deadline=None)
@given(st.text("abAB ü1-.\n", max_size=60), st.text("abAB ü1-.\n", max_size=60))
def test_rouge_l_equals_the_reference_implementation(reference, candidate):
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(["rougeL"])
    assert rouge_l(reference, candidate) == pytest.approx(scorer.score(reference, candidate)["rougeL"].fmeasure)
