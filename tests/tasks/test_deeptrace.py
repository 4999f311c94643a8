"""The DeepTraceReward task: its texts are the paper's, and every parser reads what it can and guesses nothing."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from swift_plugins.core.tasks import MAX_CHARS, get_task
from swift_plugins.core.tasks.deeptrace import (
    CATEGORIES,
    GRAMMARS,
    QUESTIONS,
    REAL_ANSWER,
    Parsed,
    categories_in,
    parse_auto,
    parse_trained,
    render,
    segments,
)
from swift_plugins.core.tasks.deeptrace_answer import Answer
from swift_plugins.core.tasks.deeptrace_zero_shot import ZERO_SHOT_QUESTION
from swift_plugins.core.tasks.verdicts import VERDICT_WORDS

REAL, FAKE = Answer("real"), Answer("fake")
HEAD = "FAKE. The video is AI-generated."
BOX, BOX_TEXT = (252.0, 28.0, 995.0, 529.0), "[252, 28, 995, 529]"

# ------------------------------------------------------------------------------------------------ the paper's own texts

ASKED = (
    "<video> Decide whether the video is AI-generated or real by detecting unnatural parts. If you don’t detect any "
    "unnatural parts and think the video is real, reply with REAL. Otherwise, if you detect any, reply with FAKE"
)
WHERE = ", and provide the coordinates of the unnatural parts in [x0, y0, x1, y1] format"


@pytest.mark.parametrize(
    ("setting", "rest"),
    [
        ("full", f"{WHERE}, the starting time of them, and an explanation."),
        ("no_time", f"{WHERE}, and an explanation."),
        ("no_explanation", f"{WHERE}, and the starting time of them."),
        ("no_time_no_explanation", f"{WHERE}."),
        ("label_only", "."),
    ],
)
def test_question(setting, rest):
    assert QUESTIONS[setting] == ASKED + rest


def test_zero_shot_question():
    assert ZERO_SHOT_QUESTION == (
        "<video> Decide whether the video is AI-generated or real. If you think it is real, reply 'REAL'. Otherwise, "
        "reply 'FAKE' and provide the area coordinates in [x0, y0, x1, y1] format, the starting time of when you think "
        "it becomes fake, and an explanation. Encapsulate your answers using <coordinates> </coordinates>, "
        "<start_time> </start_time>, and <explanation> </explanation>."
    )


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (REAL, "REAL. The video is real. There is no unnatural part."),
        (
            Answer("fake", BOX, 0.53, "The dog melts."),
            f"{HEAD} The unnatural part is at {BOX_TEXT} starting 0.53 seconds. The reason is because The dog melts.",
        ),
        (Answer("fake", BOX, 2.0), f"{HEAD} The unnatural part is at {BOX_TEXT} starting 2 seconds."),
        (Answer("fake", BOX, None, "x"), f"{HEAD} The unnatural part is at {BOX_TEXT}. The reason is because x"),
        (Answer("fake", (0.0, 0.125, 0.5, 1.0)), f"{HEAD} The unnatural part is at [0, 0.125, 0.5, 1]."),
        (FAKE, HEAD),
    ],
)
def test_render_writes_the_papers_answers(answer, text):
    assert render(answer) == text
    assert parse_trained(text) == Parsed(answer, "trained")


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (Answer("maybe"), "verdict must be 'real' or 'fake'"),
        (Answer("real", BOX), "a real verdict has no bbox"),
        (Answer("fake", (5, 0, 5, 9)), "x0 < x1"),
        (Answer("fake", (math.nan, 0, 1, 1)), "x0 < x1"),
        (Answer("fake", (0, 0, math.inf, 1)), "cannot write inf"),
        (Answer("fake", (-1e12, 0, 1, 1)), "cannot write -1000000000000"),
        (Answer("fake", BOX, 1e-7), "cannot write 1e-07"),
        (Answer("fake", BOX, -1.0), "must be >= 0"),
        (Answer("fake", None, 1.0), "a start needs a bbox"),
        (Answer("fake", BOX, 1.0, ""), "must not be empty"),
        (Answer("fake", BOX, 1.0, "x "), "white space"),
        (Answer("fake", BOX, 1.0, "It blurs. REAL. Or so."), "verdict sentence"),
        (Answer("fake", BOX, 1.0, "x" * MAX_CHARS), "too long"),
    ],
)
def test_render_refuses_what_could_not_be_read_back(answer, complaint):
    with pytest.raises(ValueError, match=complaint):
        render(answer)


# ----------------------------------------------------------------------------------------------------------- properties

FRAGMENTS = st.sampled_from(
    [
        "REAL",
        "FAKE",
        "Fake.",
        "REAL.",
        "REAL. The video is real.",
        HEAD,
        " The unnatural part is at ",
        BOX_TEXT,
        "[1,2,3]",
        " starting ",
        "0.5",
        "٣",
        " seconds.",
        " The reason is because ",
        "<coordinates>",
        "</coordinates>",
        "<start_time>",
        "</start_time>",
        "<explanation>",
        "</explanation>",
        "not ",
        "isn’t ",
        "un",
        "-time",
        "```json\n",
        "```",
        "{",
        "}",
        "[",
        "]",
        '"label"',
        '"bbox"',
        '"start"',
        '"explanation"',
        ": ",
        ", ",
        '"FAKE"',
        '"real"',
        "NaN",
        "Infinity",
        "1e999",
        r'"\ud800"',
        "null",
        "true",
        "\n",
        " ",
        "\0",
        "1_0",
        "-5",
        "9" * 5000,
    ]
)
OUTPUTS = st.one_of(st.text(), st.lists(st.one_of(FRAGMENTS, st.text(max_size=5)), max_size=20).map("".join))


def numbers(low: float) -> st.SearchStrategy[float]:
    """What a box or a time may hold: whole, rounded and unrounded numbers."""
    free = st.floats(low, 1e5).filter(lambda x: x == 0 or abs(x) >= 1e-4)
    return st.one_of(st.integers(int(low), 4000).map(float), free, free.map(lambda x: round(x, 3)))


@st.composite
def answers(draw) -> Answer:
    if draw(st.booleans()):
        return REAL
    (x0, x1), (y0, y1) = (sorted(draw(st.tuples(numbers(-5000), numbers(-5000)))) for _ in "xy")
    bbox = (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
    start = draw(st.none() | numbers(0)) if bbox else None
    return Answer("fake", bbox, start, draw(st.none() | OUTPUTS.map(str.strip).filter(bool)))


@given(answers())
@example(Answer("fake", BOX, 1.0, "the unnatural part is at [1, 2, 3, 4] starting 7 seconds. The reason is because 🙂"))
@settings(max_examples=500)
def test_what_is_rendered_reads_back(answer):
    try:
        text = render(answer)
    except ValueError:  # an explanation that holds a verdict sentence
        assume(False)
    assert parse_trained(text) == Parsed(answer, "trained")
    assert parse_trained(f"\n{text}") == Parsed(answer, "trained")  # not letter by letter as rendered
    kinds = [kind for _, kind in segments(text) if kind != "other"]
    fields = {"bbox": answer.bbox, "time": answer.start, "explanation": answer.explanation}
    assert kinds == ["verdict", *(kind for kind, value in fields.items() if value is not None)]


@pytest.mark.parametrize("grammar", GRAMMARS)
@given(text=OUTPUTS)
@settings(max_examples=400)
def test_parsing_never_raises_and_never_half_answers(grammar, text):
    parsed = GRAMMARS[grammar](text)
    answer = parsed.answer
    assert (answer is None) == (parsed.reason is not None)
    json.dumps([parsed.reason, parsed.problems], ensure_ascii=False).encode()  # fit for a report
    if answer is None:
        return
    assert answer.verdict in VERDICT_WORDS
    assert answer.verdict == "fake" or answer == REAL
    assert answer.bbox is None or (answer.bbox[0] < answer.bbox[2] and answer.bbox[1] < answer.bbox[3])
    assert all(math.isfinite(x) for x in (*(answer.bbox or ()), answer.start or 0.0))
    assert answer.start is None or answer.start >= 0
    assert answer.explanation is None or answer.explanation.strip().encode()


@given(OUTPUTS)
@example(f"{HEAD} The reason is because the unnatural part is at [1, 2, 3, 4] starting 3 seconds")
@example("FAKE. The unnatural part is at [ starting 3 seconds]")
@settings(max_examples=400)
def test_segments_join_to_the_text(text):
    pieces = segments(text)
    assert "".join(piece for piece, _ in pieces) == text
    assert {kind for _, kind in pieces} <= {"verdict", "bbox", "time", "explanation", "other"}


def test_segments_begin_with_their_space():
    assert segments(render(Answer("fake", BOX, 0.5, "it melts"))) == [
        ("FAKE", "verdict"),
        (". The video is AI-generated. The unnatural part is at", "other"),
        (f" {BOX_TEXT}", "bbox"),
        (" starting", "other"),
        (" 0.5", "time"),
        (" seconds. The reason is because", "other"),
        (" it melts", "explanation"),
    ]


# ------------------------------------------------------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("REAL", "real"),
        ("  fake\n", "fake"),
        ("**FAKE**", "fake"),
        ("Real.", "real"),
        ("The video is real.", "real"),
        ("I think this is a FAKE video, with unrealistic skin.", "fake"),
        ("REAL. The motion is fake-looking nowhere.", "real"),
        # parts of words are not verdicts
        ("unrealistic", None),
        ("A surreal and realistic scene, a faked one, deepfake", None),
        ("It was recorded in real-time.", None),
        ("Shows real‑world lighting.", None),
        ("real_estate", None),
        # negated, both, neither
        ("The video is not real.", "fake"),
        ("It isn't a real video.", "fake"),
        ("It isn’t fake.", "real"),
        ("The video does not look real.", None),
        ("It does not appear to be real.", None),
        ("This cannot be real.", "fake"),
        ("There are no fake elements in this video.", None),
        ("A clip without fake parts", None),
        ("A non-real scene", None),
        ("REAL or FAKE", None),
        ("Is it real? I would say fake.", "fake"),
        ("Fake or real I cannot say", None),
        ("FAKE. The video is real.", None),
        ("REAL. The video is AI-generated.", None),
        ("FAKE. It melts.\nREAL.", None),
        ("I cannot tell.", None),
        ("False.", None),
        ("", None),
        ("   \n", None),
    ],
)
def test_verdict_of_free_text(text, verdict):
    parsed = parse_auto(text)
    assert (parsed.answer and parsed.answer.verdict) == verdict
    assert verdict or parsed.reason


@pytest.mark.parametrize(
    ("grammar", "text", "answer"),
    [
        ("trained", "Real - nothing is wrong", REAL),
        ("trained", "It is FAKE", None),
        ("trained", f"fake. The unnatural part is at {BOX_TEXT}", Answer("fake", BOX)),
        (
            "tags",
            f"FAKE <coordinates>{BOX_TEXT}</coordinates> <start_time>0.5</start_time> "
            "<explanation>not a real dog</explanation>",
            Answer("fake", BOX, 0.5, "not a real dog"),
        ),
        ("tags", "<explanation>it is fake</explanation> REAL", REAL),
        ("tags", "<explanation>it is fake</explanation>", None),
        ("tags", "FAKE <explanation> </explanation>", FAKE),
        (
            "json",
            '{"label": "FAKE", "bbox": [252, 28, 995, 529], "start_time": 1, "explanation": " x "}',
            Answer("fake", BOX, 1.0, "x"),
        ),
        (
            "json",
            '```json\n{"verdict": "fake", "box": {"left": 252, "top": 28, "width": 743, "height": 501}}\n```',
            Answer("fake", BOX),
        ),
        ("json", '{"answer": "real", "bbox": null}', REAL),
        ("json", '{"label": "REAL or FAKE"}', None),
        ("json", '{"label": ["FAKE"]}', None),
        ("json", '{"label": "FAKE"', None),
        ("json", '["FAKE"]', None),
        ("json", "FAKE", None),
        ("json", r'{"label": "FAKE", "reason": "half a \ud83d pair"}', Answer("fake", explanation="half a ? pair")),
    ],
)
def test_grammar(grammar, text, answer):
    parsed = GRAMMARS[grammar](text)
    assert (parsed.answer, parsed.grammar) == (answer, grammar)
    assert not parsed.problems
    assert answer or parsed.reason


@pytest.mark.parametrize(
    ("text", "grammar"),
    [
        (REAL_ANSWER, "trained"),
        ("FAKE, it is", "trained"),
        ('{"label": "real"}', "json"),
        ('```json\n{"label": "real"}\n```', "json"),
        ("{broken", "json"),
        ("FAKE <start_time>1</start_time>", "tags"),
        ("I say FAKE", "tags"),
        ("nothing", "tags"),
    ],
)
def test_auto_names_the_grammar_that_matched(text, grammar):
    assert parse_auto(text).grammar == grammar


# ------------------------------------------------------------------------------------------------------ hostile outputs

SPACES = " " * 60_000


@pytest.mark.timeout(20)  # each takes milliseconds; where the time grows faster than the text, hours
@pytest.mark.parametrize("grammar", GRAMMARS)
@pytest.mark.parametrize(
    "text",
    [
        "<coordinates>" * 16_000,
        "FAKE" + "<coordinates>x</coordinates>" * 16_000,
        f"FAKE <coordinates>{SPACES}x</coordinates>",
        f"FAKE <coordinates>1,2,3,4{SPACES}x</coordinates>",
        f"FAKE <start_time>1{SPACES}x</start_time>",
        f"FAKE. starting 1{SPACES}x seconds",
        f"{SPACES}x",
        "FAKE." + SPACES + "REAL",
        "not " * 16_000 + "real",
        "real " * 16_000,
        ".REAL " * 12_000,
        "unnatural part is at [" * 3000,
        "FAKE. " + "unnatural part is at [" * 3000,
        "FAKE " + "starting 1" * 6000,
        '{"label":' + "[" * 100_000,
        '{"a":' * 100_000,
        "[" * 100_000,
        '{"label": "FAKE", "bbox": [' + "9" * 5000 + ", 0, 1, 1]}",
        '{"label": "FAKE", "start": ' + "[" * 900 + "]" * 900 + "}",
        "```" * 20_000,
        "A" * 1_000_000,
        "🙂" * 1_000_000,
        "\0" * 1_000_000,
    ],
    ids=range(23),
)
def test_hostile_outputs_cost_nothing(grammar, text):
    assert isinstance(GRAMMARS[grammar](text), Parsed)


def test_a_long_answer_is_read_up_to_the_limit():
    answer = parse_auto(f"{HEAD} The reason is because " + "x" * 1_000_000).answer
    assert answer.verdict == "fake"
    assert 60_000 < len(answer.explanation) < MAX_CHARS


# ----------------------------------------------------------------------------------------------------------- categories


@pytest.mark.parametrize(
    ("tag", "categories"),
    [
        ("objects merging / overlapping", ["object merging"]),
        ("object splitting", ["object splitting"]),
        ("sudden disappearance of objects", ["object disappearance"]),
        ("sudden appearance", ["redundant object"]),
        ("extra objects", ["redundant object"]),
        ("sudden blurring", ["sudden blurring"]),
        ("background distortion", ["background distortion"]),
        ("still things moving", ["unexpected move"]),
        ("unsmooth motion ( motion is correct)", ["object trajectory"]),
        ("weird motion, shape distortion", ["object trajectory", "object distortion"]),
        ("Distortions (object)", ["object distortion"]),
        ("other", []),
        ("", []),
    ],
)
def test_raw_tags_name_categories(tag, categories):
    assert categories_in(tag) == categories


def test_there_are_the_papers_nine_categories():
    assert len(CATEGORIES) == 9
    assert all(category in categories_in(category) for category in CATEGORIES)


# --------------------------------------------------------------------------------------------------------- the registry


def test_unknown_task_is_told_what_was_meant():
    assert get_task("deeptrace").NAME == "deeptrace"
    with pytest.raises(ValueError, match=r"unknown task 'deeptrce'; did you mean 'deeptrace'\? Available: deeptrace"):
        get_task("deeptrce")
    with pytest.raises(ValueError, match=r"unknown task 'x' Available: deeptrace"):
        get_task("x")


# ------------------------------------------------------------------------------------------------- real models' outputs


@pytest.mark.parametrize(("name", "unparsed"), [("qwen2.5-vl-3b-v2-test", 0), ("smolvlm2-500m-test", 462)])
def test_real_outputs_read_as_their_publisher_read_them(published, name, unparsed):
    """Where the publisher's own reader decided, ours says the same or nothing: it takes no side in "REAL or FAKE".

    The publisher's takes "The image is not AI-generated." for FAKE, once.
    """
    lines = (published / "deeptrace_outputs" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if "predicted_label" in row]
    read = [parse_auto(row["raw_output"]).answer for row in rows]
    pairs = [(a.verdict, r["predicted_label"].lower(), r["raw_output"]) for a, r in zip(read, rows, strict=True) if a]
    others = [text for ours, theirs, text in pairs if ours != theirs]
    assert all(text == " The image is not AI-generated." for text in others)
    assert len(others) <= 1
    assert read.count(None) == unparsed
