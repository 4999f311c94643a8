"""The numbers that prediction and judges leave in a row."""

import pytest

from swift_plugins.core.measures.fields import choice_probs, explanation_scores, number_within


def test_a_number_is_read_within_its_bounds():
    assert number_within({"p": 1}, "p", 0, 1) == 1.0
    assert number_within({"p": None}, "p", 0, 1) is None
    assert number_within({}, "p", 0, 1) is None


@pytest.mark.parametrize("value", [True, "1", 1.01, -0.1, float("nan"), [1]])
def test_what_is_no_such_number_is_refused(value):
    with pytest.raises(ValueError, match=r"p must be a number of 0\.\.1, got "):
        number_within({"p": value}, "p", 0, 1)


def test_probabilities_of_choices_are_made_to_add_up_to_1():
    assert choice_probs({"choice_probs": {"A": 0.2, "B": 0.6}}, "AB") == pytest.approx({"A": 0.25, "B": 0.75})
    assert choice_probs({}, "AB") is None


@pytest.mark.parametrize(
    ("stated", "problem"),
    [
        ([1], "choice_probs must name A, B"),
        ({"A": 1.0}, "choice_probs must name A, B"),
        ({"A": 0.0, "B": 0.0}, "choice_probs: they must be numbers that are not all 0"),
        ({"A": 0.5, "B": None}, "choice_probs: they must be numbers that are not all 0"),
        ({"A": 0.5, "B": 2}, "choice_probs: B must be a number of 0..1, got 2"),
    ],
)
def test_other_probabilities_are_refused(stated, problem):
    with pytest.raises(ValueError, match=problem.replace(".", r"\.")):
        choice_probs({"choice_probs": stated}, "AB")


@pytest.mark.parametrize(
    ("row", "scores"),
    [
        ({}, []),
        ({"explanation_score": None}, []),
        ({"explanation_score": 0.5}, [0.5]),
        ({"explanation_score": 1, "explanation_scores": [1, 0.5, 1]}, [1, 0.5, 1]),
    ],
)
def test_a_judges_scores_of_an_explanation_are_all_that_it_gave(row, scores):
    assert explanation_scores(row) == scores


@pytest.mark.parametrize(
    "row",
    [
        {"explanation_score": 0.7},
        {"explanation_score": True},
        {"explanation_score": [1]},
        {"explanation_score": "1"},
        {"explanation_score": 1, "explanation_scores": 1},
        {"explanation_score": 1, "explanation_scores": [1, 2]},
    ],
)
def test_a_score_of_another_scale_is_refused(row):
    with pytest.raises(ValueError, match=r"explanation_scores? must be"):
        explanation_scores(row)
