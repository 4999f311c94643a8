"""Scores of LOKI's questions, against values worked out by hand."""

import numpy as np
import pytest

from eval.estimates.clusters import Clusters
from eval.scorers import loki_open, loki_tf
from tests.scoring import answer_row, check_influences, check_swaps, refusal, score_rows, values


def row(task, row_id, response, **meta):
    facts = {"dataset": "loki", "source": "LOKI", "category": "doc", "class_on_disk": "doc", "generator": ""}
    return answer_row(task, row_id, response, "Which?", **facts | meta)


def asked(medium, label, asks, response, yes=None, **meta):
    probs = None if yes is None else {"yes": yes, "no": 1 - yes}
    made = row("loki_tf", f"{medium}/{asks}", response, media_id=medium, label=label, asks=asks, **meta)
    return made | {"choice_probs": probs}


def chosen(row_id, asks, gold, response, **meta):
    return row("loki_mc", row_id, response, label=asks, asks=asks, answer=gold, **meta)


def explained(row_id, gold, response, **meta):
    return row("loki_open", row_id, response, explanation=gold, translator_remarks=0, **meta)


# -------------------------------------------------------------------------------------------------------- true or false

BY_HAND = [
    asked("a", "real", "fake", "No.", 0.1),
    asked("a", "real", "real", "Yes", 0.9),
    asked("b", "fake", "fake", "Yes, it melts.", 0.8),
    asked("b", "fake", "real", "Yes", 0.6),  # wrong: P(fake) 0.4
    asked("c", "fake", "fake", "Who knows.", 0.9, category="human"),  # unparsed: real, with P(fake) 0
    asked("c", "fake", "real", "no", 0.3, category="human"),
]


def test_answers_and_questions_make_verdicts_by_hand(tmp_path):
    report = score_rows(tmp_path, BY_HAND)
    assert values(report) == {
        "accuracy": pytest.approx(100 * 4 / 6, abs=1e-4),
        "real_accuracy": 100,
        "fake_accuracy": 50,
        "f1": pytest.approx(100 * 2 * 2 / (2 * 2 + 2), abs=1e-4),  # 2 fakes found, 2 missed, no real called fake
        "balanced_accuracy": 75,
        # P(fake) of the reals 0.1 and 0.1, of the fakes 0.8, 0.4, 0 and 0.7: 6 of 8 pairs are in order.
        "auc": 75,
        "tpr_at_1": None,
        "tpr_at_0_1": None,
        "average_precision": pytest.approx(100 * (1 + 1 + 1 + 4 / 6) / 4, abs=1e-4),
        "auc_of_reals": None,  # both are of one medium
        "ece": pytest.approx((2 * 0.1 + 0.2 + 0.6 + 1 + 0.3) / 6, abs=1e-4),
        "brier": pytest.approx((2 * 0.01 + 0.04 + 0.36 + 1 + 0.09) / 6, abs=1e-4),
        "pair_accuracy": pytest.approx(100 / 3, abs=1e-4),
        "yes_rate": 60,  # 3 of the 5 that were parsed
        # doc: reals 2 of 2, fakes 1 of 2; human's fakes 1 of 2: doc alone has reals, so theirs stand for human too.
        "accuracy_upstream": (75 + 75) / 2,
    }
    assert report["confusion"] == {
        "real (asked fake)": {"real": 1},
        "real (asked real)": {"real": 1},
        "fake (asked fake)": {"fake": 1, "unparsed": 1},
        "fake (asked real)": {"real": 1, "fake": 1},
    }
    assert report["metrics"]["accuracy"]["n"] == 6
    assert report["metrics"]["pair_accuracy"]["n"] == 3
    assert report["n_unparsed"] == 1


def test_a_class_without_reals_counts_by_its_fakes_where_several_others_have_some(tmp_path):
    """doc 100 and 50, human 0 and 100, sky's fakes 50: (2 * 75 + 1 * 50 + 2 * 50) / 5."""
    rows = [
        *BY_HAND[:4],
        asked("h", "real", "fake", "Yes", category="human"),
        asked("i", "fake", "fake", "Yes", category="human"),
        asked("s", "fake", "fake", "Yes", category="sky"),
        asked("t", "fake", "fake", "No", category="sky"),
    ]
    assert values(score_rows(tmp_path, rows))["accuracy_upstream"] == pytest.approx(60)


def test_a_constant_answer_is_worth_half_and_no_pair(tmp_path):
    baselines = score_rows(tmp_path, BY_HAND)["baselines"]
    yes, fake = baselines["always yes"], baselines["always fake"]
    assert [yes[name]["value"] for name in ("accuracy", "pair_accuracy", "yes_rate")] == [50, 0, 100]
    assert fake["accuracy"]["value"] == fake["pair_accuracy"]["value"] == pytest.approx(200 / 3, abs=1e-4)
    assert (fake["fake_accuracy"]["value"], fake["yes_rate"]["value"]) == (100, 50)
    assert yes["auc"]["value"] is None


def test_slices_tell_classes_questions_and_generators_apart(tmp_path):
    slices = score_rows(tmp_path, BY_HAND)["slices"]
    assert {key: sorted(found) for key, found in slices.items()} == {
        "category": ["doc", "human"],
        "label": ["fake", "real"],
        "asks": ["fake", "real"],
    }
    assert slices["category"]["human"]["metrics"]["accuracy"]["value"] == 50
    assert "pair_accuracy" not in slices["asks"]["real"]["metrics"]
    videos = [asked("v", "fake", "fake", "Yes", category="", generator="Sora")]
    assert sorted(score_rows(tmp_path, videos)["slices"]) == ["asks", "generator", "label"]


def test_without_probabilities_pairs_or_answers_there_is_a_reason(tmp_path):
    metrics = score_rows(tmp_path, [asked("a", "real", "fake", "Perhaps.")])["metrics"]
    assert metrics["pair_accuracy"]["reason"] == "no medium has both questions in these rows"
    assert metrics["yes_rate"]["reason"] == "no parsed answer"
    assert metrics["accuracy_upstream"]["reason"] == "no fake row"
    assert metrics["fake_accuracy"]["reason"] == "no fake row"
    metrics = score_rows(tmp_path, [asked("a", "real", "fake", "No"), asked("b", "fake", "fake", "No")])["metrics"]
    assert metrics["auc"]["reason"] == "2 rows have no probabilities of yes and no (choice_probs)"


def test_variances_and_exchanges_are_those_of_the_media_that_are_left_or_exchanged():
    rng, scorer = np.random.default_rng(5), loki_tf.TrueOrFalse()
    labels, classes = rng.choice(["real", "fake"], 30).tolist(), rng.choice(["doc", "human"], 30).tolist()
    cases, others = (
        [
            scorer.read_case(
                asked(f"m{i:02}", labels[i], asks, str(rng.choice(["Yes", "No"])), rng.random(), category=classes[i]),
                "trained",
            )
            for i in range(30)
            for asks in ("real", "fake")
        ]
        for _ in range(2)
    )
    names = [case.media_id for case in cases]
    check_influences(scorer, cases, names, weighted=["accuracy_upstream"])
    check_swaps(scorer, cases, others, names)


# ------------------------------------------------------------------------------------------------------ multiple choice


def test_choices_by_hand(tmp_path):
    rows = [
        chosen("a", "fake", "A", "A. The first one."),
        chosen("b", "real", "B", "A"),
        chosen("c", "fake", "B", "B"),
        chosen("d", "real", "A", "Both."),
    ]
    report = score_rows(tmp_path, rows)
    assert values(report) == {"accuracy": 50, "first_position_rate": pytest.approx(200 / 3, abs=1e-4)}
    assert report["metrics"]["first_position_rate"]["n"] == 3
    assert report["confusion"]["A (asked real)"] == {"unparsed": 1}
    assert report["baselines"]["always A"]["accuracy"]["value"] == 50
    assert report["slices"]["asks"]["fake"]["metrics"]["accuracy"]["value"] == 100
    alone = score_rows(tmp_path, rows[3:])
    assert alone["metrics"]["first_position_rate"]["reason"] == "no parsed answer"


def test_pairs_that_share_a_medium_are_one_cluster(tmp_path):
    """One cluster alone tells nothing of the spread."""
    rows = [chosen("a", "fake", "A", "A", media_id="m"), chosen("b", "real", "B", "A", media_id="m")]
    assert score_rows(tmp_path, rows)["metrics"]["accuracy"]["ci95"] is None
    assert score_rows(tmp_path, [rows[0], chosen("c", "real", "B", "A")])["metrics"]["accuracy"]["ci95"] is not None


# ----------------------------------------------------------------------------------------------------------- open ended


def test_explanations_by_hand(tmp_path):
    rows = [
        explained("a", "the hand has six fingers", "The hand melts."),  # common: the hand; 2 * 2 / (5 + 3)
        explained("b", "odd shadows", "odd shadows", category=""),
        explained("c", "odd light", " "),
    ]
    rows[2]["meta"]["translator_remarks"] = 1
    report = score_rows(tmp_path, rows)
    assert report["metrics"]["rouge_l"]["value"] == pytest.approx((50 + 100 + 0) / 3, abs=1e-4)
    assert report["metrics"]["css"]["reason"] == "not asked for: score with --css"
    assert (report["n_unparsed"], report["unparsed_reasons"]) == (1, {"it is empty": 1})
    assert report["slices"]["category"]["not known"]["n"] == 1
    assert report["slices"]["translator's remarks"]["with"]["metrics"]["rouge_l"]["value"] == 0
    # Half of three is one: a gets b's, b gets c's ("odd": 2 * 1 / 4), c gets a's.
    other = report["baselines"]["what is written of another image"]["rouge_l"]["value"]
    assert other == pytest.approx(50 / 3, abs=1e-4)


def test_css_is_that_of_the_explanations_with_the_gold_ones():
    seen, scorer = [], loki_open.OpenEnded()
    rows = [explained("a", "odd shadows", "odd shades"), explained("b", "odd light", "")]
    cases = [scorer.read_case(one, "trained") for one in rows]
    cases = scorer.encoders["css"](cases, lambda pairs: seen.extend(pairs) or [0.5, 0.0])
    assert seen == [("odd shades", "odd shadows"), ("", "odd light")]
    assert scorer.measure(cases, np.arange(2), Clusters(["a", "b"]))["css"].value == 25


# ------------------------------------------------------------------------------------------------ reports and bad rows


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (asked("a", "edited", "fake", "No"), "meta.label must be real or fake, got 'edited'"),
        (asked("a", "real", None, "No"), "meta.asks must be real or fake, got None"),
        (asked("a", "real", "fake", "No", category=["doc"]), "meta.category must be a text, got ['doc']"),
        (asked("a", "real", "fake", "No", 7), "choice_probs: yes must be a number of 0..1, got 7"),
        (chosen("a", "fake", "C", "A"), "meta.answer must be A or B, got 'C'"),
        (explained("a", " ", "odd"), "meta.explanation must be a text, got ' '"),
        (explained("a", "odd", "odd", category=3), "meta.label and meta.category must be texts"),
    ],
)
def test_wrong_rows_are_refused_with_file_and_line(tmp_path, capsys, bad, problem):
    assert f"out.jsonl:1: {problem}" in refusal(tmp_path, capsys, [bad])
