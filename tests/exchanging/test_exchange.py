"""Predictions made elsewhere become rows that are scored, whatever kit wrote them; ours go out and come back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eval.exchange import main
from eval.scorers.rows import merge, run_facts, task_of
from swift_plugins.core.records import read_rows
from swift_plugins.core.tasks import deeptrace
from swift_plugins.core.workbooks import write_sheet

QUESTION = deeptrace.QUESTIONS["full"]
TEXTS = ("REAL. The video is real. There is no unnatural part.", "FAKE. The video is AI-generated.")


def gold_row(i: int, medium: str, label: str, **meta: Any) -> dict[str, Any]:
    """A row of a converter: a clip of 64x48 px whose answers state their boxes in thousandths."""
    return {
        "id": f"{medium}/{i}",
        "task": "deeptrace",
        "messages": [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": TEXTS[label == "fake"]}],
        "videos": [f"/data/clips/{medium}.mp4"],
        "meta": {
            "media_id": medium,
            "split": "test",
            "source": "Kling",
            "label": label,
            "width": 64,
            "height": 48,
            "duration": 2.0,
            "fps": 25.0,
            "bbox": [8.0, 8.0, 40.0, 24.0] if label == "fake" else [],
            "start": 1.0 if label == "fake" else None,
            "categories": [],
            "explanation": "",
            "box_space": "norm1000",
            "box_width": 1000,
            "box_height": 1000,
            "task_version": deeptrace.VERSION,
        }
        | meta,
    }


GOLD = [gold_row(1, "v1", "fake"), gold_row(2, "v1", "fake"), gold_row(1, "v2", "real")]
ANSWERS = ("FAKE. The video is AI-generated. The unnatural part is at [1, 2, 3, 4].", "REAL", "Fake, it melts.")


def lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


@pytest.fixture
def bring(tmp_path, capsys):
    """Bring predictions in; returns the rows. `said` is what was printed."""

    def call(pred: Path, *options: str, gold: list[dict] = GOLD, fails: bool = False) -> list[dict[str, Any]]:
        out, data = tmp_path / "out.jsonl", lines(tmp_path / "gold.jsonl", gold)
        code = main(["--pred", str(pred), "--gold", str(data), "--out", str(out), *options])
        call.said = capsys.readouterr()
        assert code == 2 * fails, call.said.err
        if fails:
            assert not out.exists()
            return []
        rows = [row for _, row in read_rows(out)]
        found = merge(out, None, run_facts(out))  # what score.py takes
        assert task_of(found)[0] == gold[0]["task"]
        return rows

    return call


def responses(rows: list[dict[str, Any]]) -> list[Any]:
    return [row["response"] for row in rows]


def swift_line(row: dict[str, Any], answer: str) -> dict[str, Any]:
    """A line of `swift infer --result_path`."""
    asked = row["messages"][:1]
    return {
        "response": answer,
        "labels": row["messages"][1]["content"],
        "logprobs": None,
        "messages": [*asked, {"role": "assistant", "content": answer}],
        "videos": row["videos"],
    }


def test_results_of_swift_infer_are_found_by_what_was_asked(bring, tmp_path):
    """They have no id; two rows that ask the same of one clip take the answers in their order."""
    order = [2, 0, 1]
    rows = bring(lines(tmp_path / "r.jsonl", [swift_line(GOLD[i], ANSWERS[i]) for i in order]))
    assert responses(rows) == [*ANSWERS]
    assert [row["id"] for row in rows] == [row["id"] for row in GOLD]
    assert [row["labels"] for row in rows] == [TEXTS[1], TEXTS[1], TEXTS[0]]
    assert "read as swift_infer, found by their question" in bring.said.out


def test_a_truth_that_is_not_the_rows_is_not_taken(bring, tmp_path):
    wrong = swift_line(GOLD[0], "x") | {"labels": "another answer"}
    bring(lines(tmp_path / "r.jsonl", [wrong]), fails=True)
    assert "1 of 1, the first in r.jsonl:1, are predictions of no row" in bring.said.err


@pytest.mark.parametrize("suffix", [".xlsx", ".tsv"])
def test_vlmevalkit_counts_rows_from_0_where_there_is_no_id(bring, tmp_path, suffix):
    columns = ["index", "question", "answer", "category", "prediction"]
    asked = " ".join(QUESTION.removeprefix("<video>").split())
    rows = [[i, asked, TEXTS[i < 2], "", answer] for i, answer in enumerate(ANSWERS)]
    rows[2][-1] = "Failed to obtain answer via API."
    pred = tmp_path / f"Model_Bench{suffix}"
    if suffix == ".xlsx":
        with open(pred, "wb") as file:
            write_sheet(file, columns, rows)
    else:
        pred.write_text("\n".join("\t".join(map(str, row)) for row in (columns, *rows)))
    found = bring(pred)
    assert responses(found) == [*ANSWERS[:2], None]
    assert found[2]["error"] == "Failed to obtain answer via API."
    record = run_facts(tmp_path / "out.jsonl")
    assert (record["model"]["model"], record["exchanged"]["found_by"]) == ("Model_Bench", "position")
    rows[0][1] = "Is it a cat?"
    with open(tmp_path / "other.xlsx", "wb") as file:
        write_sheet(file, columns, rows)
    (tmp_path / "out.jsonl").unlink()
    bring(tmp_path / "other.xlsx", fails=True)
    assert (
        "other.xlsx:2: the row at this place in the file asks something else: was another file asked?" in bring.said.err
    )


def test_samples_of_lmms_eval_hold_lists_of_answers(bring, tmp_path):
    samples = [
        {"doc_id": i, "doc": {"question": "x"}, "target": "fake", "resps": [[answer]], "filtered_resps": [answer]}
        for i, answer in enumerate(ANSWERS)
    ]
    samples[1] |= {"filtered_resps": [], "resps": [ANSWERS[1]]}
    for sample, row in zip(samples, GOLD, strict=True):
        sample["doc"]["id"] = row["id"]
    rows = bring(lines(tmp_path / "a_samples_x.jsonl", samples))
    assert responses(rows) == [*ANSWERS]
    assert "3 rows were asked another question than" in bring.said.out
    del samples[0]["doc"]["id"]
    for sample in samples:
        sample["doc"] = {}
    (tmp_path / "out.jsonl").unlink()
    bring(lines(tmp_path / "b.jsonl", samples), fails=True)
    assert "the row at this place in the file has another answer" in bring.said.err  # the third is real


def test_a_batch_of_openai_holds_answers_and_errors(bring, tmp_path):
    def line(key: str, content: Any, **changes: Any) -> dict[str, Any]:
        body = {"id": "chatcmpl-1", "choices": [{"index": 0, "message": {"role": "assistant", "content": content}}]}
        return {
            "id": "batch_req_1",
            "custom_id": key,
            "response": {"status_code": 200, "body": body},
            "error": None,
        } | changes

    batch = [
        line("v2/1", [{"type": "text", "text": "RE"}, {"type": "text", "text": "AL"}]),
        line("v1/1", ANSWERS[0]),
        line("v1/2", None, response={"status_code": 429, "body": {"error": {"message": "Too many"}}}),
    ]
    rows = bring(lines(tmp_path / "batch.jsonl", batch))
    assert responses(rows) == [ANSWERS[0], None, "REAL"]
    assert "Too many" in rows[1]["error"]


def test_parts_of_answers_are_put_into_the_tasks_words(bring, tmp_path):
    text = (
        "video_id,predicted_label,bbox,start_time,explanation,fake_probability\n"
        'v1,KI,"[0.125, 0.25, 0.5, 0.75]",1.25,"The leg melts, twice.",0.75\nv2.mp4,echt,,,,0\n'
    )
    (tmp_path / "t.csv").write_text(text)
    options = ("--label-map", "KI=fake,echt=real", "--box-unit", "ratio")
    rows = bring(tmp_path / "t.csv", *options)
    answer = deeptrace.parse_trained(rows[0]["response"]).answer
    assert (answer.verdict, answer.bbox, answer.start) == ("fake", (125, 250, 500, 750), 1.25)
    assert answer.explanation == "The leg melts, twice."
    assert responses(rows)[1:] == [rows[0]["response"], deeptrace.REAL_ANSWER]
    assert [row["p_fake"] for row in rows] == [0.75, 0.75, 0]
    assert "one prediction stands for all rows of its medium" in bring.said.out
    without = bring(tmp_path / "t.csv", "--label-map", "KI=fake")
    assert "verdict: must be real or fake, got 'echt'" in without[2]["error"]


def test_a_box_in_px_is_put_into_the_rows_own_space(bring, tmp_path):
    (tmp_path / "t.jsonl").write_text('{"id": "v1/1", "verdict": "FAKE", "box": [8, 12, 32, 36]}')
    rows = bring(tmp_path / "t.jsonl")
    assert deeptrace.parse_trained(rows[0]["response"]).answer.bbox == (125, 250, 500, 750)
    assert [row.get("error") for row in rows[1:]] == ["there is no prediction of this row"] * 2


def test_an_onset_without_a_box_is_kept(bring, tmp_path):
    (tmp_path / "t.jsonl").write_text('{"id": "v1/1", "verdict": "FAKE", "start": 1.5, "bbox": null}')
    answer = deeptrace.GRAMMARS["auto"](bring(tmp_path / "t.jsonl")[0]["response"]).answer
    assert (answer.verdict, answer.bbox, answer.start) == ("fake", None, 1.5)


def test_the_text_counts_before_its_parts_unless_told(bring, tmp_path):
    row = {"video_id": "v2", "predicted_label": "FAKE", "raw_output": "REAL"}
    assert bring(lines(tmp_path / "t.jsonl", [row]))[2]["response"] == "REAL"
    assert bring(lines(tmp_path / "t.jsonl", [row]), "--from-parts")[2]["response"] == TEXTS[1]


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("id,response\nv1/1,a\nv1/1,b\n", (), "t.csv:3: the row 'v1/1' is predicted in t.csv:2 already"),
        ("id,response\nx,a\n", (), "no prediction is of a row: they are called 'x', the first row 'v1/1'"),
        ("id,response\nv1/1,a\nx,a\n", (), "1 of 2, the first in t.csv:3, are predictions of no row"),
        ("name,response\nv1/1,a\n", (), "no column names the row: one of id, row_id"),
        ("id,said\nv1/1,a\n", (), "no column holds an answer: one of response, prediction"),
        ("id,response\n", (), "no predictions"),
        ("index,prediction\n0,a\n", ("--columns", "key=index"), "--columns are those of a table"),
    ],
)
def test_what_cannot_be_taken_is_said(bring, tmp_path, text, options, said):
    (tmp_path / "t.csv").write_text(text)
    bring(tmp_path / "t.csv", *options, fails=True)
    assert said in bring.said.err


def test_half_a_character_costs_its_row(bring, tmp_path):
    rows = [{"id": row["id"], "response": answer} for row, answer in zip(GOLD, ("\ud800", "REAL", "FAKE"), strict=True)]
    (tmp_path / "t.json").write_text(json.dumps(rows))
    found = bring(tmp_path / "t.json")
    assert responses(found) == [None, "REAL", "FAKE"]
    assert "surrogate" in found[0]["error"]


def test_a_probability_that_is_none_costs_no_answer(bring, tmp_path):
    (tmp_path / "t.csv").write_text("id,response,p_fake\nv1/1,REAL,90\nv1/2,REAL,nan\nv2/1,REAL,0.5\n")
    assert [row.get("p_fake") for row in bring(tmp_path / "t.csv")] == [None, None, 0.5]
    assert "not read: 2 probabilities of p_fake that are not 0 to 1" in bring.said.out


def test_a_name_that_two_media_share_names_neither(bring, tmp_path):
    gold = [gold_row(1, "v1", "fake"), gold_row(1, "v2", "real") | {"videos": ["/data/other/v1.mp4"]}]
    (tmp_path / "t.csv").write_text("path,response\nv1.mp4,REAL\n")
    bring(tmp_path / "t.csv", gold=gold, fails=True)
    (tmp_path / "t.csv").write_text("path,response\n/data/other/v1.mp4,REAL\n")
    assert responses(bring(tmp_path / "t.csv", gold=gold)) == [None, "REAL"]


@pytest.mark.parametrize(
    ("form", "suffix"),
    [
        ("swift_infer", ".jsonl"),
        ("vlmevalkit", ".xlsx"),
        ("vlmevalkit", ".tsv"),
        ("lmms_eval", ".jsonl"),
        ("openai_batch", ".jsonl"),
        ("table", ".csv"),
        ("table", ".xlsx"),
    ],
)
def test_what_goes_out_comes_back_the_same(bring, tmp_path, capsys, form, suffix):
    answers = ["=1+1", 'Fake, "so"\nit\tis; ü', ANSWERS[0]]
    rows = [{"id": row["id"], "response": answer} for row, answer in zip(GOLD, answers, strict=True)]
    before = bring(lines(tmp_path / "t.jsonl", rows))
    theirs = tmp_path / f"theirs{suffix}"
    assert main(["--pred", str(tmp_path / "out.jsonl"), "--to", form, "--out", str(theirs)]) == 0
    assert bring(theirs) == before
    assert f"read as {form}" in bring.said.out
    assert main(["--pred", str(tmp_path / "out.jsonl"), "--to", form, "--out", str(tmp_path / "x.pdf")]) == 2
    assert f"the name of a file of {form} ends in" in capsys.readouterr().err


def test_one_direction_is_to_be_named(tmp_path, capsys):
    for more in ([], ["--gold", "a", "--to", "table"]):
        assert main(["--pred", str(tmp_path / "a.csv"), "--out", str(tmp_path / "b"), *more]) == 2
        assert "name --gold, the converter's file, to bring predictions in, or --to" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("task", "row", "text"),
    [
        ("dfj_pointwise", {"score": 4, "reasoning": "So."}, "<reasoning>So.</reasoning>\n<score>4</score>"),
        ("dfj_pairwise", {"better": "b"}, "<answer>B</answer>"),
        ("dfj_detect", {"verdict": "fake", "reason": "So."}, "<reasoning>So.</reasoning> <answer>fake</answer>"),
        ("fakevlm", {"verdict": "real", "reason": "So."}, "This is a real image. So."),
        ("loki_tf", {"choice": "Yes"}, None),
    ],
)
def test_every_task_has_its_words_for_the_parts(task, row, text):
    from eval.exchanging.columns import Columns, text_from
    from swift_plugins.core.tasks import get_task

    said = Columns({"id", *row}, {}, False).read("t:1", {"id": "a", **row})
    found = text_from(said.fields, {"task": task, "meta": {}}, {"real": "real", "fake": "fake"}, "px")
    assert text is None or found == text
    assert get_task(task).GRAMMARS["trained"](found).answer is not None


@pytest.mark.parametrize("name", ["qwen2.5-vl-3b-v2-test", "smolvlm2-500m-test"])
def test_published_outputs_of_models_are_taken_by_their_video(bring, published, name):
    outputs = published / "deeptrace_outputs" / f"{name}.jsonl"
    rows = [json.loads(line) for line in outputs.read_text().splitlines()]
    label = {row["video_id"]: "real" if row["video_id"].startswith("0_30_s_academic") else "fake" for row in rows}
    found = bring(outputs, gold=[gold_row(1, video, said) for video, said in label.items()])
    assert responses(found) == [row["raw_output"] for row in rows]
    assert not any(row.get("error") for row in found)
