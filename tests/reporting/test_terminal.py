"""A scored run as text for a terminal."""

from tests.scorers.test_fakevlm import MIXED
from tests.scorers.test_robustness import ROWS
from tests.scoring import table_of


def test_the_terminal_shows_what_has_a_value_and_why_the_rest_has_none(tmp_path):
    said = table_of(tmp_path, [row | {"p_fake": None} for row in MIXED]).splitlines()
    first = [line.partition(" ")[0] for line in said]
    assert "accuracy" in first
    assert "auc" not in first
    assert "no value: css, css_answer: not asked for: score with --css" in said
    assert "no value: auc, ece, brier: 4 rows have no P(fake) (p_fake)" in said
    assert next(line for line in said if line.startswith("f1: ")).startswith("f1: positive class fake")


def test_the_terminal_shows_kinds_by_strength(tmp_path):
    lines = [line.split() for line in table_of(tmp_path, ROWS).splitlines()]
    assert ["accuracy", "clean", "1", "2", "3"] in lines
    assert ["jpeg", "75.0", "100.0", "50.0"] in lines
    assert ["blur", "75.0", "0.0"] in lines
