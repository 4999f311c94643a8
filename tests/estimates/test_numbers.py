"""Metrics as text."""

from eval.estimates.clusters import Estimate
from eval.estimates.numbers import number, reasons


def test_numbers_are_printed_with_their_decimals_and_sign():
    metric = {"value": 0.5, "ci95": [-0.25, 1.0]}
    assert number(metric, 2, sign=True) == "+0.50 [-0.25, +1.00]"
    assert number(metric, 3, interval=False) == "0.500"
    assert number({"value": None}) == "–"


def test_an_estimate_rounds_only_what_it_prints():
    assert Estimate(12.3456789, 3).as_json()["value"] == 12.3457


def test_the_reasons_why_metrics_have_no_value_are_told_once_each():
    none = {"value": None, "reason": "no row"}
    assert reasons({"a": none, "b": {"value": 1.0}, "c": none, "d": {"value": None, "reason": "no judge"}}) == {
        "no row": ["a", "c"],
        "no judge": ["d"],
    }
