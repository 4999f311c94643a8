"""Scores of rationales on DeepfakeJudge's images, against values worked out by hand and against sacrebleu."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.encoders.bertscore import ENCODERS
from eval.scorers import bleu as bleu_module
from eval.scorers import dfj_reason
from eval.scorers.bleu import bleu, parts
from eval.scorers.rows import read_cases
from tests.scoring import check_influences, check_swaps, dfj_row, refusal, score_rows, values

GOLD = "the cup melts into the table"


def reasoned(row_id, rationale=GOLD, gold=GOLD, judge_score=None, answered="fake", **meta):
    frame = f"<reasoning>{rationale}</reasoning> " if rationale else ""
    row = dfj_row("dfj_reason", row_id, f"{frame}<answer>{answered}</answer>", reasoning=gold, regions="[]", **meta)
    return row | {"p_fake": 0.9, "judge_score": judge_score}


def test_a_perfect_run(tmp_path):
    rows = [reasoned(name, judge_score=5) | {"explanation_score": 1} for name in "ab"]
    report = score_rows(tmp_path, rows)
    found = values(report)
    assert tuple(found) == tuple(dfj_reason.METRICS)
    assert (found["accuracy"], found["bleu_3"], found["rouge_l"], found["judge_score"]) == (100, 1, 100, 5)
    assert report["metrics"]["bertscore"]["reason"] == "not asked for: score with --bertscore"
    assert "max_ngram_order:3" in report["policy"]["bleu_signature"]
    assert report["versions"]["sacrebleu"]


def test_bleu_3_by_hand(tmp_path):
    """Of "a b c d x": 4 of 5 words, 3 of 4 pairs and 2 of 3 triples are in "a b c d y"; the lengths are equal."""
    found = values(score_rows(tmp_path, [reasoned("a", "a b c d x", "a b c d y")]))
    assert found["bleu_3"] == pytest.approx((4 / 5 * 3 / 4 * 2 / 3) ** (1 / 3), abs=1e-4)


some = st.text("ab .,1-&;\n{", max_size=12)
texts = st.lists(st.tuples(some, some), min_size=1, max_size=8)


@given(texts)
def test_bleu_of_summed_parts_is_sacrebleus_of_the_corpus(pairs):
    from sacrebleu.metrics import BLEU

    hypotheses, references = zip(*pairs, strict=True)
    whole = BLEU(max_ngram_order=3).corpus_score(list(hypotheses), [list(references)]).score / 100
    each = parts(pairs)
    assert bleu(each.sum(0).astype(float)) == pytest.approx(whole)


words = ("a", "b", "a.b", "1,", "2.5", "x-y", "-\n", "<skipped>", "&amp;", "é", "“q”", "\x1c")
gaps = st.sampled_from(["", " ", "\n", "  \u3000"])
any_text = st.one_of(st.text(), st.builds(str.join, gaps, st.lists(st.sampled_from(words))))


@given(st.lists(st.tuples(any_text, any_text), max_size=8), st.integers(1, 9), st.integers(3, 62))
def test_n_grams_of_many_texts_at_once_are_sacrebleus_of_each(pairs, block, bits):
    """However the texts are divided into blocks, also where their words' numbers are too long for one."""
    from sacrebleu.metrics import BLEU

    metric = BLEU(max_ngram_order=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bleu_module, "_BLOCK", block)
        patch.setattr(bleu_module, "_BITS", bits)
        found = parts(pairs).tolist()
    for (hypothesis, reference), (*counts, said, true) in zip(pairs, found, strict=True):
        expected = metric.corpus_score([hypothesis], [[reference]])
        assert (counts, said, true) == ([*expected.counts, *expected.totals], expected.sys_len, expected.ref_len)


def test_variances_and_exchanges_are_those_of_the_rows_that_are_left_or_exchanged():
    rng, scorer, words = np.random.default_rng(0), dfj_reason.Reason(), GOLD.split()
    golds = [" ".join(rng.choice(words, 7)) for _ in range(30)]
    cases, others = (
        read_cases(
            scorer,
            [
                ("", reasoned(f"r{i}", " ".join(rng.choice(words, 6)), gold, int(rng.integers(1, 6))))
                for i, gold in enumerate(golds)
            ],
            "trained",
        )
        for _ in range(2)
    )
    names = [f"m{i // 3}" for i in range(30)]
    check_influences(scorer, cases, names)
    check_swaps(scorer, cases, others, names)


def test_a_missing_rationale_is_empty_and_has_the_lowest_score(tmp_path):
    rows = [reasoned("a", judge_score=4), reasoned("b", None), reasoned("c", judge_score=None)]
    rows.append(reasoned("d", judge_score=5) | {"response": "It is odd."})
    report = score_rows(tmp_path, rows)
    assert report["metrics"]["judge_score"]["value"] == 7 / 4  # 4, and 1 three times: the judge has no answer to c
    assert report["metrics"]["judge_score"]["n"] == 4
    assert "judge_score: the judge has no answer to 1 of 4 rows, which count as 1" in report["remarks"]
    assert values(report)["rouge_l"] == 50
    assert values(report)["accuracy"] == 75


def test_without_a_judge_the_reason_says_how_to_get_one(tmp_path):
    report = score_rows(tmp_path, [reasoned("a"), reasoned("b", None)])
    assert report["metrics"]["judge_score"]["value"] is None
    assert report["metrics"]["judge_score"]["reason"] == "no judge's scores: run eval/judge.py --data on this file"
    assert report["baselines"]["majority verdict"]["judge_score"]["value"] == 1


def test_rows_without_a_written_rationale_are_left_out(tmp_path):
    report = score_rows(tmp_path, [reasoned("a"), reasoned("b", gold="")])
    assert (report["metrics"]["bleu_3"]["n"], report["metrics"]["rouge_l"]["value"]) == (1, 100)
    report = score_rows(tmp_path, [reasoned("a", gold="")])
    assert report["metrics"]["bleu_3"]["reason"] == "no row with a written rationale"


def test_the_published_columns_stand_beside(tmp_path):
    published = score_rows(tmp_path, [reasoned("a")])["published"]
    assert published["rows"][0] == {
        "model": "Gemini-2.5-Flash",
        "bleu_3": "0.02",
        "bertscore": "0.60",
        "judge_score": "3.17",
    }


def test_which_encoders_the_published_bertscore_can_be_of_stands_beside_it(tmp_path):
    """All of it lies below what unlike texts have by the usual encoder, and most above what they have by the others."""
    published = score_rows(tmp_path, [reasoned("a")])["published"]
    values = sorted(float(row["bertscore"]) for row in published["rows"])
    (usual, (layer, unlike)), *others = ENCODERS.items()
    assert values[-1] < unlike
    assert f"cannot be {usual}, layer {layer}" in published["title"]
    for name, (layer, unlike) in others:
        assert values[1] > unlike
        assert f"--bertscore {name} (layer {layer}, {unlike})" in published["title"]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (reasoned("a", judge_score=6), ":1: judge_score must be a number of 1..5, got 6"),
        (reasoned("a", judge_score="5"), ":1: judge_score must be a number of 1..5, got '5'"),
        (reasoned("a", gold=None), ":1: meta.reasoning must be a text, got None"),
    ],
)
def test_wrong_rows_are_refused_with_file_and_line(tmp_path, capsys, row, problem):
    assert problem in refusal(tmp_path, capsys, [row])


def test_bertscore_needs_a_layer_a_task_and_its_library(tmp_path, capsys, monkeypatch):
    assert "--bertscore-layer" in refusal(tmp_path, capsys, [reasoned("a")], "--bertscore", "some/model")
    other = [dfj_row("dfj_detect", "a", "<answer>fake</answer>")]
    assert "these rows are dfj_detect" in refusal(tmp_path, capsys, other, "--bertscore", "roberta-large")
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    error = refusal(tmp_path, capsys, [reasoned("a")], "--bertscore", "roberta-large")
    assert "pip install -e '.[neural]'" in error
    assert importlib.util.find_spec("eval.encoders.bertscore")
