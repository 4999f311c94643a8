"""Metrics of verdicts and of P(fake) against scikit-learn, on any task's rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.estimates.calibration import bins_of
from eval.estimates.clusters import Clusters
from eval.scorers.verdicts import between, verdict_metrics

verdicts = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=50)


@given(verdicts)
def test_values_are_scikit_learns_and_accuracy_lies_between_the_f1s(pairs):
    from sklearn import metrics

    fake, right = (np.array(flags) for flags in zip(*pairs, strict=True))
    found = verdict_metrics(fake, right, np.arange(len(pairs)), Clusters([str(i) for i in range(len(pairs))]))
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
