"""How well two ratings agree: values by hand, and replicates as those of the resampled rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.estimates.agreement import agreement, from_counts, values
from eval.estimates.draws import Draws
from tests.scoring import resampled


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
