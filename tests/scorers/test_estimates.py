"""The statistics that all scorers share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.estimates.agreement import agreement, from_counts, values
from eval.estimates.draws import Draws, Estimate, difference, estimate, mean
from eval.estimates.numbers import number
from eval.scorers.verdicts import auc_replicates
from swift_plugins.core.measures.texts import rouge_l


def one(numerator, denominator, clusters, **options):
    column = (np.array(numerator, float), np.array(denominator, float))
    return estimate({"m": column}, Draws(clusters, **options), np.arange(len(clusters)))["m"]


def resampled(draws, replicate):
    """The rows of one replicate, each as often as its cluster is drawn."""
    return np.repeat(np.arange(len(draws.index)), draws.weights[replicate][draws.index])


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


def test_numbers_are_printed_with_their_decimals_and_sign():
    metric = {"value": 0.5, "ci95": [-0.25, 1.0]}
    assert number(metric, 2, sign=True) == "+0.50 [-0.25, +1.00]"
    assert number(metric, 3, interval=False) == "0.500"
    assert number({"value": None}) == "–"


# ------------------------------------------------------------------------------------------------ agreement of ratings


def test_agreement_by_hand():
    """Truth 1 2 3 4, answers 1 2 4 2: errors 0 0 1 -2."""
    found = {
        name: value.value
        for name, value in agreement([1, 2, 3, 4], [1, 2, 4, 2], 5, np.arange(4), Draws(list("abcd"))).items()
    }
    assert found["mse"] == 5 / 4
    assert found["rmse"] == pytest.approx(1.25**0.5)
    assert (found["mae"], found["bias"]) == (0.75, -0.25)
    assert (found["within_one"], found["raw_agreement"]) == (75.0, 50.0)
    # Deviations -1.5 -0.5 0.5 1.5 and -1.25 -0.25 1.75 -0.25; ranks of the answers 1, 2.5, 4, 2.5.
    assert found["pearson"] == pytest.approx(2.5 / (5 * 4.75) ** 0.5)
    assert found["spearman"] == pytest.approx(3 / (5 * 4.5) ** 0.5)
    # By chance 1-1, 2-2 twice and 4-4 of the 16 pairings agree: p_e = 4 / 16.
    assert found["cohen_kappa"] == pytest.approx((0.5 - 0.25) / (1 - 0.25))
    # Mean square of the paired errors 5 / 4, of all 16 pairings (5 + 4.75) / 4 + (2.5 - 2.25) ** 2.
    assert found["qwk"] == pytest.approx(1 - 1.25 / ((5 + 4.75) / 4 + 0.0625))


ratings = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=2, max_size=60)


@settings(max_examples=150)
@given(ratings)
def test_what_counts_give_is_what_the_libraries_give(pairs):
    x, y = np.array(pairs).T
    counts = np.zeros((5, 5))
    np.add.at(counts, (x - 1, y - 1), 1)
    found = from_counts(counts)
    for name, value in values(x, y, 5).items():
        assert np.isnan(found[name]) if isinstance(value, str) else found[name] == pytest.approx(value, abs=1e-9), name


def test_replicates_of_agreement_are_those_of_the_resampled_rows():
    rng = np.random.default_rng(5)
    x, y = rng.integers(1, 6, (2, 80))
    draws, rows = Draws([f"c{i}" for i in rng.integers(0, 20, 80)], replicates=40), np.arange(80)
    found = agreement(x, y, 5, rows, draws)
    for i in range(40):
        some = resampled(draws, i)
        for name, value in values(x[some], y[some], 5).items():
            assert found[name].samples[i] == pytest.approx(value, abs=1e-9), name
        assert found["within_one"].samples[i] == pytest.approx(100 * (abs(x[some] - y[some]) <= 1).mean())


def test_a_constant_answer_has_no_correlation_and_kappa_0():
    found = agreement([1, 2, 3], [3, 3, 3], 5, np.arange(3), Draws(list("abc")))
    assert found["pearson"].reason == "undefined for a constant answer"
    assert (found["qwk"].value, found["cohen_kappa"].value) == (0.0, 0.0)
    same = agreement([3, 3], [3, 3], 5, np.arange(2), Draws(list("ab")))
    assert "one and the same value" in same["qwk"].reason
    assert same["rmse"].as_json() == {"value": 0.0, "ci95": None, "n": 2}


@pytest.mark.parametrize("levels", [3, 1000])
def test_auc_of_each_replicate_is_scikit_learns(levels, monkeypatch):
    from sklearn.metrics import roc_auc_score

    monkeypatch.setattr("eval.estimates.draws._BLOCK", 100)
    rng = np.random.default_rng(levels)
    p, fake = rng.integers(0, levels, 60) / levels, rng.random(60) < 0.5
    draws, rows = Draws([f"c{i}" for i in rng.integers(0, 15, 60)], replicates=30), np.arange(60)
    found = auc_replicates(p, fake, rows, draws)
    for i in range(30):
        some = resampled(draws, i)
        assert found[i] == pytest.approx(roc_auc_score(fake[some], p[some]))


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
