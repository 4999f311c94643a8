"""The DeepfakeJudge converter sets a bad row aside with its reason and loses nothing else."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from converters.deepfakejudge_to_swift import main
from converters.layouts.deepfakejudge import SUBSETS
from tests.converters.deepfakejudge.making import (
    BENCH,
    PAIR,
    POINT,
    Converted,
    contents,
    messages,
    pairwise,
    pointwise,
    said,
    source,
)

ASKED = pointwise()["messages"][0]["content"]


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
    (pointwise(1, images=["https://example.org/x.png"]), "image: not a file path: "),
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
