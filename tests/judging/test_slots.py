"""The slots of a judge's prompt are filled with texts to the letter, and what a text holds opens none."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swift_plugins.core.tasks import dfj_pairwise, dfj_pointwise
from swift_plugins.core.tasks.candidates import SLOTS, fill

POINTWISE = {"ground_truth_label": "fake", "candidate_response": "The hand has six fingers."}
PAIRWISE = {"ground_truth_label": "real", "response_a": "Sharp.", "response_b": "Blurred."}
VALUES = st.one_of(
    st.text(max_size=20),
    st.lists(st.sampled_from(["{", "}", "{response_a}", "{response_b}", "{0}", "%s", "\\1", "$1", "x"])).map("".join),
)


@pytest.mark.parametrize(("prompt", "values"), [(dfj_pointwise.PROMPT, POINTWISE), (dfj_pairwise.PROMPT, PAIRWISE)])
def test_the_projects_prompts_have_their_slots(prompt, values):
    filled = fill(prompt, values)
    assert not re.search("{(" + "|".join(SLOTS) + ")}", filled.text)
    assert {name: filled.text[begin:end] for name, (begin, end) in filled.spans.items()} == values


@given(label=VALUES, a=VALUES, b=VALUES)
@settings(max_examples=300)
def test_braces_in_a_value_open_no_slot_and_the_spans_point_at_the_values(label, a, b):
    values = {"ground_truth_label": label, "response_a": a, "response_b": b}
    filled = fill("{{}} {ground_truth_label}|{response_a}|{response_b}{other} %s \\1", values)
    assert filled.text == "{{}} " + label + "|" + a + "|" + b + "{other} %s \\1"
    assert {name: filled.text[begin:end] for name, (begin, end) in filled.spans.items()} == values


def test_what_only_looks_like_a_slot_stays():
    """The released prompt holds braces of its own, over which str.format stumbles."""
    template = '{"score": 1} {} {candidate} {{candidate_response}} {0!r}'
    assert fill(template, {"candidate_response": "x"}).text == '{"score": 1} {} {candidate} {x} {0!r}'


def test_the_label_may_stand_in_a_prompt_more_than_once():
    assert fill("{ground_truth_label}, {ground_truth_label}", {"ground_truth_label": "real"}).text == "real, real"


@pytest.mark.parametrize(
    ("template", "values", "complaint"),
    [
        ("no slot", POINTWISE, "no slot {ground_truth_label} or {candidate_response}"),
        ("{ground_truth_label}", POINTWISE, "no slot {candidate_response}"),
        ("{ground_truth_label}{candidate_response}{response_a}", POINTWISE, "a slot {response_a}, for which there is"),
        ("{ground_truth_label}{candidate_response}{candidate_response}", POINTWISE, "{candidate_response} twice"),
        ("{candidate_response}", {"candidate_response": "x", "image": "y"}, "no slot {image}"),
    ],
)
def test_a_prompt_that_does_not_fit_is_refused(template, values, complaint):
    with pytest.raises(ValueError, match=re.escape(complaint)):
        fill(template, values)
