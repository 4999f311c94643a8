"""How the field's other models answer: their documented forms, read as named grammars of every task that takes them.

The first of Skyra's outputs are those of its released reward function, with which its authors check the form; IVY's is
that of its data set's card; the options are those of BusterX's released prompts; Qwen's JSON is that of its cookbooks.
"""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swift_plugins.core.tasks import MAX_CHARS, deeptrace, dfj_detect, dfj_reason, fakevlm
from swift_plugins.core.tasks.deeptrace_answer import Answer
from swift_plugins.core.tasks.other_models import READERS
from swift_plugins.core.tasks.wording import thinking

SKYRA = """<think>The video shows a person's hands holding a glass jar...
    This is a clear example of <type>Camera Motion Inconsistency</type> in <t>[3.89, 4.53]</t> at \
<bbox>[0.0, 0.0, 0.0, 0.0]</bbox>,
    where the camera's movement is erratic and jarring...</think>
    <answer>Fake</answer>"""
SKYRA_REAL = """<think>The motion seems natural.
    Here is a normal segment: <t>[1.50, 2.50]</t> at <bbox>[0.0, 0.0, 0.0, 0.0]</bbox>.
    Here is another one: <t>[3.0, 4.0]</t> at <bbox>[0.1, 0.1, 0.5, 0.5]</bbox>.
    </think>
    <answer>Real</answer>"""
SKYRA_TWO = (
    "<think>A cat walks. The wall is even in <t>[0.0, 1.0]</t> at <bbox>[1, 2, 3, 4]</bbox>. But the paw shows "
    "<type>Shape Distortion</type> in <t>[1.25, 2.0]</t> at <bbox>[120, 80, 200.5, 160]</bbox>, and later "
    "<type>Unnatural Blur</type> in <t>[2.5, 3.0]</t> at <bbox>[5, 6, 7, 8]</bbox>.</think><answer>Fake</answer>"
)
IVY = "<think>Considering the spatial features, the lighting is odd.</think><conclusion>fake</conclusion>"
BUSTERX = "<think>Let me think. Hmm, the hand… wait.</think><answer>B</answer>"
BUSTERX_PLUS = "<think>Let me think.</think>\n\nThe fingers merge as the hand closes, which no hand does.\n\n\\boxed{B}"
QWEN = """The video is fake. The hand melts from 00:03 to 00:05.
```json
[
\t{"bbox_2d": [341, 258, 397, 360], "label": "distorted hand"},
\t{"bbox_2d": [1, 2, 3, 4], "label": "blurred cup"}
]
```"""


@pytest.mark.parametrize(
    ("grammar", "text", "answer"),
    [
        (
            "skyra",
            SKYRA,
            Answer(
                "fake",
                None,
                3.89,
                "The video shows a person's hands holding a glass jar... This is a clear example of Camera Motion "
                "Inconsistency, where the camera's movement is erratic and jarring...",
            ),
        ),
        ("skyra", SKYRA_REAL, Answer("real")),
        (
            "skyra",
            SKYRA_TWO,
            Answer(
                "fake",
                (120, 80, 200.5, 160),
                1.25,
                "A cat walks. The wall is even . But the paw shows Shape Distortion, and later Unnatural Blur.",
            ),
        ),
        ("skyra", "The hand melts. <answer> FAKE. </answer>", Answer("fake", None, None, "The hand melts.")),
        ("ivy", IVY, Answer("fake", None, None, "Considering the spatial features, the lighting is odd.")),
        ("ivy", IVY.replace(">fake", ">Real"), Answer("real")),
        ("busterx", BUSTERX, Answer("fake", None, None, "Let me think. Hmm, the hand… wait.")),
        ("busterx", BUSTERX.replace(">B", ">A"), Answer("real")),
        (
            "busterx",
            BUSTERX_PLUS,
            Answer("fake", None, None, "The fingers merge as the hand closes, which no hand does."),
        ),
        ("busterx", "\\boxed{\\text{B}}", Answer("fake")),
        ("busterx", "$\\boxed{B) fake}$", Answer("fake")),
        ("busterx", "\\boxed{real}", Answer("real")),
        (
            "qwen",
            QWEN,
            Answer(
                "fake",
                (341, 258, 397, 360),
                3.0,
                "The video is fake. The hand melts from 00:03 to 00:05. distorted hand blurred cup",
            ),
        ),
        (
            "qwen",
            '{"verdict": "FAKE", "bbox_2d": [1, 2, 3, 4], "start_time": "01:02.50", "explanation": "It melts."}',
            Answer("fake", (1, 2, 3, 4), 62.5, "It melts."),
        ),
        ("qwen", "REAL", Answer("real")),
        ("qwen", "<think>Is it real? 00:09</think>FAKE", Answer("fake")),
    ],
)
def test_what_such_a_model_says_is_read(grammar, text, answer):
    parsed = deeptrace.GRAMMARS[grammar](text)
    assert parsed.reason is None
    assert parsed.grammar == grammar
    assert parsed.answer == answer


def test_what_qwen_has_written_in_json_is_what_the_other_grammars_read(published):
    """All 664 outputs of Qwen2.5-VL 3B on the test set's videos."""
    lines = (published / "deeptrace_outputs" / "qwen2.5-vl-3b-v2-test.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["raw_output"] for line in lines]
    found = [(deeptrace.GRAMMARS["qwen"](text), deeptrace.parse_auto(text)) for text in texts]
    assert sum(ours.answer is not None for ours, _ in found) == 661
    assert all(ours.answer == other.answer for ours, other in found)


@pytest.mark.parametrize(
    ("grammar", "text", "reason"),
    [
        ("skyra", SKYRA.replace(">Fake<", ">Maybe<"), "the decision is neither real nor fake"),
        ("skyra", SKYRA + "<answer>Real</answer>", "two different decisions"),
        ("skyra", "<think>x</think>Fake", "no decision in its marks"),
        ("skyra", "<think>x <answer>Fake</answer>", "it ends within its thinking"),
        ("skyra", "<think>x</think> \n", "nothing stands behind its thinking"),
        ("skyra", "<think>x</think><answer>Fake</answer> Actually, the video is real.", "take it back"),
        ("ivy", "<think>It is fake.</think> <conclusion>fake or real</conclusion>", "neither real nor fake"),
        ("ivy", "<conclusion>fake</conclusion><conclusion>real</conclusion>", "two different decisions"),
        ("busterx", "\\boxed{C}", "neither real nor fake"),
        ("busterx", "\\boxed{B) real}", "neither real nor fake"),
        ("busterx", "<answer>A</answer> \\boxed{B}", "two different decisions"),
        ("busterx", "<think>\\boxed{B}</think>I cannot tell.", "no decision in its marks"),
        ("busterx", "The video is real. \\boxed{B}", "take it back"),
        ("qwen", '[{"bbox_2d": [1, 2, 3, 4], "label": "hand"}]', "neither REAL nor FAKE"),
        ("qwen", QWEN + " No, the video is real.", ""),
        ("qwen", '{"verdict": "fake"} The video is real.', "two different labels"),
    ],
)
def test_what_decides_nothing_is_no_answer(grammar, text, reason):
    parsed = deeptrace.GRAMMARS[grammar](text)
    assert parsed.answer is None
    assert reason in parsed.reason


@pytest.mark.parametrize("task", [fakevlm, dfj_detect, dfj_reason], ids=lambda task: task.NAME)
@pytest.mark.parametrize(
    ("grammar", "text"), [("skyra", SKYRA), ("ivy", IVY), ("busterx", BUSTERX_PLUS), ("qwen", QWEN)]
)
def test_of_images_they_have_a_verdict_and_an_explanation(task, grammar, text):
    answer = task.GRAMMARS[grammar](text).answer
    said = deeptrace.GRAMMARS[grammar](text).answer
    assert answer.verdict == "fake"
    assert (answer.explanation if task is fakevlm else answer.reasoning) == said.explanation


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("<think>a</think>b", "a"),
        ("a</think>b", "a"),
        ("<think>a<think>b</think>c", "a<think>b"),
        ("x<think>a</think>b<think>c</think>d", "a\nc"),
        ("no trace", ""),
    ],
)
def test_what_is_thought_is_what_is_cut_off(text, inside):
    assert thinking(text) == inside


PIECES = [
    "<think>",
    "</think>",
    "<answer>",
    "</answer>",
    "Fake",
    "real",
    "<conclusion>",
    "</conclusion>",
    "\\boxed{",
    "}",
]
PIECES += [
    "<type>x</type> in ",
    "<t>[1, 2]</t>",
    " at <bbox>[1, 2, 3, 4]</bbox>",
    "A",
    "B",
    '[{"bbox_2d": ',
    "[1, 2]",
    "}]",
    " ",
]


@pytest.mark.parametrize("grammar", READERS)
@settings(max_examples=200)
@given(parts=st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=20))
def test_no_text_breaks_a_parser(grammar, parts):
    parsed = deeptrace.GRAMMARS[grammar]("".join(parts))
    assert (parsed.answer is None) == bool(parsed.reason)


@pytest.mark.parametrize("grammar", READERS)
@pytest.mark.parametrize(
    "piece", [*PIECES, "<think>x</think>", "<bbox>[", "<t>", "1:", "```json\n[[", '{"', "\\boxed{\\text{"]
)
def test_reading_takes_linear_time(grammar, piece):
    text = (piece * MAX_CHARS)[:MAX_CHARS]
    begin = time.process_time()
    deeptrace.GRAMMARS[grammar](text)
    deeptrace.GRAMMARS[grammar](f"<think>{text}</think><answer>Fake</answer>")
    assert time.process_time() - begin < 1
