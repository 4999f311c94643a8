"""Where an answer decides and how sure the model was, and what is sent to a server."""

import base64
import math
from types import SimpleNamespace

import pytest

from swift_plugins.answering.conversations import chat_messages, data_uri
from swift_plugins.answering.engine import result_of_head
from swift_plugins.answering.probabilities import choice_probabilities
from swift_plugins.core.tasks import get_task

POINTWISE = get_task("dfj_pointwise").CHOICES
PAIRWISE = get_task("dfj_pairwise").CHOICES
DETECT = get_task("dfj_detect").CHOICES
DEEPTRACE = get_task("deeptrace").CHOICES


def steps(*tokens, at=None, **alternatives):
    """Steps that generate these tokens; at step `at` the alternatives had these probabilities."""
    sure = [(token, {token: 0.0}) for token in tokens]
    if at is not None:
        sure[at] = (tokens[at], {text: math.log(p) for text, p in alternatives.items()})
    return sure


def test_the_score_after_its_tag_decides():
    said = steps(
        "<reasoning>",
        "4 of 5",
        "</",
        "reasoning",
        ">\n<",
        "score",
        ">",
        "4",
        "</",
        "score",
        ">",
        at=7,
        **{"4": 0.6, "5": 0.2, "3": 0.1, "x": 0.1},
    )
    found = choice_probabilities(POINTWISE, said)
    assert found == pytest.approx({"1": 0, "2": 0, "3": 1 / 9, "4": 6 / 9, "5": 2 / 9}, abs=1e-5)


def test_a_tokenizer_may_join_the_tag_and_the_choice():
    said = steps("<answer", ">B", "</answer>", at=1, **{">A": 0.25, ">B": 0.75})
    assert choice_probabilities(PAIRWISE, said) == {"A": 0.25, "B": 0.75}


def test_white_space_may_stand_between():
    said = steps("<score>", " ", "5", "</score>", at=2, **{"5": 0.9, "4": 0.1})
    assert choice_probabilities(POINTWISE, said)["5"] == 0.9


def test_a_word_may_begin_with_a_piece():
    said = steps("<answer>", "fa", "ke", at=1, fa=0.5, re=0.25, ed=0.25)
    assert choice_probabilities(DETECT, said) == {"real": 0.25, "fake": 0.5, "edited": 0.25}


def test_without_a_tag_the_first_token_decides():
    said = steps("FAKE", ".", at=0, FAKE=0.7, REAL=0.2, The=0.1)
    assert choice_probabilities(DEEPTRACE, said) == pytest.approx({"real": 2 / 9, "fake": 7 / 9}, abs=1e-5)


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        (POINTWISE, steps("no", " tags")),
        (POINTWISE, steps("<score>")),
        (POINTWISE, steps("<score>", "7")),
        (POINTWISE, []),
        (DEEPTRACE, steps("The", " video")),
        (DEEPTRACE, []),
    ],
)
def test_an_answer_that_decides_nothing_has_no_probabilities(choices, said):
    assert choice_probabilities(choices, said) is None


def test_the_last_tag_counts_as_it_does_for_the_parser():
    said = steps(
        "<reasoning>",
        "<score>",
        "5",
        "</score>",
        "</reasoning>",
        "<score>",
        "2",
        "</score>",
        at=6,
        **{"2": 0.8, "1": 0.2},
    )
    assert choice_probabilities(POINTWISE, said)["2"] == 0.8


def test_media_are_sent_inline_in_the_place_of_their_tags(tmp_path):
    (tmp_path / "a.png").write_bytes(b"picture")
    row = {
        "messages": [
            {"role": "system", "content": "Judge."},
            {"role": "user", "content": "Look: <image>What is it?"},
            {"role": "assistant", "content": "the gold answer, never sent"},
        ],
        "images": [str(tmp_path / "a.png")],
    }
    system, user = chat_messages(row)
    assert system == {"role": "system", "content": [{"type": "text", "text": "Judge."}]}
    assert [part["type"] for part in user["content"]] == ["text", "image_url", "text"]
    kind, _, data = user["content"][1]["image_url"]["url"].partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data) == b"picture"


def test_a_file_too_large_for_a_server_is_refused(tmp_path):
    with open(tmp_path / "big.png", "wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(ValueError, match="at most"):
        data_uri(str(tmp_path / "big.png"))


FAKEVLM = get_task("fakevlm").CHOICES


@pytest.mark.parametrize(
    "said",
    [
        steps("This is a ", "fake", " image.", " The real ", "skin", at=1, fake=0.6, real=0.2, nice=0.2),
        steps("The person's eyes", " look ", "fake", ".", at=2, fake=0.6, real=0.2, odd=0.2),
        steps("The image looks", " fake", ". Not real.", at=1, **{" fake": 0.6, " real": 0.2, " fine": 0.2}),
        steps("F", "ake", at=0, F=0.6, R=0.2, I=0.2),
    ],
)
def test_fakevlms_verdict_is_the_one_that_opens_the_answer(said):
    assert choice_probabilities(FAKEVLM, said) == {"real": 0.25, "fake": 0.75}


def test_one_token_may_hold_the_whole_opening():
    said = steps("This is a fake image", ".", at=0, **{"This is a fake image": 0.5, "This is a real image": 0.5})
    assert choice_probabilities(FAKEVLM, said) == {"real": 0.5, "fake": 0.5}


def test_an_answer_that_opens_otherwise_tells_nothing():
    assert choice_probabilities(FAKEVLM, steps("I", " see a fake image", at=1, **{" see a fake image": 1.0})) is None


def test_a_heads_class_is_said_as_the_task_says_it():
    usage = SimpleNamespace(prompt_tokens=40, completion_tokens=1)
    tops = [{"index": 1, "logprob": math.log(0.9)}, {"index": 0, "logprob": math.log(0.1)}]
    found = result_of_head({"index": 1, "logprobs": math.log(0.9), "top_logprobs": tops}, usage)
    assert found == {
        "response": "This is a fake image.",
        "p_fake": 0.9,
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 40, "completion_tokens": 0},
    }
    found = result_of_head({"index": 0, "logprobs": math.log(0.9), "top_logprobs": tops[::-1]}, usage)
    assert found["response"] == "This is a real image."
