"""Scores of FakeVLM's answers, against values worked out by hand, and the paper's tables."""

import copy
import itertools

import numpy as np
import pytest

from eval.estimates.clusters import Clusters
from eval.scorers import fakevlm
from eval.scorers.fakevlm_tables import f1_range, real_share, table
from tests.scoring import check_influences, check_swaps, dfj_row, refusal, score_rows, values, write_rows

MELTS = "the fur melts"


def answered(row_id, label, response, p_fake=None, gold=MELTS, **meta):
    """A row of an image; the gold answer is "This is a … image." and what shows it."""
    facts = {
        "explanation": gold,
        "dataset": "fakeclue",
        "category": "animal",
        "manipulation": "",
        "video": "",
        "part": "",
        "label": label,
    }
    row = dfj_row("fakevlm", row_id, response, **(facts | meta))
    return row | {"labels": f"This is a {label} image. {gold}".strip(), "p_fake": p_fake, "images": [f"/{row_id}.png"]}


def frame(row_id, manipulation, video, response, p_fake):
    label = "real" if manipulation == "original" else "fake"
    return answered(
        row_id,
        label,
        response,
        p_fake,
        gold="",
        manipulation=manipulation,
        video=video,
        media_id=f"{manipulation}/{video}",
        dataset="ffpp",
    )


FAKE, REAL = "This is a fake image. Odd.", "This is a real image. Fine."
MIXED = [
    answered("a", "real", REAL, 0.1),
    answered("b", "real", FAKE, 0.9),
    answered("c", "fake", FAKE, 0.9),
    answered("d", "fake", REAL, 0.4),
    answered("e", "fake", "Hard to tell.", 0.6),
]


def test_verdicts_by_hand(tmp_path):
    """Two reals, one right; three fakes, of which one is called real and one is unparsed."""
    report = score_rows(tmp_path, MIXED)
    found = values(report)
    assert found["accuracy"] == 40
    assert found["f1"] == found["real_f1"] == 40  # 2 * 1 / (2 * 1 + 3 errors): the unparsed fake counts as called real
    assert found["real_accuracy"] == 50
    assert found["fake_accuracy"] == pytest.approx(100 / 3, abs=1e-4)
    assert found["auc"] == pytest.approx(100 * 2.5 / 6, abs=1e-4)  # P(fake) of the unparsed is 0; a tie at 0.9
    assert found["brier"] == pytest.approx((0.01 + 0.81 + 0.01 + 0.36 + 1) / 5, abs=1e-4)
    assert report["confusion"] == {"fake": {"fake": 1, "real": 1, "unparsed": 1}, "real": {"fake": 1, "real": 1}}
    assert report["policy"]["f1"].startswith("positive class fake")
    assert not [name for name in found if name in (*fakevlm.AUCS, *fakevlm.BY_VIDEO)]


def test_f1_takes_fake_as_positive(tmp_path):
    found = values(score_rows(tmp_path, [answered(f"r{i}", "fake", FAKE) for i in range(3)] + [MIXED[1]]))
    assert (found["f1"], found["real_f1"]) == (pytest.approx(600 / 7, abs=1e-4), 0)


def test_explanations_and_whole_answers_by_hand(tmp_path):
    rows = [
        answered("a", "fake", "This is a fake image. the fur is soft"),  # 2 of 3 and 4 words; 7 of 8 and 9
        answered("b", "fake", "This is a fake image."),  # nothing; 5 of 8 and 5
        answered("c", "fake", "Hard to tell, the fur melts"),  # unparsed; 3 of 8 and 6
        answered("d", "real", REAL, gold=""),
    ]  # no gold explanation: left out
    report = score_rows(tmp_path, rows)
    assert report["metrics"]["rouge_l"]["n"] == report["metrics"]["rouge_l_answer"]["n"] == 3
    assert values(report)["rouge_l"] == pytest.approx(100 * (4 / 7) / 3, abs=1e-4)
    assert values(report)["rouge_l_answer"] == pytest.approx(100 * (14 / 17 + 10 / 13 + 6 / 14) / 3, abs=1e-4)
    assert report["metrics"]["css"]["reason"] == "not asked for: score with --css"
    assert report["metrics"]["css_answer"]["value"] is None


def test_where_no_answer_explains_there_is_nothing_to_compare(tmp_path):
    rows = [answered("a", "fake", "Fake"), answered("b", "real", "This is a real image.")]
    report = score_rows(tmp_path, rows)
    assert {name: report["metrics"][name]["reason"] for name in fakevlm.TEXT_METRICS} == dict.fromkeys(
        fakevlm.TEXT_METRICS, "no answer explains"
    )
    assert values(report)["accuracy"] == 100
    assert report["metrics"]["rouge_l"]["n"] == 2
    report = score_rows(tmp_path, [answered("a", "fake", FAKE, gold="")])
    assert report["metrics"]["rouge_l"]["reason"] == "no row with a gold explanation"


def test_the_parsers_stand_side_by_side(tmp_path):
    """The released one finds "real" in "unrealistic", and nothing in the second answer, where it would guess."""
    rows = [
        answered("a", "fake", "This is a fake image with unrealistic skin"),
        answered("b", "fake", "No idea."),
        answered("c", "real", "The person's eyes look real. They shine."),
    ]
    report = score_rows(tmp_path, rows)
    assert values(report)["accuracy"] == pytest.approx(200 / 3, abs=1e-4)
    assert values(report)["accuracy_upstream_parser"] == pytest.approx(100 / 3, abs=1e-4)
    assert "the released parser and this one read 1 of 3 answers differently" in report["remarks"]
    assert report["parsers_differ"] == 1
    upstream = score_rows(tmp_path, rows, "--grammar", "upstream")
    assert values(upstream)["accuracy"] == values(upstream)["accuracy_upstream_parser"]
    assert upstream["parsers_differ"] == 0


FACES = [
    frame("o1a", "original", "1", REAL, 0.1),
    frame("o1b", "original", "1", REAL, 0.3),
    frame("o2a", "original", "2", REAL, 0.2),
    frame("o2b", "original", "2", "No idea.", 0.5),  # counts as 1
    frame("d1a", "Deepfakes", "1_2", FAKE, 0.9),
    frame("d1b", "Deepfakes", "1_2", FAKE, 0.5),
    frame("d2a", "Deepfakes", "2_1", REAL, 0.4),
    frame("d2b", "Deepfakes", "2_1", FAKE, 0.2),
    frame("f1a", "Face2Face", "1_2", FAKE, 0.9),
    frame("f1b", "Face2Face", "1_2", FAKE, 0.9),
    frame("s1a", "FaceSwap", "1_2", REAL, 0.1),
    frame("s1b", "FaceSwap", "1_2", REAL, 0.1),
    frame("n1a", "NeuralTextures", "1_2", FAKE, 1.0),
    frame("n1b", "NeuralTextures", "1_2", FAKE, 1.0),
    frame("x1a", "FaceShifter", "1_2", FAKE, 0.0),
    answered("y", "real", REAL, 1.0, dataset="ffpp"),  # a real of elsewhere
]


def test_manipulations_and_videos_by_hand(tmp_path):
    report = score_rows(tmp_path, FACES)
    found, metrics = values(report), report["metrics"]
    # Reals at 0.1, 0.3, 0.2 and 1. Deepfakes 0.9: 3, 0.5: 3, 0.4: 3, 0.2: 1 and a tie.
    four = {"auc_df": 100 * 10.5 / 16, "auc_f2f": 75, "auc_fs": 100 * 0.5 / 4, "auc_nt": 100 * 3.5 / 4}
    assert {name: found[name] for name in four} == pytest.approx(four, abs=1e-4)
    assert found["auc_average"] == pytest.approx(sum(four.values()) / 4, abs=1e-4)
    assert [metrics[name]["n"] for name in ("auc_df", "auc_f2f", "auc_average")] == [8, 6, 14]
    # By video: reals at 0.2 and 0.6; Deepfakes at 0.7 and 0.3, the others at 0.9, 0.1 and 1.
    by_video = {"auc_df": 75, "auc_f2f": 100, "auc_fs": 0, "auc_nt": 100, "auc_average": 68.75}
    assert {name: found[f"{name}_by_video"] for name in by_video} == by_video
    # All videos: FaceShifter's 0 too. Above 0.2 and 0.6: 0.7 twice, 0.3 once, 0.9 twice, 1 twice: 7 of 12 pairs.
    assert found["auc_by_video"] == pytest.approx(100 * 7 / 12, abs=1e-4)
    # Right: original 1, Deepfakes 1_2, Face2Face, NeuralTextures, FaceShifter of 8; o2 and 2_1 are ties.
    assert found["accuracy_by_video"] == pytest.approx(100 * 5 / 8, abs=1e-4)


def test_metrics_of_manipulations_and_videos_are_shown_where_there_are_any(tmp_path):
    single = [row for row in FACES if row["id"].endswith("a") and row["meta"]["manipulation"] != "Face2Face"]
    found = values(score_rows(tmp_path, single))
    assert [name for name in found if name in fakevlm.AUCS] == ["auc_df", "auc_fs", "auc_nt"]
    assert not [name for name in found if name in fakevlm.BY_VIDEO]
    same = copy.deepcopy(FACES)
    for row in same:
        row["images"] = ["/one/picture.png"]  # several questions about one frame of each video
    assert "accuracy_by_video" not in values(score_rows(tmp_path, same))
    fakes = [row for row in FACES if row["meta"]["label"] == "fake"]
    assert score_rows(tmp_path, fakes)["metrics"]["auc_df"]["reason"] == "all rows are fake"


def test_without_p_fake_there_is_one_reason(tmp_path):
    rows = [row | {"p_fake": None} for row in FACES]
    metrics = score_rows(tmp_path, rows)["metrics"]
    assert metrics["auc_df"]["reason"] == metrics["auc_by_video"]["reason"] == "not every row has a P(fake) (p_fake)"
    assert metrics["auc_average_by_video"]["value"] is None
    assert metrics["accuracy_by_video"]["value"] == 62.5


def test_one_parsed_answer_without_p_fake_leaves_no_auc_of_what_is_left(tmp_path):
    """What is left may be the unparsed alone, which count as wrong: their AUC would be 0."""
    rows = [row | {"response": "No idea."} for row in FACES[:-1]] + [FACES[-1] | {"p_fake": None}]
    metrics = score_rows(tmp_path, rows)["metrics"]
    assert [metrics[name]["value"] for name in ("auc", *fakevlm.AUCS)] == [None] * 6
    assert [metrics[name]["value"] for name in fakevlm.BY_VIDEO if name != "accuracy_by_video"] == [None] * 6


def test_answers_that_cannot_be_parsed_explain_nothing_and_count_as_0(tmp_path):
    metrics = score_rows(tmp_path, [answered("a", "fake", "Hm."), answered("b", "real", "Hm.")])["metrics"]
    assert metrics["rouge_l"]["value"] == 0


def test_variances_and_exchanges_are_those_of_the_videos_that_are_left_or_exchanged():
    rng, scorer = np.random.default_rng(0), fakevlm.FakeVLM()
    kinds = list(itertools.product(("original", *fakevlm.MANIPULATIONS), range(6), range(3)))
    explained = ["odd" if rng.random() < 0.5 else "" for _ in kinds]

    def answers():
        for (kind, i, j), gold in zip(kinds, explained, strict=True):
            says = rng.choice([FAKE, REAL, "No idea."], p=[0.5, 0.4, 0.1])
            row = frame(f"{kind}{i}{j}", kind, str(i), str(says), float(np.round(rng.random(), 1)))
            row["meta"]["explanation"] = gold
            row |= {"explanation_score": float(rng.choice([0, 0.5, 1])), "judge_score": int(rng.integers(1, 6))}
            yield scorer.read_case(row, "trained")

    cases, others = list(answers()), list(answers())
    names = [case.media_id for case in cases]
    assert set(scorer.measure(cases, np.arange(len(cases)), Clusters(names))) == set(fakevlm.METRICS)
    check_influences(scorer, cases, names)
    check_swaps(scorer, cases, others, names)


def test_frames_of_a_video_are_one_cluster(tmp_path):
    """Ten frames that agree tell no more than one: the interval is that of two videos."""
    rows = [answered(f"{v}{i}", "fake", FAKE if v else REAL, media_id=f"v{v}") for v in (0, 1) for i in range(10)]
    assert score_rows(tmp_path, rows)["metrics"]["accuracy"]["ci95"] == pytest.approx([1.2, 98.8], abs=0.1)


def test_slices_are_of_what_the_rows_tell(tmp_path):
    sliced = score_rows(tmp_path, [*MIXED, answered("s", "fake", FAKE, part="skin", source="")])["slices"]
    assert list(sliced) == ["category", "source", "dataset", "split", "label", "part"]
    assert sliced["part"]["skin"]["n"] == 1
    assert sliced["label"]["real"]["metrics"]["accuracy"]["value"] == 50
    assert "manipulation" not in sliced
    assert score_rows(tmp_path, FACES)["slices"]["manipulation"]["FaceShifter"]["metrics"]["accuracy"]["value"] == 100


def test_the_majority_verdict_stands_beside(tmp_path):
    baseline = score_rows(tmp_path, MIXED)["baselines"]["majority verdict"]
    assert baseline["accuracy"]["value"] == baseline["accuracy_upstream_parser"]["value"] == 60
    assert (baseline["f1"]["value"], baseline["real_f1"]["value"]) == (75, 0)
    assert baseline["rouge_l"]["reason"] == "no answer explains"


def test_two_models_are_compared(tmp_path):
    other = write_rows(tmp_path / "other.jsonl", [row | {"response": REAL, "p_fake": 0.5} for row in FACES])
    found = score_rows(tmp_path, FACES, "--baseline", f"other={other}")["comparisons"]["other"]
    assert found["metrics"]["auc_df_by_video"]["value"] == 25
    assert found["accuracy"]["only_this"] == 8


def test_a_baseline_is_measured_by_the_truth_of_the_rows_it_stands_beside(tmp_path, capsys):
    """Predicted before its rows told of manipulation, video and explanation, it has all metrics nevertheless."""
    lacking = ("manipulation", "video", "explanation", "label")
    bare = [row | {"meta": {k: v for k, v in row["meta"].items() if k not in lacking}} for row in FACES]
    other = write_rows(tmp_path / "other.jsonl", bare)
    report = score_rows(tmp_path, FACES, "--baseline", f"other={other}")
    assert report["baselines"]["other"] == report["metrics"]
    assert report["comparisons"]["other"]["metrics"]["auc_df_by_video"]["value"] == 0
    turned = [row | {"meta": row["meta"] | {"label": "fake"}} for row in FACES]
    write_rows(other, turned)
    error = refusal(tmp_path, capsys, FACES, "--baseline", f"other={other}")
    assert """truth (5 rows, the first 'o1a': label "fake" and "real")""" in error


def test_a_baselines_unparsed_answers_are_counted(tmp_path):
    other = write_rows(tmp_path / "other.jsonl", [row | {"response": "Hm."} for row in MIXED])
    assert score_rows(tmp_path, MIXED, "--baseline", f"other={other}")["remarks"][-1] == "other: 5 unparsed"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"label": "edited"}, "meta.label must be real or fake, got 'edited'"),
        ({"video": 7}, "meta.video must be a text, got 7"),
        ({"explanation": ["x"]}, "meta.explanation must be a text, got ['x']"),
        ({"regions": "[{"}, "meta.regions must be a JSON list of objects with a bbox of four numbers"),
        ({"regions": '[{"bbox": [1, 2, 3]}]'}, "meta.regions must be a JSON list of objects with a bbox of four"),
        (
            {"regions": '[{"bbox": [1, 2, 3, 4]}]', "width": 0, "height": 5},
            "meta.regions need meta.width and meta.height in px",
        ),
    ],
)
def test_wrong_rows_are_refused_with_file_and_line(tmp_path, capsys, change, problem):
    row = answered("a", "fake", FAKE)
    row["meta"] |= change
    assert f":1: {problem}" in refusal(tmp_path, capsys, [row])


def test_regions_of_an_image_of_unknown_size_are_not_drawn():
    regions = '[{"bbox": [20, 10, 120, 60]}]'
    assert fakevlm.regions_of({"regions": regions, "width": None, "height": None}) == []
    assert fakevlm.regions_of({"regions": regions, "width": 200, "height": 100}) == [("true", 10, 10, 50, 50)]


# ------------------------------------------------------------------------------------------------------- the tables


def notes_of(dataset):
    return {row["model"]: row["note"] for row in table(dataset) if "note" in row}


def test_an_f1_is_possible_within_the_range_of_its_accuracy():
    """Every confusion table of 4 fakes and 3 reals."""
    found = {}
    for hits, rejected in itertools.product(range(5), range(4)):
        errors = 7 - hits - rejected
        f1 = 2 * hits / (2 * hits + errors) if hits + errors else 0.0
        found.setdefault(hits + rejected, []).append(f1)
    for right, scores in found.items():
        assert f1_range(right / 7, 4 / 7) == pytest.approx((min(scores), max(scores)))


def test_the_published_f1s_are_checked_against_the_class_that_they_can_be_of():
    """FakeVLM's F1 of 98.1 on FakeClue: 70 errors leave fake 98.9, but real 98.0 to 98.1."""
    on_fakeclue, on_loki = notes_of("fakeclue"), notes_of("loki")
    assert set(on_fakeclue) == {"CNNSpot", "UnivFD", "AIDE (trained on FakeClue)", "FakeVLM"}
    assert on_fakeclue["FakeVLM"] == (
        "with accuracy 98.6 on 3,192 fakes and 1,808 reals an F1 of 98.1 is not that of fake (98.8 to 99.0) but can be "
        "that of real: compare real_f1"
    )
    for notes in (on_fakeclue, on_loki):
        assert "is that of neither class" in notes["AIDE (trained on FakeClue)"]
    assert (
        "LLaVA + Explanatory Text (ablation), by the text the same model, has f1 80.1, rouge_l 60.9"
        in on_loki["FakeVLM"]
    )
    assert (
        "FakeVLM, by the text the same model, has f1 83.7, rouge_l 20.1 and the rest equal"
        in on_loki["LLaVA + Explanatory Text (ablation)"]
    )


def test_dmimages_class_f1s_that_ignore_the_other_class_are_named():
    notes = notes_of("dmimage")
    assert set(notes) == {"CNNSpot", "Gram-Net", "LNP", "FakeVLM"}
    assert notes["FakeVLM"] == (
        "real_f1 99.1 and fake_f1 94.6: computed within the class (precision 1), not comparable"
    )
    assert all(row["f1"] == row["fake_f1"] for row in table("dmimage"))  # as this project's f1 is of fakes
    shares = {row["model"]: round(real_share(row)) for row in table("dmimage")}
    assert (shares["UnivFD"], shares["SIDA"], shares["Gram-Net"]) == (20, 50, 71)


def test_other_numbers_that_need_care_are_named():
    assert notes_of("ddvqa") == {"Qwen2-VL-7B": "accuracy, rouge_l, css are those that table 2 has on FakeClue"}
    averages = notes_of("ffpp")
    assert set(averages) == {"FWA", "Face X-ray", "SRM"}
    assert averages["Face X-ray"] == "auc_average 95.9 is not the mean of the four, 97.1"
