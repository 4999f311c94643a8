"""LOKI's three tasks: what they write reads back, and no output is read as more than it says."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from swift_plugins.answering.probabilities import choice_probabilities
from swift_plugins.core.tasks import MAX_CHARS, TASKS, get_task, loki_mc, loki_open, loki_tf

CHOOSING = (loki_tf, loki_mc)
MODULES = (*CHOOSING, loki_open)
VALUES = {"loki_tf": ["yes", "no"], "loki_mc": ["A", "B"]}
ANY_TASK = pytest.mark.parametrize("task", MODULES, ids=lambda task: task.NAME)
ANY_CHOICE = pytest.mark.parametrize("task", CHOOSING, ids=lambda task: task.NAME)


def choice(task, text):
    answer = task.parse_trained(text).answer
    return answer and answer.choice


# ------------------------------------------------------------------------------------------------------------ the forms


@pytest.mark.parametrize(
    ("task", "answer", "text"),
    [
        (loki_tf, loki_tf.Answer("yes"), "Yes"),
        (loki_tf, loki_tf.Answer("no", "The light is even."), "No. The light is even."),
        (loki_mc, loki_mc.Answer("A"), "A"),
        (loki_mc, loki_mc.Answer("B", "It melts."), "B. It melts."),
        (loki_open, loki_open.Answer("A hand\nhas six fingers."), "A hand\nhas six fingers."),
    ],
)
def test_an_answer_is_written_in_its_form(task, answer, text):
    assert task.render(answer) == text
    parsed = task.GRAMMARS["trained"](text)
    assert (parsed.answer, parsed.reason, parsed.grammar) == (answer, None, "trained")


@ANY_TASK
def test_a_task_is_registered(task):
    assert task.NAME in TASKS
    assert get_task(task.NAME) is task


def test_the_questions_end_as_in_the_released_evaluation():
    assert loki_tf.PROMPT_END == "\nAnswer with yes or no."
    assert loki_mc.PROMPT_END == "\nA. The first one.\nB. The second one.\nAnswer with the option letter."


@pytest.mark.parametrize(
    ("said", "asks", "verdict"),
    [("yes", "fake", "fake"), ("no", "fake", "real"), ("yes", "real", "real"), ("no", "real", "fake")],
)
def test_an_answer_and_what_was_asked_are_a_verdict(said, asks, verdict):
    assert loki_tf.verdict(said, asks) == verdict


@pytest.mark.parametrize(
    ("task", "answer", "complaint"),
    [
        (loki_tf, loki_tf.Answer("Yes"), "must be yes or no, got 'Yes'"),
        (loki_tf, loki_tf.Answer("no", "Yes."), "does not read back as written: both yes and no"),
        (loki_tf, loki_tf.Answer("no", ""), "does not read back"),
        (loki_mc, loki_mc.Answer("C"), "must be A or B, got 'C'"),
        (loki_mc, loki_mc.Answer("A", "The second one."), "does not read back as written: both A and B"),
        (loki_open, loki_open.Answer(" "), "must not be empty"),
        (loki_open, loki_open.Answer("x" * (MAX_CHARS + 1)), "too long"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(task, answer, complaint):
    with pytest.raises(ValueError, match=re.escape(complaint)):
        task.render(answer)


# ----------------------------------------------------------------------------------------------------- what it must say


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Yes", "yes"),
        ("no.", "no"),
        (" YES!", "yes"),
        ('"No"', "no"),
        ("**Yes**", "yes"),
        ("(no)", "no"),
        ("Yes, the hands are wrong.", "yes"),
        ("No - the light is even.", "no"),
        ("Yes it is generated.", "yes"),
        ("No, no doubt.", "no"),
        ("Yes. There is no shadow.", "yes"),
        ("no\nThe grain is even.", "no"),
        # neither
        ("Not sure", None),
        ("yes and no", None),
        ("Yes or no", None),
        ("Yes/No", None),
        ("Yes?", None),
        ("Yesterday", None),
        ("No doubt it is generated.", None),
        ("No-one knows.", None),
        ("No one knows.", None),
        ("yeſ", None),
        ("The answer is yes.", None),
        ("", None),
        # both
        ("Yes. No.", None),
        ("No, the light is even. Yes, it is real.", None),
        ("Yes, and no.", None),
        ("Yes\nNo", None),
    ],
)
def test_yes_or_no_is_read_or_there_is_a_reason(text, wanted):
    assert choice(loki_tf, text) == wanted
    assert bool(loki_tf.parse_trained(text).reason) == (wanted is None)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A", "A"),
        ("b", "B"),
        ("A.", "A"),
        ("(A)", "A"),
        ("B) The fur is smooth.", "B"),
        ("**B**", "B"),
        ("A. The first one.", "A"),
        ("The first one.", "A"),
        ("the second one", "B"),
        ("B: The second one", "B"),
        ("A. The first one. Its hands melt.", "A"),
        # neither
        ("C", None),
        ("A realistic scene", None),
        ("Answer A", None),
        ("The first one is real, the second is not.", None),
        ("The firſt one.", None),
        ("А", None),  # Cyrillic
        ("", None),
        # both
        ("A. The second one.", None),
        ("A or B", None),
        ("A, B", None),
        ("B\nA", None),
        ("The second one, and the first one.", None),
    ],
)
def test_a_choice_is_read_or_there_is_a_reason(text, wanted):
    assert choice(loki_mc, text) == wanted
    assert bool(loki_mc.parse_trained(text).reason) == (wanted is None)


def test_what_follows_a_choice_is_its_explanation():
    assert loki_tf.parse_trained("Yes, it melts.").answer.explanation == "it melts."
    assert loki_mc.parse_trained("A. The first one.").answer.explanation is None
    assert loki_mc.parse_trained("A. The first one. It melts.").answer.explanation == "It melts."


def test_free_text_is_an_explanation_and_white_space_is_none():
    assert loki_open.parse_trained(" \n It melts. ").answer == loki_open.Answer("It melts.")
    assert loki_open.parse_trained(" \n ").reason == "it is empty"


@pytest.mark.parametrize(
    ("task", "steps", "wanted"),
    [
        (loki_tf, [("Yes", {"Yes": -0.1, "No": -2.4, "Maybe": -5})], {"yes": 0.9089, "no": 0.0911}),
        (loki_mc, [("(", {"(": 0.0}), ("B", {"B": -0.1, "A": -2.4})], {"A": 0.0911, "B": 0.9089}),
        (loki_open, [("The", {"The": -0.1, "A": -2.4})], None),  # decides between nothing
    ],
)
def test_the_probabilities_of_the_choices_are_found(task, steps, wanted):
    found = choice_probabilities(task.CHOICES, steps)
    assert found == (wanted and pytest.approx(wanted, abs=1e-3))


# ----------------------------------------------------------------------------------------------------------- properties

FRAGMENTS = st.sampled_from(
    [
        "Yes",
        "No",
        "yes",
        "no",
        "A",
        "B",
        "a",
        "The first one",
        "the second one.",
        "The second",
        "and",
        "or",
        "but",
        "not",
        "it",
        "doubt",
        ".",
        ",",
        "?",
        ":",
        ")",
        "(",
        "*",
        '"',
        "'",
        "-",
        "–",
        "/",
        " ",
        "\n",
        "\0",
        "ſ",
        "🙂",
        "x" * 41,
    ]
)
OUTPUTS = st.one_of(st.text(), st.lists(st.one_of(FRAGMENTS, st.text(max_size=4)), max_size=14).map("".join))
EXPLANATIONS = st.none() | OUTPUTS.map(str.strip).filter(bool)


@ANY_CHOICE
@given(data=st.data(), explanation=EXPLANATIONS)
@settings(max_examples=300)
def test_what_is_rendered_reads_back(task, data, explanation):
    answer = task.Answer(data.draw(st.sampled_from(VALUES[task.NAME])), explanation)
    try:
        text = task.render(answer)
    except ValueError:  # an explanation that says the other one
        assume(False)
    for shown in (text, f"\n{text}\n "):
        parsed = task.GRAMMARS["trained"](shown)
        assert (parsed.answer, parsed.reason) == (answer, None)
    assert next(kind for _, kind in task.segments(text) if kind != "other") == "answer"


@ANY_TASK
@given(text=OUTPUTS)
@settings(max_examples=400)
def test_parsing_never_raises_and_never_half_answers(task, text):
    parsed = task.parse_trained(text)
    assert (parsed.answer is None) == (parsed.reason is not None)
    json.dumps(parsed.reason)  # fit for a report
    if parsed.answer is not None and task in CHOOSING:
        assert parsed.answer.choice in VALUES[task.NAME]


@ANY_TASK
@given(text=OUTPUTS)
@settings(max_examples=400)
def test_segments_join_to_the_text_and_have_the_tasks_kinds(task, text):
    pieces = task.segments(text)
    assert "".join(piece for piece, _ in pieces) == text
    assert {kind for _, kind in pieces} <= set(task.KINDS)
    assert all(piece for piece, _ in pieces)


def test_segments_hold_the_choice_alone():
    assert loki_tf.segments("No. It is sharp.") == [("No", "answer"), (". ", "other"), ("It is sharp.", "explanation")]
    assert loki_mc.segments("(B)") == [("(", "other"), ("B", "answer"), (")", "other")]
    assert loki_open.segments("It melts.") == [("It melts.", "explanation")]


SPACES = " " * MAX_CHARS
LONG = [
    "Yes. " * 16_000,
    "No, " * 16_000,
    "A. " * 20_000,
    "A.,:)* " * 8_000,
    "The first one. " * 4_000,
    f"Yes{SPACES}.",
    f"A.{SPACES}The first one.",
    "Yes" + "\n" * MAX_CHARS,
    "Yes" + ", and " * 10_000,
    "(" * MAX_CHARS,
    "*" * MAX_CHARS + "Yes",
    SPACES + "Yes",
    "A" * 1_000_000,
    "🙂" * 1_000_000,
    "\0" * 1_000_000,
]


@pytest.mark.parametrize("text", LONG, ids=range(len(LONG)))
@ANY_TASK
def test_a_long_output_costs_no_more_than_its_length(task, text):
    begin = time.process_time()
    task.parse_trained(text)
    task.segments(text[:MAX_CHARS])
    assert time.process_time() - begin < 1


def test_what_lies_beyond_the_limit_is_not_read():
    assert choice(loki_tf, "Yes. " + "x" * MAX_CHARS + ". No.") == "yes"
    assert len(loki_open.parse_trained("x" * 100_000).answer.explanation) == MAX_CHARS
