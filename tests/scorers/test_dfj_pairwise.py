"""Scores of DeepfakeJudge's pairwise judges, in one order and in both, against values worked out by hand."""

import pytest

from tests.scoring import dfj_row, refusal, score_rows, values, write_rows

OTHER = {"A": "B", "B": "A"}


def compared(name, true, answered, order="AB", **meta):
    """One row; `true` and `answered` are as this order names the candidates."""
    response = f"<answer>{answered}</answer>" if answered else "Both."
    facts = {
        "media_id": name,
        "answer": true,
        "ratings": [],
        "response_a": [14, 22],
        "response_b": [24, 34],
        "pair": name,
        "order": order,
    }
    return dfj_row("dfj_pairwise", f"{name}/{order}", response, **(facts | meta))


def both(pair, true, in_ab, in_ba):
    """A pair in both orders; the answers are as each order names the candidates."""
    return [compared(pair, true, in_ab), compared(pair, OTHER[true], in_ba, "BA")]


def test_both_orders_by_hand(tmp_path):
    rows = [
        *both("right twice", "A", "A", "B"),
        *both("always A", "B", "A", "A"),
        *both("wrong twice", "B", "A", "B"),
        *both("half parsed", "A", "A", None),
    ]
    report = score_rows(tmp_path, rows)
    assert values(report) == {
        "accuracy": 50.0,  # right twice, half parsed
        "accuracy_swapped": 50.0,  # right twice, always A
        "consistency": 50.0,  # right twice, wrong twice
        "consistent_accuracy": 50.0,  # right twice
        "first_position_rate": pytest.approx(500 / 7, abs=1e-4),  # A in 5 of 7 parsed answers
        "cohen_kappa": 0.0,
    }
    assert report["metrics"]["consistency"]["n"] == 4
    assert report["confusion"]["B (order BA)"] == {"B": 1, "unparsed": 1}


def test_with_one_order_what_needs_both_is_null(tmp_path):
    report = score_rows(tmp_path, [compared("p", "A", "A"), compared("q", "B", "A"), compared("r", "B", None)])
    found = values(report)
    assert found["accuracy"] == pytest.approx(100 / 3, abs=1e-4)
    for name in ("accuracy_swapped", "consistency", "consistent_accuracy", "first_position_rate"):
        assert report["metrics"][name]["reason"] == "only one order was run: predict with --swap"
    assert report["n_unparsed"] == 1


def test_always_a_prefers_a_place_and_no_candidate(tmp_path):
    baseline = score_rows(tmp_path, [*both("p", "A", "A", "B"), *both("q", "A", "A", "B")])["baselines"]["always A"]
    assert {name: found["value"] for name, found in baseline.items()} == {
        "accuracy": 100,
        "accuracy_swapped": 0,
        "consistency": 0,
        "consistent_accuracy": None,
        "first_position_rate": 100,
        "cohen_kappa": None,
    }
    assert baseline["consistent_accuracy"]["reason"] == "no pair is consistent"


def test_kappa_is_scikit_learns(tmp_path):
    from sklearn.metrics import cohen_kappa_score

    true, said = "ABABABBA", "ABBBAABA"
    rows = [compared(f"p{i}", t, s) for i, (t, s) in enumerate(zip(true, said, strict=True))]
    assert values(score_rows(tmp_path, rows))["cohen_kappa"] == pytest.approx(
        cohen_kappa_score(list(true), list(said)), abs=1e-4
    )


def test_only_the_published_order_counts_in_what_one_alone_has_right(tmp_path):
    rows = [row for i in range(6) for row in both(f"p{i}", "A", "A", "B")]
    other = [row for i in range(6) for row in both(f"p{i}", "A", "A" if i < 2 else "B", "A")]
    path = write_rows(tmp_path / "other.jsonl", other)
    found = score_rows(tmp_path, rows, "--baseline", f"other={path}")["comparisons"]["other"]
    assert found["accuracy"] == {"n": 6, "only_this": 4, "only_other": 0}
    assert found["metrics"]["accuracy"]["p_value"] == 0.125
    assert found["metrics"]["accuracy"]["value"] == pytest.approx(400 / 6, abs=1e-4)
    assert found["metrics"]["accuracy_swapped"]["value"] == 100


def test_people_are_compared_with_each_other_once_a_pair(tmp_path):
    given = (["A", "A"], ["A", "B"], ["B", "B"], ["B", "B"])
    rows = [compared(f"p{i}", "A", "A", ratings=people) for i, people in enumerate(given)]
    rows += [compared(f"p{i}", "B", "B", "BA", ratings=people) for i, people in enumerate(given)]
    found = score_rows(tmp_path, rows)["human"]
    assert (found["n"], found["raw_agreement"]["value"], found["cohen_kappa"]["value"]) == (4, 75.0, 0.5)


@pytest.mark.parametrize(("split", "best"), [("test", "96.2"), ("human", "98.9")])
def test_the_published_rows_are_those_of_the_split(tmp_path, split, best):
    rows = score_rows(tmp_path, [compared("p", "A", "A", split=split)])["published"]["rows"]
    assert (len(rows), rows[-1]["accuracy"]) == (5, best)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([compared("p", "C", "A")], ":1: meta.answer must be A or B, got 'C'"),
        ([compared("p", "A", "A", "AA")], ":1: meta.order must be AB or BA, got 'AA'"),
        ([compared("p", "A", "A", pair=5)], ":1: meta.pair must be a text, got 5"),
        ([compared("p", "A", "A", ratings=["C"])], ":1: meta.ratings must be a list of A, B"),
        ([compared("p", "A", "A", response_b=[-1, 2])], ":1: meta.response_b must be [start, end]"),
        ([compared("p", "A", "A") | {"choice_probs": {"A": -1, "B": 1}}], ":1: choice_probs: A must be a number"),
        ([compared("p", "A", "A"), compared("p", "A", "A", "BA")], "must be one pair in two orders"),
        ([compared("p", "A", "A"), compared("q", "A", "A", pair="p")], "are both order AB of pair 'p'"),
    ],
)
def test_wrong_rows_are_refused(tmp_path, capsys, rows, problem):
    assert problem in refusal(tmp_path, capsys, rows)


def test_a_converters_file_knows_no_swapped_rows(tmp_path, capsys):
    rows = both("p", "A", "A", "B")
    gold = write_rows(tmp_path / "gold.jsonl", rows[:1])
    assert "leave out --gold" in refusal(tmp_path, capsys, rows, "--gold", gold)
