"""ROUGE-L by hand and against the reference implementation."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swift_plugins.core.measures.texts import rouge_l


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
