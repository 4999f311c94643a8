"""Metrics of verdicts and of P(fake) against scikit-learn, on any task's rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.estimates.draws import Draws
from eval.scorers.verdicts import auc_replicates, between, bins_of, verdict_metrics
from tests.scoring import resampled

verdicts = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=50)


@given(verdicts)
def test_values_are_scikit_learns_and_accuracy_lies_between_the_f1s(pairs):
    from sklearn import metrics

    fake, right = (np.array(flags) for flags in zip(*pairs, strict=True))
    found = verdict_metrics(fake, right, np.arange(len(pairs)), Draws([str(i) for i in range(len(pairs))], 5))
    answered = fake == right
    assert found["accuracy"].value == pytest.approx(100 * metrics.accuracy_score(fake, answered))
    for name, positive in (("real", False), ("fake", True)):
        if found[f"{name}_f1"].value is not None:
            value = 100 * metrics.f1_score(fake, answered, pos_label=positive, zero_division=0)
            assert found[f"{name}_f1"].value == pytest.approx(value)
        else:
            assert positive not in fake
            assert positive not in answered
    known = {name: found[name].value for name in ("accuracy", "real_f1", "fake_f1")}
    assert between(known, rounding=1e-9) in (True, None)


def test_the_bins_hold_their_lower_edges():
    assert bins_of(np.array([0, 1 / 15, 0.0666, 0.5, 0.99, 1])).tolist() == [0, 1, 0, 7, 14, 14]


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
