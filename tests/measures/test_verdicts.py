"""One verdict, and one score, against the truth."""

import pytest

from swift_plugins.core.measures.scores import closeness, counted_score
from swift_plugins.core.measures.verdicts import counted_p_fake, is_right, p_true


@pytest.mark.parametrize(
    ("truth", "answered", "right"),
    [
        ("real", "real", True),
        ("edited", "fake", True),
        ("fake", "edited", True),
        ("real", "edited", False),
        ("fake", "real", False),
        ("real", None, False),
        ("fake", None, False),
    ],
)
def test_edited_counts_as_fake_and_no_verdict_as_wrong(truth, answered, right):
    assert is_right(truth, answered) is right


def test_without_a_verdict_p_fake_is_as_wrong_as_can_be():
    assert [counted_p_fake(truth, None, 0.5) for truth in ("real", "fake", "edited")] == [1, 0, 0]
    assert counted_p_fake("real", "fake", 0.75) == 0.75
    assert counted_p_fake("real", "fake", None) is None


def test_the_probability_of_the_truth():
    assert [p_true(truth, 0.75) for truth in ("fake", "edited", "real")] == [0.75, 0.75, 0.25]


@pytest.mark.parametrize(("truth", "farthest"), [(1, 5), (2, 5), (3, 1), (4, 1), (5, 1)])
def test_without_a_score_the_farthest_counts(truth, farthest):
    assert counted_score(truth, None) == farthest
    assert counted_score(truth, 3) == 3


def test_a_score_is_the_closer_the_fewer_points_it_is_off():
    assert [closeness(5, counted) for counted in (5, 4, 3, 2, 1)] == [1, 0.75, 0.5, 0.25, 0]
