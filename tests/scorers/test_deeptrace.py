"""Scores of DeepTraceReward answers, against values worked out by hand and against the published tables."""

import csv
import json
import math
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from eval.score import main
from eval.scorers.deeptrace import METRICS
from eval.scorers.deeptrace_constant import best_constant
from eval.scorers.deeptrace_tables import overall_of
from eval.scorers.verdicts import BY_P_FAKE
from swift_plugins.core.measures.traces import read_gold
from tests.scoring import score_rows, values

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "eval" / "published"
EXPLAINED = " The reason is because the cup melts."


def fake(row_id="f1", response="", **meta):
    facts = {
        "media_id": row_id.split("/")[0],
        "split": "test",
        "source": "Sora",
        "label": "fake",
        "width": 400,
        "height": 200,
        "duration": 10.0,
        "fps": 10.0,
        "bbox": [100, 50, 200, 150],
        "start": 2.0,
        "categories": [],
        "explanation": "the cup melts",
        "box_space": "pixel",
    }
    return {"id": row_id, "task": "deeptrace", "meta": facts | meta, "response": response}


def real(row_id="r1", response="REAL. The video is real. There is no unnatural part.", **meta):
    facts = {"label": "real", "source": "LLaVA", "bbox": [], "start": None, "explanation": ""}
    return fake(row_id, response=response, **(facts | meta))


def said(box="[100, 50, 200, 150]", start="2", explanation=EXPLAINED):
    return f"FAKE. The video is AI-generated. The unnatural part is at {box} starting {start} seconds.{explanation}"


@pytest.fixture
def score(tmp_path):
    """Score rows through the command line; returns the JSON it prints."""
    return partial(score_rows, tmp_path)


def test_failure_shapes_by_hand(score):
    """Of four boxes on fakes two are the frame of 400 x 200 px; of three dated fakes called so one has no onset; of six
    answers two say REAL."""
    rows = [
        fake("a", said("[0, 0, 400, 200]")),
        fake("b", said("[1, 0, 399, 200]"), start=None),  # 99.5 % of it
        fake("c", said("[0, 0, 390, 200]")),  # 97.5 %
        fake("d", "FAKE. The video is AI-generated. The unnatural part is at [0, 0, 40, 20]."),
        fake("e", "REAL. The video is real. There is no unnatural part."),
        fake("f", "Who knows."),
        real(),
    ]
    found = values(score(rows))
    assert found["whole_frame_rate"] == 50
    assert found["no_onset_rate"] == pytest.approx(100 / 3, abs=1e-4)
    assert found["real_rate"] == pytest.approx(100 * 2 / 6, abs=1e-4)
    metrics = score([real(), fake("e", "REAL. The video is real. There is no unnatural part.")])["metrics"]
    assert metrics["whole_frame_rate"]["reason"] == "no fake row is answered with a box"
    assert metrics["no_onset_rate"]["reason"] == "no fake row with a true onset is answered FAKE"


def test_a_perfect_run_scores_a_hundred(score):
    report = score([fake(response=said()) | {"explanation_score": 1}, real()])
    assert values(report) | {"category_accuracy": None} == {
        "accuracy": 100,
        "fake_accuracy": 100,
        "real_accuracy": 100,
        "accuracy_by_video": 100,
        "explanation": 100,
        "bbox_iou": 100,
        "bbox_distance": 0,
        "time_distance": 0,
        "overall": 100,
        "rouge_l": 100,
        "category_accuracy": None,
        "whole_frame_rate": 0,
        "no_onset_rate": 0,
        "real_rate": 50,
        "balanced_accuracy": 100,
        **dict.fromkeys(BY_P_FAKE),
    }
    assert tuple(report["metrics"]) == tuple(METRICS)


def test_p_fake_by_hand_and_of_no_constant_answer(score):
    """One of 2 x 2 pairs is in order: an unparsed fake counts with P(fake) 0."""
    rows = [fake("a", said()) | {"p_fake": 0.6}, fake("b", "?") | {"p_fake": 0.9}]
    rows += [real("c") | {"p_fake": 0.1}, real("d") | {"p_fake": 0.7}]
    report = score(rows)
    assert values(report)["auc"] == 25.0
    assert values(report)["balanced_accuracy"] == (50 + 100) / 2
    assert values(report)["average_precision"] == pytest.approx(100 * (1 / 2 + 2 / 4) / 2)
    assert values(report)["ece"] == pytest.approx((0.4 + 1 + 0.1 + 0.7) / 4)
    assert values(report)["brier"] == pytest.approx((0.16 + 1 + 0.01 + 0.49) / 4)
    assert report["metrics"]["tpr_at_1"]["reason"] == "not measurable with 2 reals: takes 100 or more"
    assert {title: found["auc"]["value"] for title, found in report["baselines"].items()} == {
        "majority answer": None,
        "best constant box": None,
    }
    assert "auc" not in report["slices"]["source"]["Sora"]["metrics"]


def test_each_generator_and_the_reals_among_themselves_are_told_apart_by_p_fake(score):
    """Of 100 reals one is at 0.9; Sora's fakes are above it, Kling's below, half of them also below other reals."""
    reals = [real(f"r{i}") | {"p_fake": 0.9 if i == 0 else 0.2 + i / 1000} for i in range(100)]
    fakes = [fake(f"s{i}", said(), source="Sora") | {"p_fake": 0.95} for i in range(4)]
    fakes += [fake(f"k{i}", said(), source="Kling 1.5") | {"p_fake": p} for i, p in enumerate((0.1, 0.8))]
    report = score(reals + fakes)
    assert values(report)["tpr_at_1"] == pytest.approx(100 * 5 / 6, abs=1e-4)  # one real may be above the threshold
    assert report["metrics"]["auc_of_reals"]["n"] == 100
    found = report["slices"]["generator, each with all reals"]
    assert {name: (part["n"], part["metrics"]["auc"]["value"]) for name, part in found.items()} == {
        "Sora": (104, 100),
        "Kling 1.5": (102, 100 * 99 / 200),
    }
    assert found["Kling 1.5"]["metrics"]["tpr_at_1"]["value"] == 50


def test_box_distance_and_time_by_hand(score):
    # Moved by 40 px of 400 and 20 px of 200: 10 % on each axis, so 10 % of the diagonal. Overlap 60 x 80 px.
    found = values(score([fake(response=said("[140, 70, 240, 170]", "3.5")), real()]))
    assert found["bbox_distance"] == pytest.approx(10.0)
    assert found["bbox_iou"] == pytest.approx(100 * 60 * 80 / (2 * 100 * 100 - 60 * 80), abs=1e-3)
    assert found["time_distance"] == pytest.approx(15.0)


@pytest.mark.parametrize("grammar", ["trained", "tags", "json"])
def test_a_box_without_an_area_has_a_centre(score, grammar):
    """Its centre is 40 px of 400 and 20 px of 200 off, a tenth of the diagonal."""
    point = [190, 120, 190, 120]
    response = {
        "trained": said(str(point)),
        "tags": f"FAKE <coordinates>{point}</coordinates>",
        "json": json.dumps({"label": "FAKE", "bbox": point}),
    }[grammar]
    report = score([fake(response=response), real()], "--grammar", grammar)
    assert (values(report)["bbox_iou"], values(report)["bbox_distance"]) == (0, pytest.approx(10.0))
    assert report["broken_fields"] == {}


@pytest.mark.parametrize(
    "response",
    [
        "REAL. The video is real. There is no unnatural part.",
        "FAKE. The video is AI-generated.",
        said("[200, 150, 100, 50]", "-3"),
        said("[1, 2, 3]", "nan"),
        "",
        None,
    ],
)
def test_a_missing_or_broken_box_and_onset_get_the_worst_scores(score, response):
    found = values(score([fake(response=response), real()]))
    assert (found["bbox_iou"], found["bbox_distance"], found["time_distance"]) == (0, 100, 100)


def test_boxes_are_not_clipped_and_distances_capped(score):
    found = values(score([fake(response=said("[100, 50, 200, 250]", "90")), real()]))
    assert found["bbox_iou"] == pytest.approx(50.0)
    assert found["time_distance"] == 100
    assert values(score([fake(response=said("[9000, 9000, 9100, 9100]")), real()]))["bbox_distance"] == 100


@pytest.mark.parametrize(
    ("space", "box"),
    [("norm1000", "[250, 250, 500, 750]"), ("ratio", "[0.25, 0.25, 0.5, 0.75]"), ("resized", "[112, 56, 224, 168]")],
)
def test_boxes_are_read_in_the_space_of_their_row(score, space, box):
    span = {"box_width": 448, "box_height": 224} if space == "resized" else {}
    assert values(score([fake(response=said(box), box_space=space, **span), real()]))["bbox_iou"] == pytest.approx(100)


@pytest.mark.parametrize(
    ("box", "space"),
    [("[900, 50, 990, 150]", "pixel"), ("[0.25, 0.5, 0.5, 0.75]", "pixel"), ("[1, 2, 1090, 4]", "norm1000")],
)
def test_a_box_that_seems_of_another_space_is_measured_as_it_stands_and_named(score, box, space):
    report = score([fake(response=said(box), box_space=space), fake("f2", response=said())])
    assert report["broken_fields"] == {"box space": 1}
    assert report["n_unparsed"] == 0


def test_an_answer_that_was_cut_off_before_its_verdict_is_unparsed(score):
    cut = {"response": "At first sight the video is real. It", "finish_reason": "length"}
    report = score([fake() | cut, fake("f2", response=said()) | {"finish_reason": "length"}])
    assert report["n_unparsed"] == 1
    assert next(iter(report["unparsed_reasons"])).startswith("cut off by the limit of tokens")


def test_unparsed_is_wrong_counted_and_named(score):
    report = score(
        [fake(response="It is not real."), real(response="surreal"), real("r2"), {**fake("f2"), "error": "x"}]
    )
    assert (report["n"], report["n_unparsed"], report["parse_rate"]) == (4, 3, 0.25)
    assert report["metrics"]["accuracy"]["value"] == 25.0
    assert report["confusion"] == {"real": {"unparsed": 1, "real": 1}, "fake": {"unparsed": 2}}
    assert sum(report["unparsed_reasons"].values()) == 3


def test_rows_weigh_as_published_and_videos_once(score):
    rows = [
        fake("a/1", response=said()),
        fake("a/2", response=said()),
        fake("a/3", response=said()),
        fake("b/1", response="REAL. The video is real."),
        real(),
    ]
    found = values(score(rows))
    assert found["fake_accuracy"] == 75.0
    assert found["accuracy"] == 80.0
    assert found["accuracy_by_video"] == pytest.approx(100 * 2 / 3, abs=1e-3)


def test_explanations_count_only_where_one_was_written(score):
    rows = [
        fake("a", response=said()) | {"explanation_score": 0.5},
        fake("b", response=said(), explanation=""),
        fake("c", response="REAL. The video is real."),
        real(),
    ]
    report = score(rows)
    found = report["metrics"]["explanation"]
    low, high = found.pop("ci95")
    assert found == {"value": 25.0, "n": 2, "clusters": 2, "deff": 1.0}
    assert low < 2  # of two media of which one got half
    assert 80 < high < 98
    parts = values(report)
    assert parts["overall"] == pytest.approx(
        (parts["accuracy"] + 25 + parts["bbox_iou"] + 100 - parts["time_distance"]) / 4, abs=1e-3
    )


def test_without_a_judge_overall_is_null_and_its_other_parts_stand(score):
    report = score([fake(response=said()), real()])
    assert report["metrics"]["explanation"]["value"] is None
    assert "no judge" in report["metrics"]["overall"]["reason"]
    assert report["metrics"]["overall"]["parts"] == {
        "accuracy": 100.0,
        "explanation": None,
        "bbox_iou": 100.0,
        "time_distance": 0.0,
    }


def test_answers_without_explanations_score_zero_as_published(score):
    report = score([fake(response=said(explanation="")), real()])
    assert (values(report)["explanation"], values(report)["overall"]) == (0.0, 75.0)


def test_truth_without_boxes_gives_null_with_a_reason(score):
    rows = [fake(response=said(), bbox=[], start=None), real()]
    for name in ("bbox_iou", "bbox_distance", "time_distance"):
        metric = score(rows)["metrics"][name]
        assert metric["value"] is None
        assert "no fake row" in metric["reason"]


def test_the_category_is_right_when_it_is_named_alone(score):
    explanations = ("object merging", "merging and splitting", "it looks odd")
    answers = [said(explanation=f" The reason is because {text}.") for text in explanations]
    rows = [fake(f"f{i}", response=answer, categories=["object merging"]) for i, answer in enumerate(answers)]
    assert values(score([*rows, real()]))["category_accuracy"] == pytest.approx(100 / 3, abs=1e-3)


def test_slices_by_source_category_and_split(score):
    rows = [
        fake("a", response=said(), categories=["object merging", "object splitting"]),
        fake("b", response="REAL. The video is real.", source="Pika 1.5", categories=["object merging"]),
        real(split="val"),
    ]
    slices = score(rows)["slices"]
    assert {name: part["n"] for name, part in slices["category"].items()} == {
        "object merging": 2,
        "object splitting": 1,
    }
    assert slices["category"]["object merging"]["metrics"]["accuracy"]["value"] == 50.0
    assert slices["source"]["Pika 1.5"]["metrics"]["accuracy"]["value"] == 0.0
    assert slices["split"]["val"]["metrics"]["accuracy"]["n"] == 1


def test_the_majority_answer_and_the_best_constant_box_stand_beside(score):
    rows = [fake("a", response=said()), fake("b", response=said()), real()]
    baselines = score(rows)["baselines"]
    assert baselines["majority answer"]["accuracy"]["value"] == pytest.approx(100 * 2 / 3, abs=1e-3)
    assert baselines["majority answer"]["bbox_iou"]["value"] == 0
    assert baselines["best constant box"]["bbox_iou"]["value"] == pytest.approx(100)
    assert baselines["best constant box"]["time_distance"]["value"] == 0


def test_the_best_constant_box_beats_every_true_box():
    golds = [read_gold(fake(bbox=list(box))) for box in ((0, 0, 100, 100), (20, 0, 120, 100), (10, 20, 130, 120))]
    from swift_plugins.core.boxes import iou

    def mean(box):
        return sum(iou(box, gold.bbox) for gold in golds) / 3

    assert mean(best_constant(golds).bbox) >= max(mean(gold.bbox) for gold in golds)


def test_gold_file_counts_rows_that_were_not_predicted(score, tmp_path):
    gold = tmp_path / "gold.jsonl"
    truth = [fake("a"), fake("b"), real()]
    for row in truth:
        answer = {"role": "assistant", "content": said() if row["id"] != "r1" else row["response"]}
        row["messages"] = [{"role": "user", "content": "?"}, answer]
    gold.write_text("".join(json.dumps(row) + "\n" for row in truth))
    bare = {"id": "a", "task": "deeptrace", "response": said()}
    report = score([bare], "--gold", str(gold))
    assert (report["n"], report["n_unparsed"]) == (3, 2)
    assert report["metrics"]["accuracy"]["value"] == pytest.approx(100 / 3, abs=1e-3)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([fake(), fake()], "stands in"),
        ([fake(task_version="1"), real(task_version="0")], ":2: made for deeptrace 0"),
        ([fake(), real() | {"task": "fakevlm"}], "several tasks"),
        ([fake() | {"task": "deeptrac"}], "did you mean 'deeptrace'"),
        ([{"id": "x", "task": "deeptrace", "response": "REAL"}], "--gold"),
        ([{k: v for k, v in fake().items() if k != "response"}], "is this a converter's file?"),
        ([fake() | {"meta": None}], ":1: no meta with the truth"),
        ([fake(label="real", width="x", response=said())], ":1: meta.width must be a number above 0"),
        ([fake(response=5)], ":1: response must be a text, got 5"),
        ([fake() | {"p_fake": "x"}], ":1: p_fake must be a number"),
        ([fake() | {"videos": 5}], ":1: videos must be a list of paths"),
        ([fake(bbox=[200, 0, 100, 50])], ":1: meta.bbox must be [x0, y0, x1, y1] with x0 < x1"),
        ([fake(width=-5)], "meta.width must be a number above 0, got -5"),
        ([fake(duration=0)], "meta.duration must be a number above 0"),
        ([fake(duration=None)], "meta.start needs a meta.duration"),
        ([fake(start="2")], "meta.start must be a number of at least 0, got '2'"),
        ([fake(categories=[["a"]])], "meta.categories must be a list of texts"),
        ([fake(explanation=5)], "meta.explanation must be a text"),
        ([fake() | {"explanation_score": True}], "must be 0, 0.5 or 1"),
        ([fake(response=said(), box_space="resized")], "needs meta.box_width and meta.box_height"),
        ([fake(label="edited")], "must be real or fake"),
        ([fake() | {"explanation_score": 0.7}], "must be 0, 0.5 or 1"),
    ],
)
def test_wrong_input_is_one_clear_line(tmp_path, capsys, rows, problem):
    pred = tmp_path / "out.jsonl"
    pred.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["--pred", str(pred)]) == 2
    error = capsys.readouterr().err
    assert problem in error
    assert str(pred) in error
    assert error.count("\n") == 1


def test_an_unfinished_run_is_refused_unless_gold_counts_the_rest(score, tmp_path, capsys):
    """The files list all fakes first: the part of a run that was cut off is not a random one."""
    rows = [fake("a", response=said()), fake("b", response=said()), real()]
    record = {"data": {"rows": 3}, "model": {"vision": {}, "model": "m", "adapter": None}, "versions": {}}
    (tmp_path / "out.jsonl.run.json").write_text(json.dumps(record))
    assert score(rows)["n"] == 3
    (tmp_path / "out.jsonl").write_text(json.dumps(rows[0]) + "\n")
    assert main(["--pred", str(tmp_path / "out.jsonl")]) == 2
    assert "1 of 3 rows are there" in capsys.readouterr().err
    (tmp_path / "gold.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["--pred", str(tmp_path / "out.jsonl"), "--gold", str(tmp_path / "gold.jsonl")]) == 0


def test_predictions_of_another_task_version_are_refused(tmp_path, capsys):
    (tmp_path / "out.jsonl").write_text(json.dumps(fake(response=said())) + "\n")
    record = {"tasks": {"deeptrace": "0"}, "data": {"rows": 1}, "model": {"vision": {}}, "versions": {}}
    (tmp_path / "out.jsonl.run.json").write_text(json.dumps(record))
    assert main(["--pred", str(tmp_path / "out.jsonl")]) == 2
    assert "out.jsonl.run.json: predicted for deeptrace 0" in capsys.readouterr().err


def test_messages_of_another_form_do_not_end_the_scoring(score):
    assert score([fake(response=said()) | {"messages": ["x"]}, real()])["n"] == 2


@pytest.mark.parametrize("record", ["[]", "{", '{"model": "x"}'])
def test_a_broken_record_of_the_run_is_named(tmp_path, capsys, record):
    (tmp_path / "out.jsonl").write_text(json.dumps(fake(response=said())) + "\n")
    (tmp_path / "out.jsonl.run.json").write_text(record)
    assert main(["--pred", str(tmp_path / "out.jsonl")]) == 2
    assert "out.jsonl.run.json: not" in capsys.readouterr().err


@pytest.mark.parametrize("facts", [{"box_space": "norm1000"}, {"task_version": "0"}, {"setting": "no_time"}])
def test_gold_made_otherwise_than_the_predictions_is_refused(tmp_path, capsys, facts):
    gold = {"box_space": "pixel", "task_version": "1", "setting": "full"}
    (tmp_path / "out.jsonl").write_text(json.dumps(fake(response=said(), **(gold | facts))) + "\n")
    (tmp_path / "gold.jsonl").write_text(json.dumps(fake(**gold)) + "\n")
    assert main(["--pred", str(tmp_path / "out.jsonl"), "--gold", str(tmp_path / "gold.jsonl")]) == 2
    assert f"out.jsonl:1: predicted with {next(iter(facts))}" in capsys.readouterr().err


def test_a_gold_file_in_source_pixels_leaves_a_prediction_its_own_space(tmp_path, capsys):
    own = {"box_space": "norm1000", "box_width": 1000, "box_height": 1000}
    answer = fake(response=said("[250, 250, 500, 750]"), **own)
    (tmp_path / "out.jsonl").write_text(json.dumps(answer) + "\n")
    (tmp_path / "gold.jsonl").write_text(json.dumps(fake()) + "\n")
    assert main(["--pred", str(tmp_path / "out.jsonl"), "--gold", str(tmp_path / "gold.jsonl"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["bbox_iou"]["value"] == pytest.approx(100)


def test_answers_to_the_zero_shot_question_are_read_by_its_tags(score):
    from swift_plugins.core.tasks.deeptrace_zero_shot import ZERO_SHOT_QUESTION

    asked = {"messages": [{"role": "user", "content": ZERO_SHOT_QUESTION}]}
    answer = "FAKE <coordinates>[100, 50, 200, 150]</coordinates> <start_time>2</start_time>"
    report = score([fake(response=answer) | asked, real(response="REAL") | asked])
    assert report["policy"]["grammar"] == "tags"
    assert values(report)["bbox_iou"] == 100


def test_baselines_have_names_of_their_own(tmp_path, capsys):
    pred = tmp_path / "out.jsonl"
    pred.write_text(json.dumps(fake(response=said())) + "\n")
    assert main(["--pred", str(pred), "--baseline", f"majority answer={pred}"]) == 2
    assert "choose another name" in capsys.readouterr().err


def test_where_all_agree_the_interval_is_not_a_point(score):
    rows = [fake(f"f{i}", response=said()) for i in range(50)] + [real(f"r{i}") for i in range(50)]
    low, high = score(rows)["metrics"]["accuracy"]["ci95"]
    assert low == pytest.approx(100 * 0.025 ** (1 / 100), abs=1e-3)  # Clopper and Pearson for 100 of 100
    assert high == 100


def test_grammars_are_chosen_explicitly_and_auto_tells_which(score):
    tags = "FAKE <coordinates>[100, 50, 200, 150]</coordinates> <start_time>2</start_time>"
    rows = [fake(response=tags), real(response='{"label": "REAL"}')]
    assert score(rows)["n_unparsed"] == 1  # a JSON object is no trained answer; FAKE alone is a verdict
    report = score(rows, "--grammar", "auto")
    assert report["grammars"] == {"tags": 1, "json": 1}
    assert values(report)["bbox_iou"] == 100


def test_a_grammar_that_the_task_has_not_is_refused(tmp_path, capsys):
    (tmp_path / "out.jsonl").write_text(json.dumps(fake(response=said())) + "\n")
    assert main(["--pred", str(tmp_path / "out.jsonl"), "--grammar", "tag"]) == 2
    error = capsys.readouterr().err
    assert "unknown grammar of deeptrace 'tag'; did you mean 'tags'? Available: trained, tags, json, auto" in error


def test_another_file_is_compared_with_metric_by_metric(score, tmp_path):
    """Of 5 rows this run has 4 right and the other 1, which this one has right too: 3 to 0, p = 2 / 2 ** 3."""
    rows = [fake(f"f{i}", response=said() if i < 4 else "REAL.") for i in range(5)]
    other = [fake(f"f{i}", response=said() if i < 1 else "REAL.") for i in range(5)]
    (tmp_path / "other.jsonl").write_text("".join(json.dumps(row) + "\n" for row in other))
    found = score(rows, "--baseline", f"other={tmp_path / 'other.jsonl'}")["comparisons"]["other"]
    assert found["metrics"]["accuracy"]["value"] == 60
    assert found["metrics"]["real_accuracy"]["value"] is None
    assert found["accuracy"] == {"n": 5, "only_this": 3, "only_other": 0}
    assert found["metrics"]["accuracy"]["p_value"] == found["metrics"]["bbox_iou"]["p_value"] == 0.25


@pytest.mark.parametrize("name", ["deeptrace_test.csv", "deeptrace_val.csv"])
def test_overall_of_the_published_rows_follows_from_their_parts(name):
    rows = list(csv.DictReader(open(PUBLISHED / name, encoding="utf-8")))
    assert len(rows) == 21
    for row in rows:
        parts = [float(row[key]) for key in ("accuracy", "explanation", "bbox_iou", "time_distance")]
        assert overall_of(*parts) == pytest.approx(float(row["overall"]), abs=0.0751), row["model"]


@pytest.mark.parametrize(
    ("name", "fakes", "reals"), [("deeptrace_test.csv", 440, 332), ("deeptrace_val.csv", 434, 332)]
)
def test_published_accuracy_is_fake_and_real_accuracy_weighted_by_rows(name, fakes, reals):
    for row in csv.DictReader(open(PUBLISHED / name, encoding="utf-8")):
        accuracy = (fakes * float(row["fake_accuracy"]) + reals * float(row["real_accuracy"])) / (fakes + reals)
        # One row of the validation table repeats that of the test table, 440 fakes and all: it is 0.11 off.
        repeated = (name, row["model"]) == ("deeptrace_val.csv", "Gemini 2.5 Pro")
        assert accuracy == pytest.approx(float(row["accuracy"]), abs=0.12 if repeated else 0.1), row["model"]


def test_a_published_row_is_reproduced_from_predictions(score):
    """GPT 4.1 on the test set: 392 of 440 fakes and 325 of 332 reals right."""
    rows = [fake(f"f{i}", response="FAKE." if i < 392 else "REAL.") for i in range(440)]
    rows += [real(f"r{i}", response="REAL." if i < 325 else "FAKE.") for i in range(332)]
    found = values(score(rows))
    assert [round(found[name], 1) for name in ("accuracy", "fake_accuracy", "real_accuracy")] == [92.9, 89.1, 97.9]


# ------------------------------------------------------------------------------- real outputs, where they are present

OUTPUTS = ROOT.parent / "shared" / "data" / "deeptrace_outputs"
needs_outputs = pytest.mark.skipif(not OUTPUTS.is_dir(), reason="the real model outputs are not present")


def real_rows(name):
    """The published outputs as rows; a fake clip's id is a 25-character cuid, a real one's names its source."""
    for line in open(OUTPUTS / name, encoding="utf-8"):
        found = json.loads(line)
        label = "fake" if found["video_id"].startswith("cm") else "real"
        meta = {"media_id": found["video_id"], "label": label, "split": "test", "source": "unknown"}
        yield found, {"id": found["video_id"], "task": "deeptrace", "meta": meta, "response": found["raw_output"]}


@needs_outputs
@pytest.mark.parametrize("name", ["qwen2.5-vl-3b-v2-test.jsonl", "smolvlm2-500m-test.jsonl"])
def test_real_outputs_get_an_answer_or_a_reason(score, name):
    pairs = list(real_rows(name))
    report = score([row for _, row in pairs], "--grammar", "json")
    assert report["n"] == len(pairs)
    assert report["n_unparsed"] == sum(report["unparsed_reasons"].values())
    assert report["metrics"]["bbox_iou"]["value"] is None
    assert not math.isnan(report["metrics"]["accuracy"]["value"])


@needs_outputs
@pytest.mark.parametrize(
    ("name", "agreeing", "reasons"),
    [
        ("qwen2.5-vl-3b-v2-test.jsonl", {"REAL": 396, "FAKE": 265}, {"no JSON object": 3}),
        (
            "smolvlm2-500m-test.jsonl",
            {},
            {"no JSON object": 616, "the label is neither REAL nor FAKE": 47, "broken JSON": 1},
        ),
    ],
)
def test_verdicts_of_real_outputs_equal_the_files_labels_or_have_a_reason(name, agreeing, reasons):
    """The one file holds JSON but for three runs of exclamation marks. The other holds plain text ("False.", which the
    file calls REAL), the question's own words ("REAL or FAKE") and JSON with just that as its label: no verdicts."""
    from swift_plugins.core.tasks.deeptrace_zero_shot import parse_json

    found, why = Counter(), Counter()
    for published, row in real_rows(name):
        parsed = parse_json(row["response"])
        if parsed.answer is None:
            why[parsed.reason.split(":")[0]] += 1
        else:
            assert parsed.answer.verdict.upper() == published["predicted_label"]
            found[published["predicted_label"]] += 1
    assert (found, why) == (agreeing, reasons)
