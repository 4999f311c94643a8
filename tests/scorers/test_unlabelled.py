"""Rows without a truth: their answers are counted, and nothing is called right or wrong."""

from __future__ import annotations

import pytest

from tests.scorers.test_deeptrace import fake, real, said
from tests.scorers.test_dfj_detect import verdict
from tests.scorers.test_dfj_pairwise import both
from tests.scorers.test_dfj_pointwise import judged, sure_of
from tests.scorers.test_fakevlm import answered
from tests.scorers.test_loki import BY_HAND, chosen, explained
from tests.scoring import refusal, score_rows, shown_case, table_of, values

SIZE = ("width", "height", "duration", "box_space")


def bare(row, *kept):
    """The row as it is where nothing is known of its medium."""
    return row | {"meta": {key: row["meta"][key] for key in kept if key in row["meta"]}, "labels": None}


def test_the_answers_are_counted(tmp_path):
    rows = [
        bare(verdict(f"r{i}", "real", said_, p), "source")
        for i, (said_, p) in enumerate([("fake", 0.9), ("edited", 0.8)])
    ]
    rows += [bare(verdict("r2", "real", "real", 0.1), "source"), bare(verdict("r3", "fake", None, 0.6), "source")]
    report = score_rows(tmp_path, rows)
    assert values(report) == {
        "real_rate": 25.0,
        "fake_rate": 25.0,
        "edited_rate": 25.0,
        "unparsed_rate": 25.0,
        "mean_p_fake": 0.6,
    }
    assert report["confusion"] == {"not known": {"fake": 1, "edited": 1, "real": 1, "unparsed": 1}}
    assert report["metrics"]["real_rate"]["ci95"][1] > 50
    assert report["baselines"] == {}
    assert any("no row states a truth" in remark for remark in report["remarks"])
    said_ = table_of(tmp_path, rows)
    assert "accuracy" not in said_
    assert "unparsed 1: " in said_


def test_the_page_shows_answers_boxes_and_onsets_and_calls_none_right(tmp_path):
    rows = [bare(fake(response=said()), *SIZE), bare(real(), *SIZE), bare(fake("f2", said()))]
    score_rows(tmp_path, rows, "--out", tmp_path / "report")
    case = shown_case(tmp_path / "report", "f1")
    assert (case["right"], case["truth"], case["verdict"]) == (None, "not known", "answered fake")
    assert case["boxes"] == [["pred", 25.0, 25.0, 25.0, 50.0]]
    assert case["onsets"] == {"pred": 2.0}
    assert shown_case(tmp_path / "report", "f2")["boxes"] == []  # on a frame of which the size is not known


@pytest.mark.parametrize(
    ("rows", "answer"),
    [
        ([judged("a", 5, 2, sure_of(2))], "2"),
        (both("p", "A", "A", "A"), "A"),
        ([answered("a", "fake", "This is a fake image.")], "fake"),
        ([row for row in BY_HAND if row["response"] == "Yes"][:1], "yes"),
        ([chosen("a", "fake", "A", "B")], "B"),
        ([explained("a", "odd", "odd")], "explained"),
    ],
    ids=["pointwise", "pairwise", "fakevlm", "loki_tf", "loki_mc", "loki_open"],
)
def test_every_task_counts_its_own_answers(tmp_path, rows, answer):
    report = score_rows(tmp_path, [bare(row) for row in rows], "--out", tmp_path / "report")
    assert report["metrics"][f"{answer}_rate"]["value"] == 100
    assert answer in (tmp_path / "report" / "cases.csv").read_text()


def test_rows_of_which_only_some_are_labelled_are_refused(tmp_path, capsys):
    rows = [verdict("a", "fake", "fake"), bare(verdict("b", "fake", "fake"))]
    assert "out.jsonl:2: meta.label must be one of" in refusal(tmp_path, capsys, rows)
