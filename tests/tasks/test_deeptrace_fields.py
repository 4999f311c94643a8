"""What a DeepTraceReward answer states beside its words: boxes, times and verdicts, as models write them."""

from __future__ import annotations

import json

import pytest

from swift_plugins.core.tasks.deeptrace import Parsed, parse_auto, parse_trained
from swift_plugins.core.tasks.deeptrace_answer import Answer
from swift_plugins.core.tasks.deeptrace_zero_shot import parse_json, parse_tags

REAL, FAKE = Answer("real"), Answer("fake")
HEAD = "FAKE. The video is AI-generated."
BOX, BOX_TEXT = (252.0, 28.0, 995.0, 529.0), "[252, 28, 995, 529]"


# ------------------------------------------------------------------------------------------------------ boxes and times


def in_trained(box: str = BOX_TEXT, start: str = "1") -> Parsed:
    return parse_trained(f"FAKE. The unnatural part is at {box} starting {start} seconds. The reason is because x")


def in_tags(box: str = BOX_TEXT, start: str = "1") -> Parsed:
    return parse_tags(
        f"FAKE <coordinates>{box}</coordinates><start_time>{start}</start_time><explanation>x</explanation>"
    )


def in_json(box: str = BOX_TEXT, start: str = "1") -> Parsed:
    return parse_json(f'{{"label": "FAKE", "bbox": {box}, "start": {start}, "explanation": "x"}}')


READERS = pytest.mark.parametrize("read", [in_trained, in_tags, in_json])


@READERS
@pytest.mark.parametrize("box", ["[-5, 0, 5000, 9]", "[0.25, 0.5, 0.75, 1.0]", "[ 1 , 2 ,3,4 ]"])
def test_box_is_read_as_stated(read, box):
    """A box outside the frame is still a claim; only the scorer knows the frame."""
    assert read(box).answer == Answer("fake", tuple(json.loads(box)), 1.0, "x")


@READERS
@pytest.mark.parametrize(
    "box",
    [
        "[9, 0, 5, 9]",
        "[0, 9, 5, 8]",
        "[1, 2, 3]",
        "[1, 2, 3, 4, 5]",
        "[]",
        "[NaN, 0, 1, 1]",
        "[0, 0, Infinity, 1]",
        "[0, 0, 1e999, 1]",
        f"[0, 0, {'9' * 4000}, 1]",
        '["1", "2", "3", "four"]',
        "null or void",
    ],
)
def test_a_broken_box_is_a_problem_and_costs_the_box_alone(read, box):
    parsed = read(box)
    if parsed.reason:  # where the box is no JSON, the whole is none
        assert read is in_json
        assert "broken JSON" in parsed.reason
    else:
        assert parsed.answer == Answer("fake", None, 1.0, "x")
        assert "bbox" in parsed.problems[0]


@READERS
@pytest.mark.parametrize(
    "start", ["-1", "NaN", "-Infinity", "1e999", "9" * 4000, "true", "1_0", "٣", "0:75", "1:2:3:4", "9" * 5000]
)
def test_a_broken_time_is_a_problem_and_costs_the_time_alone(read, start):
    parsed = read(start=start)
    if parsed.reason:
        assert read is in_json
        assert "broken JSON" in parsed.reason
    else:
        assert parsed.answer == Answer("fake", BOX, None, "x")
        assert "start" in parsed.problems[0]


@pytest.mark.parametrize("start", ["0.5", " 0.5 s", "0.5 seconds.", "0.5sec", "0.50"])
def test_time_with_its_unit(start):
    assert in_tags(start=start).answer.start == 0.5


@pytest.mark.parametrize(
    ("start", "seconds"),
    [
        ("1.5s", 1.5),
        ("1,5 s", 1.5),
        ("1500 ms", 1.5),
        ("0:02", 2.0),
        ("00:02.5", 2.5),
        ("00:00:02,500", 2.5),
        ("1:02:03", 3723.0),
        ("1 min 5 s", 65.0),
        ("2-4 s", 2.0),
        ("2.0 \u2013 3.5 seconds", 2.0),
        ("from 2 to 4 seconds", 2.0),
        ("0:02 - 0:04", 2.0),
        ("~2 s", 2.0),
        ("at 2 seconds into the video", 2.0),
    ],
)
def test_a_time_as_models_write_it_and_of_a_range_its_begin(start, seconds):
    for parsed in (in_tags(start=start), in_json(start=f'"{start}"'), parse_trained(trained_with(start))):
        assert (parsed.answer.start, parsed.problems) == (seconds, ())
    assert in_json(start="[2.0, 4.0]").answer.start == 2.0


def trained_with(start: str) -> str:
    return f"{HEAD} The unnatural part is at {BOX_TEXT} starting {start}. The reason is because x"


@pytest.mark.parametrize(
    "box",
    [
        "[[1, 2, 3, 4]]",
        "(1, 2, 3, 4)",
        "(1,2),(3,4)",
        "[[1, 2], [3, 4]]",
        "<|box_start|>(1,2),(3,4)<|box_end|>",
        "[x0=1, y0=2, x1=3, y1=4]",
        "x1: 1, y1: 2, x2: 3, y2: 4",
        '["1", "2", "3", "4"]',
        "[1 px, 2 px, 3 px, 4 px]",
    ],
)
def test_a_box_as_models_write_it(box):
    assert in_tags(box=box).answer == Answer("fake", (1.0, 2.0, 3.0, 4.0), 1.0, "x")
    assert in_json(box=json.dumps(box)).answer == Answer("fake", (1.0, 2.0, 3.0, 4.0), 1.0, "x")


@pytest.mark.parametrize("box", ["1234", "[12 34]", "[x0=1, x1=3, y0=2, y1=4]", "x=1, y=2, w=3, h=4", "1.2.3.4"])
def test_numbers_in_another_order_or_of_another_kind_are_no_box(box):
    assert in_tags(box=box).answer.bbox is None
    assert in_tags(box=box).problems[0].startswith("bbox: ")


MELTS = Answer("fake", (10.0, 20.0, 60.0, 80.0), 2.0, "it melts")


@pytest.mark.parametrize(
    "text",
    [
        '```json\n[{"bbox_2d": [10, 20, 60, 80], "verdict": "FAKE", "time": "0:02", "reason": "it melts"}]\n```',
        'The video is FAKE.\n```json\n[{"bbox_2d": [10, 20, 60, 80], "label": "hand", "start": 2, '
        '"reason": "it melts"}]\n```',
        'Here it is:\n\n```\n{"verdict": "AI-generated", "parts": [{"box": [10, 20, 60, 80], "onset": "2s", '
        '"explanation": "it melts"}]}\n```\nI hope that helps.',
        '{"verdict": "The video is fake.", "bbox": {"x0": 10, "y0": 20, "x1": 60, "y1": 80}, "start": "2-3 s", '
        '"reason": "it melts"}',
        "FAKE <Box>[10, 20, 60, 80]</BOX> <Start Time>2s</Start Time> <EXPLANATION>it melts</Explanation>",
        "The video is fake. <bbox>(10, 20), (60, 80)</bbox> <start>00:02</start> <explanation>it melts</explanation>",
    ],
)
def test_an_answer_in_a_models_own_frame(text):
    assert parse_auto(text) == Parsed(MELTS, parse_auto(text).grammar)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"label": "FAKE", "bbox_2d": [[1, 2, 3, 4], [5, 6, 7, 8]]}', "bbox: more than one"),
        ('[{"label": "FAKE", "box": [1, 2, 3, 4]}, {"box": [5, 6, 7, 8]}]', "bbox: more than one"),
        ("FAKE <coordinates>[1, 2, 3, 4], [5, 6, 7, 8]</coordinates>", "bbox: more than one"),
        ("The video is fake: the hand at [1, 2, 3, 4] melts.", "bbox: stands where it is not read"),
        ("FAKE. The hand melts at (1,2),(3,4).", "bbox: stands where it is not read"),
        ('{"label": "FAKE", "parts": {"face_boxes": [1]}}', "bbox: in a key that is not read"),
        ("FAKE <coordinates>[1, 2, 3, 4]", "coordinates: tag is not closed"),
        ("FAKE <start_time>1</start_time><start_time>2</start_time>", "start_time: given more than once"),
    ],
)
def test_what_is_not_read_is_a_problem(text, problem):
    parsed = parse_auto(text)
    assert parsed.answer.verdict == "fake"
    assert problem in parsed.problems[0]


# --------------------------------------------------------------------------------------------- verdicts, said and not


@pytest.mark.parametrize(
    ("text", "trained", "tags"),
    [
        ("REAL", "real", "real"),
        ("fake", "fake", "fake"),
        ("REAL, there is no unnatural part", "real", "real"),
        ("Fake - the hands melt", "fake", "fake"),
        ("FAKE, AI-generated.", "fake", "fake"),
        ("'FAKE'", None, "fake"),
        ("**FAKE**", None, "fake"),
        ("Answer: FAKE", None, "fake"),
        ("The verdict is FAKE", None, "fake"),
        ("So I reply FAKE", None, "fake"),
        ("It's fake", None, "fake"),
        ("The video is REAL.", None, "real"),
        ("This is a fake video.", None, "fake"),
        ("This video appears to be real.", None, "real"),
        ("I believe the video is fake, since the hands do not move", None, "fake"),
        ("FAKE. The hands of the real person melt.", "fake", "fake"),
        ("REAL. FAKE.", None, None),
        ("Real. Fake.", None, None),
        ("real\nfake", None, None),
        ("REAL or FAKE", None, None),
        ("FAKE, not real", None, "fake"),
        ("REAL? No.", None, None),
        ("REAL. Actually it is fake.", None, None),
        ("REAL. The video is AI-generated.", None, None),
        ("Real videos have no such artifacts, this one is generated.", None, None),
        ("REAL people appear in a synthetic scene.", None, None),
        ("a real person walks; hands melt, AI-generated", None, None),
        ("the real issue: hands melt", None, None),
        ("I don't think this is real", None, None),
        ("The video is not at all real", None, None),
        ("It is unlikely that the video is real", None, None),
        ("The clip is far from real", None, None),
        ("hardly real", None, None),
        ("none of it is real", None, None),
        ("Nothing here is REAL.", None, None),
        ("Is it real?", None, None),
        ("The video is AI-generated.", None, "fake"),
    ],
)
def test_a_verdict_counts_where_it_is_stated_and_nowhere_else(text, trained, tags):
    for parse, verdict in ((parse_trained, trained), (parse_tags, tags)):
        parsed = parse(text)
        assert (parsed.answer.verdict if parsed.answer else None) == verdict
        assert parsed.answer or parsed.reason


@pytest.mark.parametrize(
    "text",
    [
        '{"label": "real", "label": "fake"}',
        '{"label": "real", "verdict": "fake"}',
        '{"label": "real"} {"label": "fake"}',
        '{"label": "real"} but actually fake',
    ],
)
def test_json_that_contradicts_itself_is_no_answer(text):
    assert parse_json(text).answer is None


def test_a_json_field_of_the_wrong_type_costs_that_field_alone():
    parsed = parse_json('{"label": "fake", "start_time": 1' + "0" * 5000 + ', "explanation": ["melts"]}')
    assert parsed.answer == Answer("fake")
    assert [problem.split(":")[0] for problem in parsed.problems] == ["start", "explanation"]
