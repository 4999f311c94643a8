"""FakeVLM's answers: what is read, what is not, and the released parser's rule beside it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swift_plugins.core.tasks import MAX_CHARS, fakevlm
from swift_plugins.core.tasks.fakevlm import FORMS, GRAMMARS, Answer, parse_auto, parse_trained, parse_upstream, render

EXPLANATIONS = st.one_of(st.none(), st.text(min_size=1, max_size=80).map(str.strip).filter(bool))


def read(text: str) -> tuple[str, str | None, str] | str | None:
    """(verdict, explanation, form) of a text, or why there is none."""
    parsed = parse_trained(text)
    return (parsed.answer.verdict, parsed.answer.explanation, parsed.answer.form) if parsed.answer else parsed.reason


NO_OPENING = 'does not begin with "This is a real/fake image"'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("This is a fake image. The skin melts.", ("fake", "The skin melts.", "image")),
        ("This is a real image.\nThe light is even.", ("real", "The light is even.", "image")),
        ("this is a FAKE image", ("fake", None, "image")),
        ("This is a fake image with unrealistic skin", ("fake", "with unrealistic skin", "image")),
        ("This is a fake image: real people have two eyes.", ("fake", "real people have two eyes.", "image")),
        ("This is a real image of a fake smile.", ("real", "of a fake smile.", "image")),
        ("This is a fake video. It flickers.", ("fake", "It flickers.", "video")),
        ("The image looks real. The person has even skin.", ("real", "The person has even skin.", "looks")),
        ("The person's eyes look fake. They differ.", ("fake", "They differ.", "eyes")),
        ("The person’s skin looks real.", ("real", None, "skin")),
        ("The person's \u017fkin looks fa\u212ae.", ("fake", None, "skin")),  # a long s, the sign of kelvin
        ("This is a fake image. So. This is a real image", "two different verdicts"),
        (' \n"This is a fake image.', ("fake", None, "image")),
        ("Fake", ("fake", None, "word")),
        ("real.", ("real", None, "word")),
        ("The image looks real. The person's nose looks fake.", ("real", "The person's nose looks fake.", "looks")),
        (
            "This is a fake image. It only pretends that this is a real image.",
            ("fake", "It only pretends that this is a real image.", "image"),
        ),
        ("This is a fake image. One sees it. This is a real image.", "two different verdicts"),
        ("This is a real image.\nThis is a fake image.", "two different verdicts"),
        ("The image looks real. All in all, this is a good one. This is a fake image.", "two different verdicts"),
        ("This is a real image. The person's skin looks fake.", ("real", "The person's skin looks fake.", "image")),
        ("This is a real image?", NO_OPENING),
        ("The image looks real/fake.", NO_OPENING),
        ("The image looks real or fake.", NO_OPENING),
        ("The image looks fake, or  real", NO_OPENING),
        ("The person's eyes look real or fake.", NO_OPENING),
        ("This is a real image or a fake image.", NO_OPENING),
        ("This is a real image/fake image.", NO_OPENING),
        ("This is a real image, or so it seems.", ("real", "or so it seems.", "image")),
        ("This is not a fake image.", NO_OPENING),
        ("This is a really good image.", NO_OPENING),
        ("This is a fake-looking image.", NO_OPENING),
        ("Realistic", NO_OPENING),
        ("Fake or real", NO_OPENING),
        ("The image looks unreal.", NO_OPENING),
        ("I think that this is a fake image.", NO_OPENING),
        ("", "it is empty"),
    ],
)
def test_what_is_read(text, found):
    assert read(text) == found


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("This is a fake image. The skin melts.", "fake"),
        ("This is a fake image with unrealistic skin", "real"),  # the substring comes first
        ("An odd one. This is FAKE.", "fake"),
        ("It surrealistically melts", "real"),
        ("First. Second. This is fake.", None),  # the release would guess
        ("No verdict", None),
        ("", None),
    ],
)
def test_the_released_rule_takes_substrings_and_here_never_guesses(text, verdict):
    parsed = parse_upstream(text)
    assert (parsed.answer.verdict if parsed.answer else None) == verdict
    assert parsed == parse_upstream(text)


def test_free_text_is_read_by_auto_alone():
    said = "I would say it is fake, because the hands have six fingers."
    assert parse_trained(said).answer is None
    assert (parse_auto(said).answer.verdict, parse_auto(said).grammar) == ("fake", "plain")
    assert parse_auto("This is a real image.").grammar == "trained"
    assert parse_auto("This is a real image. This is a fake image.").answer is None


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("verdict", fakevlm.VERDICTS)
def test_every_form_reads_back(form, verdict):
    answer = Answer(verdict, None, form)
    assert parse_trained(render(answer)).answer == answer
    assert render(answer) == {"word": verdict.capitalize()}.get(form, FORMS[form].format(verdict))


@given(st.sampled_from(fakevlm.VERDICTS), EXPLANATIONS, st.sampled_from(sorted(FORMS)))
def test_what_is_rendered_is_read_back_or_refused(verdict, explanation, form):
    answer = Answer(verdict, explanation, form)
    try:
        text = render(answer)
    except ValueError:
        return
    assert parse_trained(text).answer == answer


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (Answer("edited"), "verdict must be one of real, fake, got 'edited'"),
        (Answer("fake", None, "audio"), "form must be one of image, video, .* got 'audio'"),
        (Answer("fake", "It melts.", "word"), "does not read back"),
        (Answer("fake", "It melts. This is a real image.", "image"), "two different verdicts"),
        (Answer("fake", " padded"), "does not read back"),
    ],
)
def test_what_could_not_be_read_back_is_refused(answer, complaint):
    with pytest.raises(ValueError, match=complaint):
        render(answer)


@given(st.text(max_size=300))
def test_no_text_breaks_a_parser_and_segments_lose_nothing(text):
    for parse in GRAMMARS.values():
        parsed = parse(text)
        assert (parsed.answer is None) == (parsed.reason is not None)
    pieces = fakevlm.segments(text)
    assert "".join(piece for piece, _ in pieces) == text
    assert {kind for _, kind in pieces} <= set(fakevlm.KINDS)


def test_the_parts_of_an_answer():
    assert fakevlm.segments("This is a fake image. The skin melts.") == [
        ("This is a ", "other"),
        ("fake", "verdict"),
        (" image. ", "other"),
        ("The skin melts.", "explanation"),
    ]
    assert fakevlm.segments("Real") == [("Real", "verdict")]
    assert fakevlm.segments("The person's eyes look real. They are even.") == [
        ("The person's eyes look ", "other"),
        ("real", "verdict"),
        (". ", "other"),
        ("They are even.", "explanation"),
    ]


HOSTILE = [
    "This is a fake image. " * 9000,
    "This is a " * 20_000,
    ". \n" * 60_000,
    "'\"* " * 60_000,
    "This is a fake image" + "! " * 60_000,
    "real." * 40_000,
    "The person's " * 16_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_reading_takes_linear_time_and_no_more_than_its_cap(text):
    begin = time.process_time()
    for parse in GRAMMARS.values():
        assert parse(text[:MAX_CHARS]).answer == parse(text + "This is a real image.").answer
    fakevlm.segments(text)
    assert time.process_time() - begin < 5


@pytest.mark.parametrize("part", fakevlm.PARTS)
def test_the_questions_are_those_on_disk(part):
    verb = "Do" if part in ("eyes", "eyebrows") else "Does"
    assert fakevlm.QUESTIONS[part] == f"<image>{verb} the person's {part} look real/fake?"
    assert fakevlm.QUESTION == "<image>Does the image looks real/fake?"
