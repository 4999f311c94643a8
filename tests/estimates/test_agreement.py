"""How well two ratings agree: values by hand, variances and intervals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.estimates.agreement import FROM_COUNTS, agreement, krippendorff, values
from eval.estimates.clusters import Clusters


def test_agreement_by_hand():
    """Truth 1 2 3 4, answers 1 2 4 2: errors 0 0 1 -2."""
    found = {
        name: value.value
        for name, value in agreement([1, 2, 3, 4], [1, 2, 4, 2], 5, np.arange(4), Clusters(list("abcd"))).items()
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
    found = {name: of(counts) for name, of in FROM_COUNTS.items()}
    for name, value in values(x, y, 5).items():
        assert np.isnan(found[name]) if isinstance(value, str) else found[name] == pytest.approx(value, abs=1e-9), name


def test_variances_are_those_of_the_jackknife():
    rng = np.random.default_rng(5)
    x, y = rng.integers(1, 6, (2, 80))
    names = [f"c{i:02}" for i in rng.integers(0, 20, 80)]
    clusters = Clusters(names)
    found = agreement(x, y, 5, np.arange(80), clusters)
    left = [values(x[some], y[some], 5) for some in (clusters.index != i for i in range(clusters.count))]
    for name in left[0]:
        without = np.array([one[name] for one in left])
        variance = (1 - 1 / len(left)) * ((without - without.mean()) ** 2).sum()
        assert (found[name].statistic.influence ** 2).sum() == pytest.approx(variance), name


def test_intervals_are_students_on_the_scale_of_z_and_of_the_logarithm():
    from scipy.stats import t

    rng = np.random.default_rng(6)
    x = rng.integers(1, 6, 100)
    found = agreement(
        x, np.clip(x + rng.integers(-1, 2, 100), 1, 5), 5, np.arange(100), Clusters([*map(str, range(100))])
    )
    t99, (r, e) = t.ppf(0.975, 99), (found[name].value for name in ("pearson", "rmse"))
    z, log = (
        t99 * (found[name].statistic.influence ** 2).sum() ** 0.5 / slope
        for name, slope in (("pearson", 1 - r**2), ("rmse", e))
    )
    assert found["pearson"].ends() == pytest.approx(np.tanh([np.arctanh(r) - z, np.arctanh(r) + z]), abs=1e-4)
    assert found["rmse"].ends() == pytest.approx([e * np.exp(-log), e * np.exp(log)], abs=1e-4)


def test_a_constant_answer_has_no_correlation_and_kappa_0():
    found = agreement([1, 2, 3], [3, 3, 3], 5, np.arange(3), Clusters(list("abc")))
    assert found["pearson"].reason == "undefined for a constant answer"
    assert (found["qwk"].value, found["cohen_kappa"].value) == (0.0, 0.0)
    same = agreement([3, 3], [3, 3], 5, np.arange(2), Clusters(list("ab")))
    assert "one and the same value" in same["qwk"].reason
    assert same["rmse"].as_json() == {"value": 0.0, "ci95": None, "n": 2, "clusters": 2, "deff": 1.0}


# Four observers on twelve units: the data of Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011).
OBSERVERS = ("1 2 3 3 2 1 4 1 2 * * *", "1 2 3 3 2 2 4 1 2 5 * 3", "* 3 3 3 2 3 4 2 2 5 1 *", "1 2 3 3 2 4 4 1 2 5 1 *")


def test_alpha_is_that_of_krippendorffs_own_example():
    units = [[float(x) for x in unit if x != "*"] for unit in zip(*(line.split() for line in OBSERVERS), strict=True)]
    found = krippendorff(units, np.arange(12), Clusters([f"{i:02}" for i in range(12)]))
    assert found.value == pytest.approx(0.849, abs=5e-4)
    assert found.n == 11  # one unit has a single rating
    assert -1 < found.ends()[0] < found.value < found.ends()[1] < 1


def test_alpha_of_two_ratings_by_hand():
    """Apart by 0, 1 and 0: 1 / 3 observed; of 0 0 0 1 1 1 nine of fifteen pairs differ by 1."""
    found = krippendorff([[0, 0], [0, 1], [1, 1]], np.arange(3), Clusters(list("abc")))
    assert found.value == pytest.approx(1 - (1 / 3) / (9 / 15))


@pytest.mark.parametrize(
    ("ratings", "reason"),
    [([[1], [0.5], []], "no row was rated twice"), ([[1, 1], [1, 1, 1]], "all ratings are one and the same value")],
)
def test_alpha_says_why_it_has_no_value(ratings, reason):
    found = krippendorff(ratings, np.arange(len(ratings)), Clusters([str(i) for i in range(len(ratings))]))
    assert found.value is None
    assert reason in found.reason


def test_alphas_variance_is_that_of_the_jackknife_over_media():
    rng = np.random.default_rng(3)
    ratings = [rng.choice([0, 0.5, 1], int(rng.integers(2, 5))) for _ in range(60)]
    names = np.array([f"c{i:02}" for i in rng.integers(0, 15, 60)])
    clusters = Clusters(names)
    found = krippendorff(ratings, np.arange(60), clusters)
    left = []
    for i in range(clusters.count):
        kept = np.flatnonzero(clusters.index != i)
        left.append(krippendorff([ratings[j] for j in kept], np.arange(len(kept)), Clusters(names[kept])).value)
    variance = (1 - 1 / len(left)) * ((np.array(left) - np.mean(left)) ** 2).sum()
    assert (found.statistic.influence**2).sum() == pytest.approx(variance)
