"""The DeepfakeJudge converter finds keys that it never saw: every spelling of a row gives the same row."""

from __future__ import annotations

import json

import pytest

from converters.deepfakejudge_to_swift import main
from converters.layouts.deepfakejudge import SUBSETS
from swift_plugins.core.tasks import dfj_detect, dfj_pairwise, dfj_pointwise
from swift_plugins.core.tasks.candidates import fill
from tests.converters.deepfakejudge.making import (
    BENCH,
    Converted,
    bare,
    contents,
    messages,
    pairwise,
    pointwise,
    said,
    source,
)

ASKED, ANSWERED = (m["content"] for m in pointwise()["messages"])
REST = {"images": ["images/a.png"], "label": "real"}
TURNS = [{"from": "human", "value": ASKED}, {"from": "gpt", "value": ANSWERED}]
PARTS = [{"type": "image"}, {"type": "text", "text": ASKED.removeprefix("<image>")}]


@pytest.mark.parametrize(
    "row",
    [
        pointwise(),
        {"conversations": TURNS, **REST},
        {"Messages": messages(PARTS, ANSWERED), **REST},
        {"messages": messages(PARTS, [{"type": "text", "text": ANSWERED}]), **REST},
        {"messages": messages([{"type": "image_url", "image_url": {"url": "x"}}, PARTS[1]], ANSWERED), **REST},
        {"query": ASKED, "response": ANSWERED, **REST},
        {"prompt": ASKED, "completion": ANSWERED, **REST},
        pointwise(images=[{"path": "images/a.png"}]),
        pointwise(images=[{"bytes": None, "path": "./images/a.png"}]),
        {"image": "images/a.png", "messages": pointwise()["messages"], "Label": "Real"},
        {"Image-Path": "images/a.png", "messages": pointwise()["messages"], "Ground Truth Label": " AUTHENTIC "},
        pointwise(score=1),
        pointwise(rating="1"),
        pointwise(Rating=1.0),
        pointwise(gold_score="<score>1</score>"),
        pointwise(source=None),
        pointwise(answer="real"),  # in pointwise data that is no choice between A and B
        pointwise(messages=messages(ASKED.removeprefix("<image>"), ANSWERED)),
    ],
)
def test_the_spellings_of_a_pointwise_row(one, row):
    found = one("pointwise/test", row)
    assert [m["content"] for m in found["messages"]] == [ASKED, ANSWERED]
    assert found["images"][0].endswith("/Judge/dfj-meta/dfj-meta-pointwise/test/images/a.png")
    assert (found["meta"]["label"], found["meta"]["score"], found["meta"]["source"]) == ("real", 1, "")


@pytest.mark.parametrize("score", [{"score": 4}, {"rating": "4"}, {"human_score": 4.0}, {"Human Rating": 4}])
@pytest.mark.parametrize("asked", [{"prompt": ASKED}, {"messages": messages(ASKED)}])
def test_a_score_without_an_answer_text_becomes_one(convert, asked, score):
    rows = [{**REST, **asked, **score}]
    if "messages" in asked and next(iter(score)).lower().startswith("human"):
        rows.append(pointwise(1))  # with messages a human's score is a rating beside their answer
        assert [r["reason"] for r in convert({"pointwise/human": rows}).rejects] == ["answer: the row has none"]
        return
    (found,) = convert({"pointwise/human": rows}).rows
    assert found["messages"] == messages(ASKED, "<score>4</score>")


def test_bare_fields_get_the_projects_own_prompt(convert):
    rows = [bare(), bare(candidate_response="{response_a} } {{ <score>5</score>", label="edited")]
    done = convert({"pointwise/train": rows})
    facts = done.manifest["subsets"]["pointwise/train"]
    assert [facts["prompt"], facts["prompt_is"]] == [dfj_pointwise.PROMPT, "the project's own"]
    for raw, row in zip(rows, done.rows, strict=True):
        safe = raw["candidate_response"].replace("<score>5</score>", "‹score>5‹/score>")  # only ever text
        slots = {"ground_truth_label": raw["label"], "candidate_response": safe}
        assert row["messages"] == messages(fill(dfj_pointwise.PROMPT, slots).text, "<score>4</score>")
        assert row["messages"][0]["content"][slice(*row["meta"]["candidate"])] == safe


@pytest.mark.parametrize("value", ["B", "b", "Response B", "response_b", "Candidate B", "<answer>B</answer>"])
@pytest.mark.parametrize("key", ["answer", "preference", "Winner", "human_preference"])
def test_the_spellings_of_a_pairwise_row(one, key, value):
    raw = {"image": "images/a.png", "label": "fake", "response_a": said("l"), "Response B": said("r"), key: value}
    row = one("pairwise/test", raw)
    slots = {"ground_truth_label": "fake", "response_a": said("l"), "response_b": said("r")}
    text = fill(dfj_pairwise.PROMPT, slots).text
    assert row["messages"] == messages(text, "<answer>B</answer>")
    assert [text[slice(*row["meta"][f"response_{x}"])] for x in "ab"] == [said("l"), said("r")]
    assert row["meta"].items() >= {"answer": "B", "order": "AB", "pair": row["id"], "label": "fake"}.items()


def test_a_pairwise_score_is_no_answer(one):
    assert one("pairwise/train", pairwise(1, score=0.93))["meta"]["answer"] == "B"


@pytest.mark.parametrize(
    ("name", "row", "answer"),
    [
        ("detect/test", {"answer": "fake"}, "<answer>fake</answer>"),
        ("detect/test", {"label": "AI-generated", "score": 0.97}, "<answer>fake</answer>"),
        ("detect/test", {"label": 1, "answer": "fake"}, "<answer>fake</answer>"),
        ("detect/test", {"answer": "edited", "reasoning": "Odd."}, "<answer>edited</answer>"),
        ("detect/test", {"messages": messages("Real?", said("Odd."))}, said("Odd.")),
        ("detect/test", {"query": "Real?", "response": said("Odd.")}, said("Odd.")),
        ("reason/test", {"answer": "fake", "reasoning": " Odd. "}, said("Odd.")),
        ("reason/test", {"label": "fake", "rationale": said("Odd.")}, said("Odd.")),
        ("reason/test", {"rationale": said("Odd."), "verdict": "FAKE"}, said("Odd.")),
        ("reason/test", {"label": "fake", "explanation": "<reasoning>Odd.</reasoning>"}, said("Odd.")),
        ("reason/test", {"label": "edited", "messages": messages("Why?", said("Odd."))}, said("Odd.")),
    ],
)
def test_the_spellings_of_a_bench_row(one, name, row, answer):
    found = one(name, {"images": ["images/a.png"], **row})
    assert found["messages"][1]["content"] == answer
    prompts = {m["content"] for m in row.get("messages", []) if m["role"] == "user"} | {row.get("query")}
    assert found["messages"][0]["content"].removeprefix("<image>") in prompts | {dfj_detect.PROMPT[len("<image>") :]}
    assert found["meta"].get("reasoning", "Odd.") == "Odd."


def test_boxes_of_any_form_go_along_as_one_text(one):
    boxes = [{"x": 1, "points": [[1, 2.5]]}, None]
    row = one("reason/test", {"image": "images/a.png", "label": "fake", "reasoning": "Odd.", "bboxes": boxes})
    assert json.loads(row["meta"]["regions"]) == boxes


@pytest.mark.parametrize(
    "ratings",
    [
        {"ratings": [1, "2"]},
        {"human_scores": {"first": 1, "second": 2, "third": None}},
        {"annotator_1": 1, "annotator_2": "2", "annotator_3": None},
        {"rater1_score": 1.0, "rater2_score": 2},
        {"Human 1": 1, "Human 2": 2},
        {"human_rating": 1, "human_score": 2},
    ],
)
def test_human_ratings(convert, ratings):
    done = convert({"pointwise/human": [pointwise(0, **ratings), pointwise(1)]})
    assert [row["meta"]["ratings"] for row in done.rows] in ([[1, 2], []], [[2, 1], []])
    assert done.manifest["subsets"]["pointwise/human"]["keys_not_used"] == []


def test_human_preferences(one):
    columns = {"annotator_1_preference": "A", "annotator_2_preference": "Response B"}
    assert one("pairwise/human", pairwise(**columns))["meta"]["ratings"] == ["A", "B"]


@pytest.mark.parametrize("how", ["message", "field"])
def test_a_system_message_is_kept(one, how):
    row = pointwise()
    if how == "message":
        row["messages"].insert(0, {"role": "system", "content": "Be strict."})
    else:
        row = {"query": ASKED, "response": ANSWERED, "system": "Be strict.", **REST}
    assert one("pointwise/train", row)["messages"] == [
        {"role": "system", "content": "Be strict."},
        *messages(ASKED, ANSWERED),
    ]


def test_keys_that_nothing_uses_are_listed_and_one_odd_row_decides_nothing(convert):
    rows = [pointwise(i, extra=1) for i in range(9)] + [{"image": "images/a.png", "Labels": "?"}]
    done = convert({"pointwise/train": [*rows[::-1]]})
    facts = done.manifest["subsets"]["pointwise/train"]
    assert facts["keys"] == {"images": "images", "messages": "messages", "label": "label"}
    assert facts["keys_not_used"] == ["image", "Labels", "extra"]
    assert (len(done.rows), len(done.rejects)) == (9, 1)


@pytest.mark.parametrize(
    ("name", "row", "wanted", "keys"),
    [
        ("pointwise/train", {"img": "a.png", "text": "x"}, "images+messages or images+prompt+gold or ", "img, text"),
        ("pointwise/train", {"image": "a.png", "chat": []}, "images+messages or ", "image, chat"),
        ("pairwise/test", bare(), "images+label+response_a+response_b+better", "images, label, candidate_response, "),
        ("detect/test", {"images": [], "class": 1}, "images+label or ", "images, class"),
        ("reason/test", {"images": [], "label": "real"}, "images+label+reasoning or ", "images, label"),
        ("reason/test", {}, "images+label+reasoning or ", "none"),
        ("detect/test", {"two\nlines" * 9: 1}, "images+label or ", "two lines"),
    ],
)
def test_unknown_keys_are_refused_with_what_was_seen(tmp_path, capsys, name, row, wanted, keys):
    src, out = tmp_path / "Judge", tmp_path / "out"
    good = {"pointwise": pointwise(), "pairwise": pairwise()}.get(name.split("/")[0], BENCH)
    Converted(source(src, {name: [good]}), out)
    before = contents(out)
    source(src, {name: [row, row]})
    capsys.readouterr()
    assert main(["--src", str(src), "--out", str(out)]) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"error: {src / SUBSETS[name].path}: cannot find ")
    assert wanted in told.err
    assert f"among its keys: {keys}" in told.err
    assert (told.err.count("\n"), told.out) == (1, "")
    assert contents(out) == before
