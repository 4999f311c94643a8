"""Statistics equal to scikit-learn's and scipy's to the last bit: what stood in a report stays as it was."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from eval.estimates import statistics
from eval.estimates.agreement import values

share = st.floats(0, 1) | st.integers(0, 10).map(lambda tenths: tenths / 10)  # with ties
answers = st.lists(st.tuples(st.booleans(), st.booleans(), share), min_size=1, max_size=80)
ratings = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5), st.floats(1, 5)), min_size=2, max_size=80)
many = settings(max_examples=200)


@pytest.fixture(scope="module")
def metrics():
    from sklearn import metrics

    return metrics


def arrays(rows):
    return (np.array(column) for column in zip(*rows, strict=True))


@many
@given(rows=answers)
def test_f1_of_either_class(metrics, rows):
    fake, said, _ = arrays(rows)
    for positive in (True, False):
        if (fake == positive).any() or (said == positive).any():
            found = statistics.f1_score(fake == positive, said == positive)
            assert found == metrics.f1_score(fake, said, pos_label=positive)


@many
@given(rows=answers)
def test_the_area_under_the_roc_curve(metrics, rows):
    fake, _, p = arrays(rows)
    assume(fake.any() and not fake.all())
    assert statistics.roc_auc(fake, p) == metrics.roc_auc_score(fake, p)


@many
@given(rows=answers)
def test_brier_score(metrics, rows):
    fake, _, p = arrays(rows)
    assert statistics.brier_score(fake, p) == metrics.brier_score_loss(fake, p, pos_label=True)


@many
@given(rows=ratings)
def test_errors_of_whole_and_of_expected_scores(metrics, rows):
    true, said, expected = arrays(rows)
    for answer in (said, expected):
        assert statistics.mean_squared_error(true, answer) == metrics.mean_squared_error(true, answer)
        assert statistics.root_mean_squared_error(true, answer) == metrics.root_mean_squared_error(true, answer)
        assert statistics.mean_absolute_error(true, answer) == metrics.mean_absolute_error(true, answer)


@many
@given(rows=ratings)
@pytest.mark.filterwarnings("ignore:An input array is nearly constant")
def test_correlations(rows):
    from scipy import stats

    true, said, expected = arrays(rows)
    for answer in (said, expected):
        assume(np.ptp(true) and np.ptp(answer) > 1e-9)
        assert statistics.pearson(true, answer) == stats.pearsonr(true, answer).statistic
        assert statistics.spearman(true, answer) == stats.spearmanr(true, answer).statistic


@many
@given(rows=ratings, levels=st.sampled_from([2, 5]))
def test_kappas_of_two_and_of_five_levels(metrics, rows, levels):
    true, said, _ = arrays([(min(t, levels), min(s, levels), 0) for t, s, _ in rows])
    assume(np.ptp(np.concatenate([true, said])))
    found, named = values(true, said, levels), list(range(1, levels + 1))
    assert found["cohen_kappa"] == metrics.cohen_kappa_score(true, said, labels=named)
    assert found["qwk"] == metrics.cohen_kappa_score(true, said, labels=named, weights="quadratic")


def test_by_hand():
    fake, p = np.array([True, True, False, False]), np.array([0.9, 0.4, 0.4, 0.1])
    assert statistics.roc_auc(fake, p) == 3.5 / 4  # one pair of four is a tie
    assert statistics.brier_score(fake, p) == pytest.approx((0.01 + 0.36 + 0.16 + 0.01) / 4)
    assert statistics.f1_score(fake, p > 0.3) == 2 * 2 / (2 + 3)
    assert statistics.spearman(np.array([1, 2, 3]), np.array([1, 9, 5])) == pytest.approx(0.5)
