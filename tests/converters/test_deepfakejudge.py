"""The DeepfakeJudge converter: finds keys and prompts that it never saw, and loses or half-writes nothing."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from converters import deepfakejudge_to_swift, sample_deepfakejudge
from converters.conversion import output
from converters.conversion.audit import audit_lines
from converters.deepfakejudge_to_swift import main
from converters.layouts.deepfakejudge import SUBSETS, Raw
from converters.rows.deepfakejudge import CANDIDATES
from converters.rows.judge_prompts import recover_prompt
from swift_plugins.core import records
from swift_plugins.core.records import check_row, read_rows
from swift_plugins.core.tasks import dfj_detect, dfj_pairwise, dfj_pointwise, get_task
from swift_plugins.core.tasks.candidates import fill

NAMES = "abcdef"  # of the images that every subset's folder has
POINT = "<image>\nThe image is {ground_truth_label}.\nThe candidate:\n{candidate_response}\nRate it from 1 to 5."
PAIR = "<image>\nThe image is {ground_truth_label}.\nA: {response_a}\nB: {response_b}\nWhich one is better?"
LABELS = ("real", "fake", "edited")


def said(text: str, verdict: str = "fake") -> str:
    """A candidate in the dataset's form."""
    return f"<reasoning>{text}</reasoning> <answer>{verdict}</answer>"


def messages(prompt: str, answer: str | None = None) -> list[dict[str, str]]:
    found = [{"role": "user", "content": prompt}]
    return found if answer is None else [*found, {"role": "assistant", "content": answer}]


def pointwise(i: int = 0, template: str = POINT, text: str | None = None, **changes: Any) -> dict[str, Any]:
    """Row i of a pointwise subset in ms-swift's form; labels, images and scores take turns."""
    label, text = LABELS[i % 3], said(f"sign {i}") if text is None else text
    prompt = fill(template, {"ground_truth_label": label, "candidate_response": text}).text
    answer = f"<reasoning>It is {label} because of {i}.</reasoning>\n<score>{i % 5 + 1}</score>"
    return {"messages": messages(prompt, answer), "images": [f"images/{NAMES[i % 6]}.png"], "label": label} | changes


def pairwise(i: int = 0, template: str = PAIR, **changes: Any) -> dict[str, Any]:
    label = LABELS[i % 3]
    slots = {"ground_truth_label": label, "response_a": said(f"left {i}"), "response_b": said(f"right {i}", "real")}
    return {
        "messages": messages(fill(template, slots).text, f"<answer>{'AB'[i % 2]}</answer>"),
        "images": [f"images/{NAMES[i % 6]}.png"],
        "label": label,
    } | changes


def bare(**changes: Any) -> dict[str, Any]:
    """A pointwise row of fields alone."""
    return {"images": ["images/a.png"], "label": "fake", "candidate_response": said("a sign"), "score": 4} | changes


BENCH = {"images": ["images/b.png"], "answer": "fake", "reasoning": "Odd."}  # a row of detect or reason


def source(root: Path, parts: dict[str, list[Any] | bytes]) -> Path:
    """A dataset of these subsets, whose images all differ."""
    for name, rows in parts.items():
        folder = (root / SUBSETS[name].path).parent
        (folder / "images").mkdir(parents=True, exist_ok=True)
        for i, letter in enumerate(NAMES):
            Image.new("RGB", (40, 40), (list(SUBSETS).index(name), i, 0)).save(folder / "images" / f"{letter}.png")
        text = rows if isinstance(rows, bytes) else "".join(json.dumps(row) + "\n" for row in rows).encode()
        (folder / "data.jsonl").write_bytes(text)
    return root


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


class Converted:
    """What a conversion wrote."""

    def __init__(self, src: Path, out: Path, *options: str):
        assert main(["--src", str(src), "--out", str(out), "--workers", "1", *options]) == 0
        self.out = out
        self.manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        self.subsets = {name: [row for _, row in read_rows(out / f"{name}.jsonl")] for name in self.manifest["counts"]}
        self.rows = [row for rows in self.subsets.values() for row in rows]
        self.rejects = [row for _, row in read_rows(out / "rejects.jsonl")]


@pytest.fixture
def convert(tmp_path):
    """Convert subsets with options, by default without a look at the media; each call has a folder of its own."""
    count = iter(range(100))

    def call(parts: dict[str, list[Any] | bytes], *options: str) -> Converted:
        folder = tmp_path / str(next(count))
        return Converted(source(folder / "Judge", parts), folder / "out", "--check", "none", *options)

    return call


@pytest.fixture
def one(convert):
    """The one training row that one raw row of a subset becomes."""

    def call(name: str, row: dict[str, Any]) -> dict[str, Any]:
        done = convert({name: [row]})
        assert not done.rejects
        return done.rows[0]

    return call


@pytest.fixture(scope="module")
def judge_sample(tmp_path_factory) -> Path:
    """A synthetic dataset with all subsets; read it, do not change it."""
    folder = tmp_path_factory.mktemp("sample") / "Judge"
    sizes = ["--train", "4", "--test", "4", "--human", "4", "--bench", "8"]
    assert sample_deepfakejudge.main(["--out", str(folder), *sizes]) == 0
    return folder


@pytest.fixture(scope="module")
def whole(judge_sample, tmp_path_factory) -> Converted:
    return Converted(judge_sample, tmp_path_factory.mktemp("whole") / "out", "--check", "decode")


# ------------------------------------------------------------------------------------------------------------- the rows


@pytest.mark.parametrize("name", SUBSETS)
def test_every_subset_keeps_the_contract(judge_sample, whole, name):
    raw = [row for _, row in read_rows(judge_sample / SUBSETS[name].path)]
    rows, task = whole.subsets[name], get_task(SUBSETS[name].task)
    assert len(rows) == len(raw) > 0
    assert len({tuple((key, type(value)) for key, value in row["meta"].items()) for row in rows}) == 1
    folder = (judge_sample / SUBSETS[name].path).parent
    for before, row in zip(raw, rows, strict=True):
        check_row(row)
        assert row["task"] == task.NAME
        assert row["messages"][0]["content"].count("<image>") == 1
        assert row["images"] == [str(folder / before["images"][0].removeprefix("./"))]
        assert row["meta"]["split"] == name.split("/")[1]
        assert row["meta"]["source"] == before["source"]
        assert row["meta"]["task_version"] == task.VERSION
        answer = task.GRAMMARS["trained"](row["messages"][1]["content"]).answer
        if CANDIDATES[task.NAME]:
            assert row["messages"] == before["messages"]
            assert row["meta"]["label"] == before["label"]
            key, decided = ("score", answer.score) if name.startswith("point") else ("answer", answer.better)
            assert row["meta"][key] == before[key] == decided
            assert row["meta"]["ratings"] == before.get("ratings", [])
        else:
            assert row["messages"][0]["content"] == task.PROMPT
            assert row["meta"]["label"] == answer.verdict == before["answer"]
            assert answer.reasoning == before.get("reasoning")


def test_ids_are_unique_and_an_image_is_one_cluster_in_all_subsets(judge_sample, whole):
    assert len({row["id"] for row in whole.rows}) == len(whole.rows)
    digests = {row["meta"]["media_id"]: sha256(Path(row["images"][0])) for row in whole.rows}
    assert all(digest.startswith(name) for name, digest in digests.items())
    assert len(digests) == len({sha256(path) for path in judge_sample.rglob("*.png")})


def test_the_manifest_says_what_was_made_of_what(judge_sample, whole):
    manifest = whole.manifest
    lines = {name: sum(1 for _ in read_rows(judge_sample / subset.path)) for name, subset in SUBSETS.items()}
    assert manifest["rows_in"] == manifest["rows_out"] == sum(lines.values()) == len(whole.rows)
    assert manifest["rows_rejected"] == len(whole.rejects) == 0
    assert manifest["counts"] == {n: Counter(r["meta"]["label"] for r in rows) for n, rows in whole.subsets.items()}
    assert manifest["sources"] == {subset.path: sha256(judge_sample / subset.path) for subset in SUBSETS.values()}
    assert manifest["files"] == {f"{name}.jsonl": sha256(whole.out / f"{name}.jsonl") for name in SUBSETS}
    assert manifest["options"] == {"limit": None, "check": "decode", "keep_leaked": False}
    assert manifest["media_missing"] == 0
    assert "Apache-2.0" in manifest["licence"]
    assert "edited image counts as fake" in manifest["label_rule"]
    for name, facts in manifest["subsets"].items():
        task = get_task(facts["task"])
        assert [facts["task_version"], facts["prompt"]] == [task.VERSION, task.PROMPT]
        assert facts["prompt_sha256"] == hashlib.sha256(task.PROMPT.encode()).hexdigest()
        assert facts["rows_in"] == facts["rows_out"] == lines[name]
        assert facts["rows_of_this_prompt"] == (lines[name] if CANDIDATES[task.NAME] else None)
        assert facts["prompt_is"].startswith("the dataset's" if CANDIDATES[task.NAME] else "the project's own")
        assert facts["keys"]["images"] == "images"
        assert facts["keys_not_used"] == []
    assert sorted(contents(whole.out)) == sorted(
        [*(f"{name}.jsonl" for name in SUBSETS), "manifest.json", "rejects.jsonl"]
    )


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --------------------------------------------------------------------------------------------------------- key variants

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


# ----------------------------------------------------------------------------------------------------------- the prompt

LONG = (
    "You judge explanations. An image may be real, fake or edited; Fake means generated, EDITED means retouched.\n"
    "Return JSON-free text: <reasoning>why {{briefly}}</reasoning>\n<score>1-5</score>, never <answer>real</answer>.\n"
)
POINTS = {
    "label before": POINT,
    "label after": "<image>Read this: {candidate_response}\n\nTruth = {ground_truth_label}",
    "label twice": "<image>{ground_truth_label}! {candidate_response}\nRemember: it is {ground_truth_label}.",
    "candidate last": "<image>Label: {ground_truth_label}\n{candidate_response}",
    "other mentions": "<image>" + LONG + "Real or fake? {ground_truth_label}.\nCandidate [{candidate_response}] real?",
    "an example": f"<image>Form: {said('…', 'real')}. Label {{ground_truth_label}}. Given: {{candidate_response}}. Go.",
    "an example after": f"<image>Is it {{ground_truth_label}}? {{candidate_response}} (like {said('…')}, or fake)",
    "no tag": "Label: {ground_truth_label}\nCandidate: {candidate_response}\nScore?",
}
PAIRS = {
    "label before": PAIR,
    "label last": "<image>1) {response_a}\n2) {response_b}\nIt is {ground_truth_label}: A or B? <answer>A</answer>",
    "label between": "<image>{response_a} was said of a {ground_truth_label} image; or {response_b} real, fake",
    "other mentions": "<image>" + LONG + "{ground_truth_label}\n### A ###\n{response_a}\n### B ###\n{response_b}\n}}{{",
    "an example": f"<image>Each is {said('…', 'edited')}. {{ground_truth_label}}\nA {{response_a}} B {{response_b}}",
}
TEXTS = [
    said(text, verdict)
    for verdict, text in [
        ("fake", "plain"),
        ("real", "braces {response_a} {ground_truth_label} {} }{"),
        ("Edited", "it is fake, not real"),
        ("fake", "real real real"),
        ("real", "two\nlines\n\n"),
        ("fake", "日本語 ☂ é"),
        ("real", "\\d (.*) $1 &amp;"),
    ]
]


def tagged(template: str) -> str:
    return template if "<image>" in template else f"<image>{template}"


@pytest.mark.parametrize("labelled", [True, False], ids=["labels stated", "labels told by the prompt alone"])
@pytest.mark.parametrize("template", POINTS.values(), ids=POINTS)
def test_the_pointwise_prompt_is_recovered(convert, template, labelled):
    rows = [pointwise(i, template, TEXTS[i % 7]) for i in range(21)]
    labels = [row["label"] for row in rows]
    raw = rows if labelled else [{k: v for k, v in row.items() if k != "label"} for row in rows]
    done = convert({"pointwise/train": raw})
    facts = done.manifest["subsets"]["pointwise/train"]
    assert facts["prompt"] == tagged(template)
    assert facts["prompt_sha256"] == hashlib.sha256(tagged(template).encode()).hexdigest()
    assert facts["rows_of_this_prompt"] == 21
    assert facts["image_tags_added"] == (0 if "<image>" in template else 21)
    for i, row in enumerate(done.rows):
        text = row["messages"][0]["content"]
        assert text == tagged(rows[i]["messages"][0]["content"])
        assert text[slice(*row["meta"]["candidate"])] == TEXTS[i % 7]
        assert row["meta"]["label"] == labels[i]
        slots = {"ground_truth_label": labels[i], "candidate_response": TEXTS[i % 7]}
        assert fill(facts["prompt"], slots).text == text


@pytest.mark.parametrize("template", PAIRS.values(), ids=PAIRS)
def test_the_pairwise_prompt_is_recovered(convert, template):
    rows = [pairwise(i, template) for i in range(12)]
    done = convert({"pairwise/train": [{k: v for k, v in row.items() if k != "label"} for row in rows]})
    facts = done.manifest["subsets"]["pairwise/train"]
    assert [facts["prompt"], facts["rows_of_this_prompt"]] == [template, 12]
    for i, row in enumerate(done.rows):
        text, meta = row["messages"][0]["content"], row["meta"]
        slots = {name: text[slice(*meta[name])] for name in ("response_a", "response_b")}
        assert slots == {"response_a": said(f"left {i}"), "response_b": said(f"right {i}", "real")}
        assert meta["label"] == LABELS[i % 3]
        assert fill(facts["prompt"], slots | {"ground_truth_label": meta["label"]}).text == text


def test_a_label_in_capitals_is_recovered_as_the_rows_have_it(convert):
    rows = [pointwise(i) for i in range(6)]
    for row in rows:
        asked, label = row["messages"][0], row.pop("label")
        asked["content"] = asked["content"].replace(f" {label}.", f" {label.upper()}.")
    done = convert({"pointwise/train": rows})
    facts = done.manifest["subsets"]["pointwise/train"]
    assert [facts["prompt"], facts["rows_of_this_prompt"]] == [POINT, 6]
    assert [row["meta"]["label"] for row in done.rows] == [*LABELS, *LABELS]
    assert [row["messages"] for row in done.rows] == [row["messages"] for row in rows]


FREE = [
    "It looks fake to me, real hair is not blue.",
    "<answer>Fake.</answer>",
    "<reasoning>never closed",
    "<reasoning>quotes <reasoning> itself</reasoning> <answer>real</answer>",
    said("one") + " and then " + said("two", "real"),
    "</reasoning><score>5</score>",
    "",
]


@pytest.mark.parametrize("text", FREE)
def test_a_candidate_of_an_odd_form_is_found_by_the_prompt_around_it(convert, text):
    rows = [pointwise(i) for i in range(6)]
    rows.insert(3, pointwise(1, text=text))
    done = convert({"pointwise/train": [{k: v for k, v in row.items() if k != "label"} for row in rows]})
    facts = done.manifest["subsets"]["pointwise/train"]
    assert [facts["prompt"], facts["rows_of_this_prompt"]] == [POINT, 7]
    found = done.rows[3]
    assert found["messages"][0]["content"][slice(*found["meta"]["candidate"])] == text
    assert found["meta"]["label"] == "fake"


@pytest.mark.parametrize(
    ("a", "b", "known"),
    [
        ("free text", "more of it", True),
        (said("one") + said("two"), "free", True),
        ("one\nB: two", said("x"), False),  # it holds what stands between the two
        (said("one") + "\nB: two", said("x") + said("y"), False),
    ],
)
def test_two_candidates_of_an_odd_form_are_told_apart_or_not_at_all(convert, capsys, a, b, known):
    prompt = fill(PAIR, {"ground_truth_label": "fake", "response_a": a, "response_b": b}).text
    rows = [*map(pairwise, range(6)), pairwise(1, messages=messages(prompt, "<answer>A</answer>"))]
    done = convert({"pairwise/train": rows})
    meta = done.rows[-1]["meta"]
    if known:
        assert [prompt[slice(*meta[name])] for name in ("response_a", "response_b")] == [a, b]
    else:
        assert [meta["response_a"], meta["response_b"]] == [[], []]
        assert done.manifest["subsets"]["pairwise/train"]["rows_whose_candidates_were_not_found"] == 1
        assert "note: 1 rows of pairwise/train do not tell where their candidates stand" in capsys.readouterr().out


def test_candidates_stated_by_fields_are_found_in_any_order(convert):
    template = "<image>Second: {response_b} First: {response_a} ({ground_truth_label})"
    rows = []
    for i in range(6):
        slots = {"ground_truth_label": LABELS[i % 3], "response_a": f"free {i}", "response_b": f"odd [{i}]"}
        row = {"query": fill(template, slots).text, "response": "<answer>A</answer>", "image": "images/a.png"}
        rows.append(row | {key: slots[key] for key in ("response_a", "response_b")})
    done = convert({"pairwise/train": rows})
    assert done.manifest["subsets"]["pairwise/train"]["prompt"] == template
    for raw, row in zip(rows, done.rows, strict=True):
        for name in ("response_a", "response_b"):
            assert row["messages"][0]["content"][slice(*row["meta"][name])] == raw[name]


@pytest.mark.parametrize("at", [0, 7, 20])
@pytest.mark.parametrize("odd", ["other wording", "a typo in a fixed mention", "another label in one of two places"])
def test_one_odd_row_among_many_changes_nothing(convert, odd, at):
    template = "<image>Real or fake? {ground_truth_label}: {candidate_response} ({ground_truth_label})"
    rows = [pointwise(i, template) for i in range(20)]
    strange = {
        "other wording": "<image>Judge {candidate_response}, {ground_truth_label}.",
        "a typo in a fixed mention": template.replace("Real or fake", "Real or real"),
        "another label in one of two places": template.replace("({ground_truth_label})", "(edited)"),
    }[odd]
    rows.insert(at, pointwise(1, strange))
    done = convert({"pointwise/test": rows})
    facts = done.manifest["subsets"]["pointwise/test"]
    assert [facts["prompt"], facts["rows_of_this_prompt"]] == [template, 20]
    assert done.rows[at]["messages"] == rows[at]["messages"]
    assert done.rows[at]["messages"][0]["content"][slice(*done.rows[at]["meta"]["candidate"])] == said("sign 1")


def test_one_label_in_the_whole_file_gives_no_template_but_places(convert, capsys):
    rows = [pointwise(3 * i, LONG + POINT) for i in range(5)] + [pointwise(0, LONG + POINT, "free text")]
    done = convert({"pointwise/human": rows})
    facts = done.manifest["subsets"]["pointwise/human"]
    shared = rows[0]["messages"][0]["content"].replace(said("sign 0"), "{candidate_response}")
    assert facts["prompt"] is None
    assert facts["prompt_sha256"] == hashlib.sha256(tagged(shared).encode()).hexdigest()
    places = [row["messages"][0]["content"][slice(*row["meta"]["candidate"])] for row in done.rows]
    assert places == [*(said(f"sign {3 * i}") for i in range(5)), "free text"]
    assert "the prompt of pointwise/human could not be told from its rows" in capsys.readouterr().out


@pytest.mark.parametrize("rows", [[pointwise()], [pointwise(), pointwise()]], ids=["one row", "one row twice"])
def test_a_prompt_with_a_candidate_in_it_is_no_template(convert, rows):
    assert convert({"pointwise/train": rows}).manifest["subsets"]["pointwise/train"]["prompt"] is None


def test_without_any_place_and_label_a_row_is_rejected(convert):
    rows = [pointwise(3 * i) for i in range(4)]
    for row in rows[1:]:
        del row["label"]
    (reject, *_) = convert({"pointwise/train": rows}).rejects
    assert reject["reason"] == "label: neither a field nor the prompt tells it"


@pytest.mark.parametrize("slot", ["{response_a}", "{candidate_response}", "{ground_truth_label}"])
def test_a_prompt_that_holds_a_slot_of_its_own_gives_no_template(convert, slot):
    rows = [pointwise(i) for i in range(6)]
    for row in rows:
        row["messages"][0]["content"] += f" {slot}"
    done = convert({"pointwise/train": rows})
    assert done.manifest["subsets"]["pointwise/train"]["prompt"] is None
    assert [row["messages"] for row in done.rows] == [row["messages"] for row in rows]


def test_the_prompt_of_a_bench_subset_is_told_where_all_rows_share_it(convert):
    rows = [{"image": "images/a.png", "messages": messages("Is it real?", said(f"{i}"))} for i in range(3)]
    assert convert({"detect/test": rows}).manifest["subsets"]["detect/test"]["prompt"] == "<image>Is it real?"
    rows[0]["messages"] = messages("Is it fake?", said("x"))
    assert convert({"detect/test": rows}).manifest["subsets"]["detect/test"]["prompt"] is None


def raw_row(prompt: str) -> Raw:
    return Raw(1, "x.png", None, prompt, None, None, None, None, {}, "", None, "", [], False, {})


@pytest.mark.parametrize(
    "piece",
    [
        "<reasoning>",
        "</reasoning>",
        "</reasoning> <answer>real</answer>",
        said("x"),
        "real ",
        "real fake ",
        "{",
        "<",
        "</reasoning>        <answer>        ",
        "{candidate_response}",
        "\nA: ",
        "\nB: ",
    ],
)
@pytest.mark.parametrize("names", CANDIDATES.values(), ids=CANDIDATES)
def test_a_hostile_prompt_takes_linear_time(piece, names):
    if not names:
        return
    rows = [raw_row(row["messages"][0]["content"]) for row in map([pointwise, pairwise][len(names) - 1], range(6))]
    size = 2_000_000 // len(piece)
    rows += [raw_row(piece * size), raw_row(rows[0].prompt.replace("</reasoning>", piece * size))]
    begin = time.process_time()
    assert recover_prompt(rows, names).rows >= 6
    assert time.process_time() - begin < 5


# ------------------------------------------------------------------------------------------------------------ bad input


def fate(done: Converted, name: str, bad: int = 1) -> list[dict[str, Any]]:
    """The rejects, after a look that all else of the six good rows was converted and everything was counted."""
    assert len(done.subsets[name]) == 6
    assert len(done.rejects) == done.manifest["rows_rejected"] == bad
    assert done.manifest["rows_in"] == done.manifest["rows_out"] + bad
    assert sum(done.manifest["reject_reasons"].values()) == bad
    return done.rejects


def answered(text: str) -> dict[str, Any]:
    return pointwise(1, messages=messages(pointwise(1)["messages"][0]["content"], text))


BAD_POINTWISE = [
    (pointwise(1, images=["../../../../x.png"]), "image: the path leaves Judge/: "),
    (pointwise(1, images=["images/../../../../../x.png"]), "image: the path leaves Judge/: "),
    (pointwise(1, images=["/etc/hostname"]), "image: the path leaves Judge/: "),
    (pointwise(1, images=["/etc/hostname/x.png"]), "image: the path leaves Judge/: "),
    (pointwise(1, images=["https://example.org/x.png"]), "image: not a file path: "),
    (pointwise(1, images=["file:///etc/hostname"]), "image: not a file path: "),
    (pointwise(1, images=["images/a\0.png"]), "image: not a file path: "),
    (pointwise(1, images=["images/"]), "image: not a file path: "),
    (pointwise(1, images=["images/a.png", "images/b.png"]), "image: expected the path of one image, got ['images/a"),
    (pointwise(1, images=[]), "image: expected the path of one image, got []"),
    (pointwise(1, images=None), "image: expected the path of one image, got None"),
    (pointwise(1, images=[{"bytes": "iVBOR"}]), "image: expected the path of one image, got [{'bytes'"),
    (pointwise(1, images=[""]), "image: expected the path of one image, got ['']"),
    (pointwise(1, score=0), "score must be 1..5: got 0"),
    (pointwise(1, score=6), "score must be 1..5: got 6"),
    (pointwise(1, score="five"), "score must be 1..5: got 'five'"),
    (pointwise(1, score=True), "score must be 1..5: got True"),
    (pointwise(1, score=4.5), "score must be 1..5: got 4.5"),
    (pointwise(1, score=10**400), "score must be 1..5: got 1000"),
    (pointwise(1, score=[4]), "score must be 1..5: got [4]"),
    (pointwise(1, score={"value": 4}), "score must be 1..5: got {'value'"),
    (pointwise(1, score=4), "contradiction: the answer says 2, the row's own field 4"),
    (pointwise(1, score=2, ratings=[2, 7]), "score must be 1..5: got 7"),
    (answered("<reasoning>r</reasoning>\n<score>6</score>"), "score must be 1..5: the score is none of 1, 2, 3, 4, 5"),
    (answered("<score>4</score> or <score>5</score>"), "score must be 1..5: two different scores in "),
    (answered("Four."), "score must be 1..5: no closed <score> in 'Four.'"),
    (answered("<reasoning><score>4</score>"), "score must be 1..5: the reasoning is not closed"),
    (pointwise(1, label="maybe"), "label not known: 'maybe'; known are real, fake, edited, "),
    (pointwise(1, label=1), "label not known: 1; it must be a word"),
    (pointwise(1, label=False), "label not known: False; "),
    (pointwise(1, label=["fake"]), "label not known: ['fake']; "),
    (pointwise(1, text=said("see <image> there")), "messages: a candidate holds an <image> tag"),
    (pointwise(1, POINT[7:], said("see <image> there")), "messages: a candidate holds an <image> tag"),
    (pointwise(1, text=said("see <video> there")), "messages: 1 <video> tags but 0 videos"),
    (answered("<reasoning>In the <image> here</reasoning><score>2</score>"), "messages: 2 <image> tags but 1 images"),
    (pointwise(1, messages="Rate it."), "messages: expected objects of role and content, got 'Rate it.'"),
    (pointwise(1, messages=[]), "answer: the row has none"),
    (pointwise(1, messages=messages(ASKED)), "answer: the row has none"),
    (answered("x" * 70_000 + "<score>2</score>"), "answer: it has 70016 characters, at most 65536 are read"),
    (pointwise(1, messages=messages("a", "b") * 2), "messages: expected one text of the user and one of the assistant"),
    (pointwise(1, messages=[{"role": "tool", "content": "x"}]), "messages: expected one text of the user"),
    (pointwise(1, messages=messages(["Rate", 7])), "messages: expected parts of type text or image, got 7"),
    (pointwise(1, messages=messages([{"type": "text", "text": None}])), "messages: expected parts of type text or "),
    (pointwise(1, messages=messages([{"type": "audio"}])), "messages: expected parts of type text or image, got "),
    (pointwise(1, messages=messages(None)), "messages: expected one text of the user"),
    ({"images": ["images/a.png"], "score": 2, "label": "real"}, "prompt: the row has neither one nor a label and "),
    ({}, "image: expected the path of one image, got None"),
]


@pytest.mark.parametrize(("row", "reason"), BAD_POINTWISE)
def test_a_row_that_cannot_be_used_is_rejected_with_its_reason(convert, row, reason):
    rows = [pointwise(i, score=i % 5 + 1) for i in range(6)]
    done = convert({"pointwise/train": [*rows[:4], row, *rows[4:]]})
    (reject,) = fate(done, "pointwise/train")
    assert (reject["where"], reject["id"]) == (f"{SUBSETS['pointwise/train'].path}:5", "pointwise/train/5")
    assert reject["reason"].startswith(reason)
    assert done.manifest["subsets"]["pointwise/train"]["prompt"] == POINT


def test_the_classes_of_rejects_are_few_and_readable(convert, capsys):
    rows = [pointwise(i, score=i % 5 + 1) for i in range(6)]
    done = convert({"pointwise/train": rows + [row for row, _ in BAD_POINTWISE]})
    fate(done, "pointwise/train", len(BAD_POINTWISE))
    classes = {"image", "score must be 1..5", "contradiction", "label not known", "messages", "prompt", "answer"}
    assert done.manifest["reject_reasons"].keys() == classes
    told = capsys.readouterr().out
    assert all(f"  rejected {n}: {reason}\n" in told for reason, n in done.manifest["reject_reasons"].items())


@pytest.mark.parametrize(
    ("name", "row", "reason"),
    [
        ("pairwise/test", pairwise(1, answer="C"), "answer must be A or B: got 'C'"),
        ("pairwise/test", pairwise(1, answer="A"), "contradiction: the answer says B, the row's own field A"),
        ("pairwise/test", pairwise(1, answer="tie"), "answer must be A or B: got 'tie'"),
        ("pairwise/test", pairwise(1, answer=1), "answer must be A or B: got 1"),
        ("pairwise/test", pairwise(1, ratings=["A", "both"]), "answer must be A or B: got 'both'"),
        ("pairwise/test", pairwise(1, messages=messages(PAIR, "<answer>C</answer>")), "answer must be A or B: the ans"),
        ("pairwise/test", pairwise(1, messages=messages(PAIR, "Response A")), "answer must be A or B: no closed <answ"),
        ("detect/test", {"images": ["images/a.png"], "answer": "unsure"}, "label not known: 'unsure'"),
        ("detect/test", {"images": ["images/a.png"], "answer": 0}, "label not known: 0; it must be a word"),
        ("detect/test", {"images": ["images/a.png"]}, "label: the row has none"),
        ("reason/test", {"images": ["images/a.png"], "answer": "fake"}, "reasoning: the row has none"),
        ("reason/test", {"images": ["images/a.png"], "answer": "real", "reasoning": said("x")}, "contradiction: the "),
        (
            "reason/test",
            {"images": ["images/a.png"], "answer": "real", "reasoning": "a <score>1</score> b"},
            "reasoning: a reasoning must not be empty, have white space at its ends or hold tags",
        ),
        ("reason/test", {"images": ["images/a.png"], "answer": "real", "reasoning": "x" * 70_000}, "reasoning: the re"),
        ("reason/test", {"images": ["images/a.png"], "answer": "real", "reasoning": "the <image>"}, "messages: 2 <im"),
    ],
)
def test_the_same_for_the_other_tasks(convert, name, row, reason):
    rows = [pairwise(i, answer="AB"[i % 2]) if name.startswith("pair") else BENCH for i in range(6)]
    (reject,) = fate(convert({name: [*rows, row]}), name)
    assert reject["where"] == f"{SUBSETS[name].path}:7"
    assert reject["reason"].startswith(reason)


def test_an_answer_of_messages_that_contradicts_the_label_is_rejected(convert):
    rows = [
        {"images": ["images/a.png"], "label": label, "messages": messages("?", said("x"))}
        for label in ("fake", "edited", "real")
    ]
    (reject,) = convert({"detect/test": rows}).rejects
    assert reject["reason"] == "contradiction: the answer says fake, the label is real"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"messages": [{"role": "us', "not JSON: "),
        (b"[1, 2]\n", "expected a JSON object, got list"),
        (b"7\n", "expected a JSON object, got int"),
        (b"nonsense\n", "not JSON: "),
        (b'{"images": ["caf\xe9"]}\n', "not JSON: "),
        (b'{"score": NaN}\n', "not JSON: "),
        (b'{"score": 1e999}\n', "not JSON: "),
        (b"[" * 100_000 + b"\n", "not JSON: "),
    ],
)
@pytest.mark.parametrize("at", [0, 3, 6])
def test_a_line_that_is_no_row_costs_itself(convert, line, reason, at):
    lines = [json.dumps(pointwise(i)).encode() + b"\n" for i in range(6)]
    torn = not line.endswith(b"\n")
    at = 6 if torn else at
    lines.insert(at, line if torn else line + b"\n \n")
    (reject,) = fate(convert({"pointwise/test": b"".join(lines)}), "pointwise/test")
    assert reject["where"] == f"{SUBSETS['pointwise/test'].path}:{at + 1}"
    assert reject["reason"].startswith(reason)
    assert ("a torn last line?" in reject["reason"]) == torn


@pytest.mark.parametrize("text", [b"", b"\n\n", b'{"image": "im', b"[]\n"])
def test_a_subset_without_any_row_is_refused(tmp_path, capsys, text):
    src = source(tmp_path / "Judge", {"pointwise/test": text})
    assert main(["--src", str(src), "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {src / SUBSETS['pointwise/test'].path}: no row that is a JSON object")
    assert told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_where_no_row_is_usable_nothing_is_written(tmp_path, capsys):
    src, out = tmp_path / "Judge", tmp_path / "out"
    before = contents(Converted(source(src, {"pointwise/test": [pointwise()]}), out).out)
    source(
        src, {"pointwise/test": [pointwise(images=["images/none.png"])], "detect/test": [{"image": 1, "label": "?"}]}
    )
    capsys.readouterr()
    assert main(["--src", str(src), "--out", str(out)]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(
        f"error: no usable row; the first one: {SUBSETS['detect/test'].path}:1: label not known: '?'"
    )
    assert contents(out) == before


# ----------------------------------------------------------------------------------------------------------- the images


@pytest.mark.parametrize("level", ["none", "header", "decode"])
def test_check_rejects_what_the_files_contradict(tmp_path, capsys, level):
    rows = [pointwise(i) for i in range(6)]
    src = source(
        tmp_path / "Judge",
        {
            "pointwise/test": [
                *rows,
                pointwise(1, images=["images/cut.png"]),
                pointwise(1, images=["./images/none.png"]),
                pointwise(1, images=["images/none.png"]),
                pointwise(1, images=["images/" + "n" * 400 + ".png"]),
                pointwise(1, images=["images"]),
                pointwise(1, images=["images/text.png"]),
            ]
        },
    )
    images = (src / SUBSETS["pointwise/test"].path).parent / "images"
    Image.frombytes("RGB", (90, 90), os.urandom(90 * 90 * 3)).save(images / "cut.png")
    (images / "cut.png").write_bytes((images / "cut.png").read_bytes()[:9000])
    (images / "text.png").write_text("no picture")
    done = Converted(src, tmp_path / "out", "--check", level)
    told = capsys.readouterr().out
    if level == "none":
        assert (len(done.rows), done.manifest["media_checked"], done.manifest["media_missing"]) == (12, "none", 3)
        assert "note: 3 images are not there" in told
        assert len({row["meta"]["media_id"] for row in done.rows}) == 11  # with ./ or without, it is one image
        return
    reasons = {reject["id"].split("/")[-1]: reject["reason"] for reject in done.rejects}
    assert reasons.keys() == {*["7"] * (level == "decode"), "8", "9", "10", "11", "12"}  # cut short is seen by decoding
    assert done.manifest["reject_reasons"] == {"media": len(reasons)}
    assert len(done.rows) == 12 - len(reasons)
    assert reasons["8"] == "media: the file does not exist: './images/none.png'"
    assert reasons["12"].startswith("media: the image cannot be read")
    assert "note: " not in told


def test_a_link_may_stay_in_the_dataset_but_not_leave_it(tmp_path):
    rows = [pointwise(i) for i in range(6)]
    rows[0]["images"] = ["images/inside.png"]
    rows += [pointwise(0, images=["images/outside.png"]), pointwise(0, images=["away/a.png"])]
    src = source(tmp_path / "Judge", {"pointwise/test": rows})
    folder = (src / SUBSETS["pointwise/test"].path).parent
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    (folder / "images" / "inside.png").symlink_to("b.png")
    (folder / "images" / "outside.png").symlink_to(tmp_path / "a.png")
    (folder / "away").symlink_to(tmp_path)
    done = Converted(src, tmp_path / "out")
    assert all(r["reason"].startswith("image: the path leaves Judge/: ") for r in fate(done, "pointwise/test", 2))
    assert done.rows[0]["images"] == [str(folder / "images" / "b.png")]


def test_a_video_is_no_image(tmp_path, sample):
    video = next((sample / "videos").iterdir())
    src = source(tmp_path / "Judge", {"pointwise/test": [*map(pointwise, range(6)), pointwise(0, images=["x.mp4"])]})
    (src / SUBSETS["pointwise/test"].path).with_name("x.mp4").write_bytes(video.read_bytes())
    (reject,) = fate(Converted(src, tmp_path / "out"), "pointwise/test")
    assert reject["reason"] == "media: a video: 'x.mp4'"


def shared_images(root: Path) -> Path:
    """Train has the test's image a under the name e and the human subset's as f; pairwise/train has pointwise's c."""
    src = source(
        root,
        {
            name: [(pairwise if name.startswith("pair") else pointwise)(i) for i in range(6)]
            for name in SUBSETS
            if name[0] == "p"
        },
    )
    images = {name: (src / SUBSETS[name].path).parent / "images" for name in SUBSETS}
    train = images["pointwise/train"]
    (train / "e.png").write_bytes((images["pointwise/test"] / "a.png").read_bytes())
    (train / "f.png").write_bytes((images["pointwise/human"] / "a.png").read_bytes())
    (images["pairwise/train"] / "c.png").write_bytes((images["pointwise/test"] / "c.png").read_bytes())
    (images["pairwise/human"] / "b.png").write_bytes((images["pairwise/test"] / "b.png").read_bytes())
    return src


@pytest.mark.parametrize("keep", [False, True])
def test_an_image_of_train_and_test_is_left_out_of_training_or_kept_and_told(tmp_path, capsys, keep):
    done = Converted(shared_images(tmp_path / "Judge"), tmp_path / "out", *["--keep-leaked"] * keep)
    assert done.manifest["leakage"]["shared"] == [
        {"subsets": ["pointwise/train", "pointwise/test"], "images": 1},
        {"subsets": ["pointwise/train", "pointwise/human"], "images": 1},
        {"subsets": ["pointwise/test", "pairwise/train"], "images": 1},
        {"subsets": ["pairwise/test", "pairwise/human"], "images": 1},
    ]
    assert set(done.manifest["leakage"]["images"].values()) == {6}
    told = capsys.readouterr().out
    out = "" if keep else ", whose rows are left out of training"
    assert f"  leakage: 1 images are both in pointwise/train and pointwise/test{out}\n" in told
    assert "  leakage: 1 images are both in pointwise/test and pairwise/train\n" in told
    assert "pairwise/human" not in "".join(line for line in told.splitlines() if "leakage" in line)
    assert done.manifest["options"]["keep_leaked"] == keep
    assert len(done.subsets["pairwise/train"]) == 6  # across tasks it is only told
    if keep:
        assert not done.rejects
        return
    assert [(reject["id"], reject["reason"]) for reject in done.rejects] == [
        ("pointwise/train/5", "leaked: the same image is in pointwise/test: 'images/e.png'"),
        ("pointwise/train/6", "leaked: the same image is in pointwise/human: 'images/f.png'"),
    ]
    assert len(done.subsets["pointwise/test"]) == 6


def test_leakage_is_found_without_a_check_of_the_media(tmp_path):
    done = Converted(shared_images(tmp_path / "Judge"), tmp_path / "out", "--check", "none")
    assert done.manifest["reject_reasons"] == {"leaked": 2}


@pytest.mark.parametrize("check", ["header", "none"])
def test_a_format_that_tells_the_label_is_reported(tmp_path, capsys, check):
    """Images a and d are real, as JPEGs here; b and e are fake and c and f edited, which counts as fake."""
    names = ("pointwise/train", "pointwise/test")
    parts = {name: [pointwise(i) for i in range(6)] for name in names}
    for rows in parts.values():
        for i in (0, 3):
            rows[i]["images"] = [f"images/{NAMES[i]}.jpg"]
    src = source(tmp_path / "Judge", parts)
    for name in names:
        for letter in "ad":
            image = (src / SUBSETS[name].path).with_name("images") / f"{letter}.png"
            with Image.open(image) as picture:
                picture.save(image.with_suffix(".jpg"))
    audit = Converted(src, tmp_path / "out", "--check", check).manifest["image_audit"]
    assert audit["images"] == 12
    assert audit["measured_on"] == "held-out splits"
    assert audit["rules"]["format"] == {
        "balanced_accuracy": 100.0,
        "n": 6,
        "values": [{"value": "JPEG", "real": 4, "fake": 0}, {"value": "PNG", "real": 0, "fake": 8}],
    }
    assert audit["rules"]["size"]["balanced_accuracy"] == (50.0 if check == "header" else None)
    assert "  shortcut: format alone gives 100.0 % balanced accuracy on 6 images" in capsys.readouterr().out


def test_the_sample_has_no_shortcut_of_its_files(whole):
    assert audit_lines(whole.manifest["image_audit"]) == []


# --------------------------------------------------------------------------------------------------- the command itself


def test_limit_takes_rows_from_everywhere_in_each_subset(convert):
    parts = {
        name: [pointwise(i) if name[1] == "o" else pairwise(i) for i in range(20)]
        for name in ("pointwise/train", "pairwise/test")
    }
    done = convert(parts, "--limit", "5")
    taken = [row["id"].rpartition("/") for row in done.rows]
    assert [(name, (int(line) - 1) // 4) for name, _, line in taken] == [(name, i) for name in parts for i in range(5)]
    assert done.manifest["options"]["limit"] == 5
    assert convert(parts, "--limit", "1000").manifest["rows_out"] == 40


def test_only_the_subsets_that_are_there_are_converted(convert):
    done = convert({"pairwise/human": [pairwise()]})
    assert sorted(contents(done.out)) == ["manifest.json", "pairwise/human.jsonl", "rejects.jsonl"]


def test_a_source_one_folder_too_high_is_found(tmp_path, convert):
    src = source(tmp_path / "above" / "Judge", {"pointwise/test": [pointwise()]})
    (tmp_path / "above" / ".cache").mkdir()
    one, other = (Converted(path, tmp_path / path.name / "out", "--check", "none") for path in (src, src.parent))
    assert contents(one.out) == contents(other.out)


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda src: (src / "x" / "y").mkdir(parents=True)])
def test_a_source_without_subsets_is_told_how_to_be_filled(tmp_path, capsys, make):
    src = tmp_path / "Judge"
    make(src)
    assert main(["--src", str(src), "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {src} holds none of DeepfakeJudge's subsets (such as dfj-meta/")
    for cure in (
        "gated: ask for access",
        "hf auth login",
        "hf download MBZUAI/DeepfakeJudge-Dataset",
        "--local-dir",
        f"python converters/sample_deepfakejudge.py --out {src}",
    ):
        assert cure in told
    assert told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def command(root: Path, cwd: Path, *options: str, seed: str = "0") -> subprocess.CompletedProcess:
    script = [sys.executable, str(root / "converters" / "deepfakejudge_to_swift.py")]
    return subprocess.run(
        [*script, *options], cwd=cwd, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True
    )


def test_without_a_source_it_says_how_to_get_it(root, tmp_path):
    done = command(root, tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: data/DeepfakeJudge-Dataset holds none of ")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_it_runs_from_any_folder_and_repeats_to_the_byte(root, tmp_path, judge_sample):
    for seed in ("1", "2"):
        done = command(root, tmp_path, "--src", str(judge_sample), "--out", f"out{seed}", "--workers", seed, seed=seed)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert contents(tmp_path / "out1") == contents(tmp_path / "out2")
    again = command(root, tmp_path, "--src", str(judge_sample), "--out", "out1")
    assert again.returncode == 0
    assert contents(tmp_path / "out1") == contents(tmp_path / "out2")


class Torn(Exception):
    pass


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (deepfakejudge_to_swift, "make_row"),  # while rows are written
        (output, "encode_into"),
        (records.os, "fsync"),  # while files are completed
        (deepfakejudge_to_swift, "check_files"),  # while media are read
    ],
)
@pytest.mark.parametrize("error", [Torn, KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_run_leaves_what_was_there(judge_sample, whole, tmp_path, monkeypatch, owner, name, error):
    out = Converted(judge_sample, tmp_path / "out", "--limit", "2").out
    before = contents(out)
    calls, really = iter(range(1000)), getattr(owner, name)

    def breaks(*args):
        if next(calls) >= (0 if name in ("check_files", "fsync") else 9):
            raise error
        return really(*args)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, breaks)
        options = ["--src", str(judge_sample), "--out", str(out), "--check", "decode", "--workers", "1"]
        if error is Torn:
            with pytest.raises(Torn):
                main(options)
        else:
            assert main(options) == (130 if error is KeyboardInterrupt else 2)
    left = contents(out)
    if name == "fsync":  # from here on a manifest might describe other files than its own
        left["manifest.json"] = before["manifest.json"]
    assert left == before
    again = Converted(judge_sample, out, "--check", "decode")
    assert contents(again.out) == contents(whole.out)


@pytest.mark.slow
def test_a_killed_run_leaves_the_results_that_were_there(root, tmp_path):
    src, out = source(tmp_path / "Judge", {"pointwise/train": [pointwise()]}), tmp_path / "out"
    before = contents(Converted(src, out).out)
    source(src, {"pointwise/train": [pointwise(i) for i in range(60_000)]})
    script = [sys.executable, str(root / "converters" / "deepfakejudge_to_swift.py"), "--check", "none"]
    with subprocess.Popen([*script, "--src", str(src), "--out", str(out)], stderr=subprocess.DEVNULL) as running:
        end = time.monotonic() + 60
        while not list(out.rglob("*.tmp")) and running.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        running.send_signal(signal.SIGKILL)
    assert {name: text for name, text in contents(out).items() if not name.endswith(".tmp")} == before


@pytest.mark.parametrize("level", ["none", "header"])
def test_no_connection_is_opened(judge_sample, tmp_path, monkeypatch, level):
    def refuse(*args, **kwargs):
        raise AssertionError(f"a connection to {args[1:]}")

    for name in ("connect", "connect_ex", "sendto", "bind"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert Converted(judge_sample, tmp_path / "out", "--check", level).manifest["rows_rejected"] == 0


@pytest.mark.parametrize("piece", ["<reasoning>", "real fake ", said("x"), "</reasoning><answer>", "<score>5</score>"])
def test_a_row_of_two_megabytes_takes_linear_time(convert, piece):
    long = piece * (2_000_000 // len(piece))
    rows = [*map(pointwise, range(6)), pointwise(1, text=long), pointwise(1, messages=messages(ASKED, long))]
    begin = time.process_time()
    done = convert({"pointwise/train": rows})
    assert time.process_time() - begin < 5
    assert done.rows[6]["messages"] == rows[6]["messages"]
    assert done.rows[6]["messages"][0]["content"][slice(*done.rows[6]["meta"]["candidate"])] == long
    (reject,) = done.rejects
    assert (reject["id"], reject["reason"].split(":")[0]) == ("pointwise/train/8", "answer")


# -------------------------------------------------------------------------------------------------- the published facts


def test_a_file_that_lost_some_rows_is_noticed(convert, capsys):
    for lost, noticed in ((0, False), (1, True), (80, False)):  # 80 of 88: a sample of the user's own
        convert({"pairwise/human": [pairwise(i) for i in range(88 - lost)]})
        told = "count differs: pairwise/human has 87 rows, published are 88"
        assert (told in capsys.readouterr().out) == noticed
