"""How well two judged files agree, through the command line, against values by hand."""

import json

import pytest

from eval import agree
from tests.scoring import write_rows


def judged(scores, key="explanation_score", **more):
    return [
        {"id": f"r{i}", "meta": {"media_id": f"m{i // 2}"}, "response": "x", key: score, **more}
        for i, score in enumerate(scores)
    ]


@pytest.fixture
def compare(tmp_path, capsys):
    def run(first, second, *flags):
        paths = [str(write_rows(tmp_path / f"{i}.jsonl", rows)) for i, rows in enumerate((first, second))]
        code = agree.main([*paths, *flags])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


FIRST, SECOND = [0, 0.5, 1, 1, None, 1, None], [0, 1, 1, 0, 1, None, None]


def test_agreement_by_hand(compare):
    """Both have scored four rows: 0 0, 0.5 1, 1 1 and 1 0."""
    report = json.loads(compare(judged(FIRST), judged(SECOND), "--json")[1])
    assert (report["n"], report["left_out"]) == (4, {"first_alone": 1, "second_alone": 1, "neither": 1})
    found = {name: metric["value"] for name, metric in report["metrics"].items()}
    assert found["raw_agreement"] == 50
    # By chance 0-0 and 1-1: 1/4 * 2/4 + 2/4 * 2/4 = 3/8 agree.
    assert found["cohen_kappa"] == pytest.approx((1 / 2 - 3 / 8) / (1 - 3 / 8), abs=1e-4)
    # Mean square apart (0 + 0.25 + 0 + 1) / 4; of all 16 pairs (2 * 2 from 0 to 1 and back, 4 * 1, 0.5: 4 * 0.25) / 16.
    assert found["qwk"] == pytest.approx(1 - (1.25 / 4) / ((2 + 4 + 1) / 16), abs=1e-4)
    # Observed 1.25 / 4; of the 8 ratings 0 0 0 .5 1 1 1 1: (8 * 4.25 - 4.5 ** 2) * 2 / (8 * 7).
    assert found["alpha"] == pytest.approx(1 - (1.25 / 4) / (2 * (8 * 4.25 - 4.5**2) / 56), abs=1e-4)
    assert report["metrics"]["qwk"]["clusters"] == 2


def test_the_table_names_every_measure_and_what_is_left_out(compare):
    code, out, _ = compare(judged(FIRST), judged(SECOND))
    assert code == 0
    assert out.startswith("4 rows that both have scored (explanation_score); left out: 1 of the first alone")
    assert [line.split()[0] for line in out.splitlines()[1:]] == [*agree.NAMES, "alpha"]


def test_a_judge_agrees_with_itself(compare):
    report = json.loads(compare(judged(FIRST), judged(FIRST), "--json")[1])
    assert [report["metrics"][name]["value"] for name in ("raw_agreement", "qwk", "alpha")] == [100, 1, 1]


def test_scores_of_two_scales_are_compared_by_their_ranks_alone(compare):
    report = json.loads(compare(judged([0, 0.5, 1]), judged([2, 3, 5], "judge_score"), "--json")[1])
    assert {name: metric["value"] for name, metric in report["metrics"].items()} == {"spearman": 1}
    assert report["scores"] == ["explanation_score", "judge_score"]


@pytest.mark.parametrize(
    ("second", "flags", "problem"),
    [
        (judged([None, None]), [], "no row has a judge's score (explanation_score or judge_score)"),
        (judged([0, 1], judge_score=3), [], "rows have explanation_score and judge_score: name one by --field"),
        (judged([0, 1]), ["--field", "judge_score"], "no row has a judge_score"),
        (judged([0, 0.7]), [], "explanation_score must be one of (0, 0.5, 1), got 0.7"),
        ([row | {"id": f"other {row['id']}"} for row in judged([0, 1])], [], "no row that both files have a score of"),
    ],
)
def test_what_cannot_be_compared_is_one_clear_line(compare, second, flags, problem):
    code, out, err = compare(judged([0, 1], judge_score=4) if flags else judged([0, 1]), second, *flags)
    assert (code, out) == (2, "")
    assert problem in err
