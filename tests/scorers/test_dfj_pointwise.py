"""Scores of DeepfakeJudge's pointwise judges, against values worked out by hand and against the libraries."""

import numpy as np
import pytest

from eval.scorers import dfj_pointwise
from tests.scoring import check_influences, check_swaps, dfj_row, refusal, score_rows, table_of, values, write_rows


def judged(row_id, true, answered, probs=None, **meta):
    response = f"<reasoning>It melts.</reasoning>\n<score>{answered}</score>" if answered else "Good."
    facts = {"score": true, "ratings": [], "candidate": [14, 30]} | meta
    return dfj_row("dfj_pointwise", row_id, response, probs, **facts)


def sure_of(score):
    return {str(k): float(k == score) for k in range(1, 6)}


def test_metrics_by_hand(tmp_path):
    """Errors 0 0 1 -2, as worked out in the tests of the metrics."""
    report = score_rows(tmp_path, [judged(f"r{i}", i, a) for i, a in zip((1, 2, 3, 4), (1, 2, 4, 2), strict=True)])
    found = values(report)
    assert tuple(found) == tuple(dfj_pointwise.METRICS)
    assert (found["mse"], found["mae"], found["bias"]) == (1.25, 0.75, -0.25)
    assert (found["within_one"], found["raw_agreement"]) == (75.0, 50.0)
    assert found["cohen_kappa"] == pytest.approx(1 / 3, abs=1e-4)
    assert report["metrics"]["rmse_expected"]["reason"] == "4 rows have no probabilities of the scores (choice_probs)"
    assert report["confusion"]["3"] == {"4": 1}


@pytest.mark.parametrize(("true", "farthest"), [(1, 5), (2, 5), (3, 1), (4, 1), (5, 1)])
def test_unparsed_counts_as_the_farthest_score(tmp_path, true, farthest):
    report = score_rows(tmp_path, [judged("a", true, None), judged("b", true, true)])
    assert report["n_unparsed"] == 1
    assert values(report)["mse"] == (farthest - true) ** 2 / 2
    assert report["confusion"][str(true)] == {"unparsed": 1, str(true): 1}
    assert report["policy"]["unparsed"].startswith("the score farthest")


def test_the_expected_score_stands_beside_the_written_one(tmp_path):
    """Expected 1.5 and 4, of true 2 and 4: RMSE sqrt(0.125); probabilities are made to add up to 1."""
    rows = [judged("a", 2, 1, {"1": 0.4, "2": 0.4, "3": 0, "4": 0, "5": 0}), judged("b", 4, 4, sure_of(4))]
    found = values(score_rows(tmp_path, rows))
    assert found["rmse_expected"] == pytest.approx(0.125**0.5, abs=1e-4)
    assert found["pearson_expected"] == 1.0


def test_variances_and_exchanges_are_those_of_the_rows_that_are_left_or_exchanged():
    rng, scorer = np.random.default_rng(2), dfj_pointwise.Pointwise()
    cases, others = (
        [
            scorer.read_case(
                judged(f"r{i}", true, int(rng.integers(1, 6)), dict(zip("12345", rng.random(5), strict=True))),
                "trained",
            )
            for i, true in enumerate([1, 2, 3, 4, 5] * 12)
        ]
        for _ in range(2)
    )
    names = [f"m{i // 3}" for i in range(60)]
    check_influences(scorer, cases, names)
    check_swaps(scorer, cases, others, names)


def test_the_best_constant_score_stands_beside(tmp_path):
    rows = [judged(f"r{i}", true, true, sure_of(true)) for i, true in enumerate((1, 4, 5, 4))]
    baseline = score_rows(tmp_path, rows)["baselines"]["best constant score"]
    assert baseline["mse"]["value"] == (4 + 1 + 4 + 1) / 4  # 3 beats 4, which has (9 + 0 + 1 + 0) / 4, by being first
    assert baseline["pearson"]["reason"] == "undefined for a constant answer"
    assert baseline["qwk"]["value"] == 0
    assert baseline["rmse_expected"]["value"] is None


def test_slices_show_the_bias_of_each_true_score(tmp_path):
    rows = [judged("a", 1, 3), judged("b", 1, 1), judged("c", 5, 4, label="real", source="OpenImages-V7")]
    slices = score_rows(tmp_path, rows)["slices"]
    assert {name: part["metrics"]["bias"]["value"] for name, part in slices["true score"].items()} == {"1": 1, "5": -1}
    assert slices["true score"]["1"]["metrics"]["within_one"]["value"] == 50
    assert set(slices) == {"true score", "label", "source", "split"}
    assert slices["label"]["real"]["n"] == 1


def test_people_are_compared_with_each_other(tmp_path):
    people = ([3, 3], [4, 5, 1], [2, 2], [5])
    rows = [judged(f"r{i}", 3, 3, ratings=given) for i, given in enumerate(people)]
    found = score_rows(tmp_path, rows)["human"]
    assert (found["n"], found["mse"]["value"]) == (3, pytest.approx(1 / 3, abs=1e-4))
    assert found["raw_agreement"]["value"] == pytest.approx(200 / 3, abs=1e-4)
    assert "two people on the same row (3 rows, 3 clusters)" in table_of(tmp_path, rows)
    assert "human" not in score_rows(tmp_path, [judged("a", 3, 3)])


@pytest.mark.parametrize(("split", "best"), [("test", "0.61"), ("human", "0.50")])
def test_the_published_rows_are_those_of_the_split(tmp_path, split, best):
    rows = score_rows(tmp_path, [judged("a", 3, 3, split=split)])["published"]["rows"]
    assert rows[-1] == {
        "set": "meta-human" if split == "human" else "meta",
        "model": "DeepfakeJudge-7B",
        "rmse": best,
        "pearson": "0.95" if split == "human" else "0.93",
    }


def test_another_judge_is_compared_without_a_test_of_accuracy(tmp_path):
    rows = [judged(f"r{i}", 1 + i % 5, 1 + i % 5) for i in range(20)]
    worse = write_rows(tmp_path / "worse.jsonl", [judged(f"r{i}", 1 + i % 5, 1 + (i + i % 2) % 5) for i in range(20)])
    found = score_rows(tmp_path, rows, "--baseline", f"worse={worse}")["comparisons"]["worse"]
    low, high = found["metrics"]["raw_agreement"]["ci95"]
    assert found["metrics"]["raw_agreement"]["value"] == 50
    assert 0 < low < 50 < high < 100
    assert found["metrics"]["raw_agreement"]["p_value"] < 0.01
    assert "accuracy" not in found


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (judged("a", 6, 3), ":1: meta.score must be a whole number of 1..5, got 6"),
        (judged("a", True, 3), ":1: meta.score must be a whole number of 1..5, got True"),
        (judged("a", 3, 3, label="forged"), ":1: meta.label must be one of real, fake, edited, got 'forged'"),
        (judged("a", 3, 3, ratings=[6]), ":1: meta.ratings must be a list of 1, 2, 3, 4, 5"),
        (judged("a", 3, 3, candidate=[1]), ":1: meta.candidate must be [start, end]"),
        (judged("a", 3, 3, sure_of(3) | {"2": 1.5}), ":1: choice_probs: 2 must be a number of 0..1, got 1.5"),
        (judged("a", 3, 3, {"1": 1.0}), ":1: choice_probs must name 1, 2, 3, 4, 5"),
        (judged("a", 3, 3, sure_of(7)), ":1: choice_probs: they must be numbers that are not all 0"),
        (judged("a", 3, 3) | {"choice_probs": [1]}, ":1: choice_probs must be an object"),
    ],
)
def test_wrong_rows_are_refused_with_file_and_line(tmp_path, capsys, row, problem):
    error = refusal(tmp_path, capsys, [row])
    assert problem in error
    assert str(tmp_path) in error


def test_a_comparison_with_a_perfect_file_has_its_intervals(tmp_path):
    """The perfect judge's own values do not vary, but the difference to another does."""
    truth = [1, 2, 3, 4, 5] * 8
    perfect = [judged(f"r{i}", score, score) for i, score in enumerate(truth)]
    other = [judged(f"r{i}", score, max(1, score - (i % 3 == 0))) for i, score in enumerate(truth)]
    write_rows(tmp_path / "perfect.jsonl", perfect)
    report = score_rows(tmp_path, other, "--baseline", f"perfect={tmp_path / 'perfect.jsonl'}")
    assert report["baselines"]["perfect"]["rmse"]["ci95"] is None
    for name in ("rmse", "mae", "qwk", "pearson"):
        low, high = report["comparisons"]["perfect"]["metrics"][name]["ci95"]
        assert low < high


def test_an_unparsed_answer_earns_nothing_by_its_probabilities(tmp_path):
    sure = {str(k): float(k == 4) for k in range(1, 6)}
    rows = [judged("a", 4, 4), judged("b", 2, 2)]
    rows += [judged("c", 4, 4) | {"response": "<score>4</score><score>5</score>"}]
    rows = [row | {"choice_probs": sure} for row in rows]
    assert values(score_rows(tmp_path, rows))["rmse_expected"] == pytest.approx(((0 + 4 + 9) / 3) ** 0.5, abs=1e-4)
