"""Scores of verdicts on DeepfakeJudge's images, against values worked out by hand and against scikit-learn."""

import numpy as np
import pytest

from eval.estimates.clusters import Clusters
from eval.scorers.dfj_detect import Detect
from tests.scoring import check_influences, check_swaps, dfj_row, refusal, score_rows, values, write_rows


def verdict(row_id, label, answered, p_fake=None, **meta):
    response = f"<reasoning>It melts.</reasoning> <answer>{answered}</answer>" if answered else "Who knows."
    return dfj_row("dfj_detect", row_id, response, label=label, **meta) | {"p_fake": p_fake}


def test_metrics_by_hand(tmp_path):
    """Two reals, one right; an edited and two fakes, of which one is called real and one is unparsed."""
    rows = [
        verdict("a", "real", "real", 0.1),
        verdict("b", "real", "edited", 0.9),
        verdict("c", "edited", "fake", 0.9),
        verdict("d", "fake", "real", 0.4),
        verdict("e", "fake", None, 0.6),
    ]
    report = score_rows(tmp_path, rows)
    assert values(report) == {
        "accuracy": 40.0,
        "real_f1": 40.0,  # 2 * 1 / (2 * 1 + 3 errors): the unparsed fake counts as an answer real
        "fake_f1": 40.0,
        "real_accuracy": 50.0,
        "fake_accuracy": pytest.approx(100 / 3, abs=1e-4),
        "balanced_accuracy": pytest.approx((50 + 100 / 3) / 2, abs=1e-4),
        "tpr_at_1": None,
        "tpr_at_0_1": None,
        # Precisions 1 / 2 at 0.9, a tie, 2 / 3 at 0.4 and 3 / 5 at 0.
        "average_precision": pytest.approx(100 * (1 / 2 + 2 / 3 + 3 / 5) / 3, abs=1e-4),
        "auc_of_reals": None,  # both fall into one half
        # The unparsed fake counts with P(fake) 0. Of 2 x 3 pairs, fakes above 0.1: 2, one tie at 0.9.
        "auc": pytest.approx(100 * (2 + 0.5) / 6, abs=1e-4),
        # Bins of 1/15: 0, 0.1 and 0.4 alone, 0.9 twice with one fake.
        "ece": pytest.approx((1 + 0.1 + 0.6 + abs(1.8 - 1)) / 5, abs=1e-4),
        "brier": pytest.approx((0.01 + 0.81 + 0.01 + 0.36 + 1) / 5, abs=1e-4),
    }
    assert report["metrics"]["tpr_at_1"]["reason"] == "not measurable with 2 reals: takes 100 or more"
    assert report["confusion"]["fake (edited)"] == {"fake": 1}
    assert report["confusion"]["fake"] == {"real": 1, "unparsed": 1}
    assert report["invariant"] == {"text": "accuracy lies between real_f1 and fake_f1", "holds": True}


def test_variances_and_exchanges_are_those_of_the_rows_that_are_left_or_exchanged():
    rng = np.random.default_rng(4)
    labels = rng.choice(["real", "fake", "edited"], 80).tolist()
    cases, others = (
        [
            Detect().read_case(verdict(f"r{i}", label, rng.choice(["real", "fake"]), rng.random()), "trained")
            for i, label in enumerate(labels)
        ]
        for _ in range(2)
    )
    names = [f"m{i // 2}" for i in range(80)]
    check_influences(Detect(), cases, names)
    check_swaps(Detect(), cases, others, names)


def test_deployment_figures_have_intervals_and_reals_a_floor(tmp_path):
    """120 reals below 0.4 but for two, 80 fakes, 60 above both: at 1 % one real may be above."""
    rng = np.random.default_rng(0)
    reals = [verdict(f"r{i}", "real", "real", float(p)) for i, p in enumerate([0.9, 0.8, *0.4 * rng.random(118)])]
    fakes = [verdict(f"f{i}", "fake", "fake", 0.95 if i < 60 else 0.85 if i < 70 else 0.45) for i in range(80)]
    metrics = score_rows(tmp_path, reals + fakes)["metrics"]
    assert metrics["tpr_at_1"]["value"] == 100 * 70 / 80  # above 0.8, the second real
    assert metrics["tpr_at_1"]["ci95"][0] == 0
    assert metrics["tpr_at_0_1"]["reason"] == "not measurable with 120 reals: takes 1,000 or more"
    assert metrics["balanced_accuracy"]["value"] == 100
    low, high = metrics["auc_of_reals"]["ci95"]
    assert low < 50 < high
    assert metrics["auc_of_reals"]["n"] == 120
    assert metrics["average_precision"]["ci95"][0] > 90


@pytest.mark.slow
def test_ece_is_torchmetrics():
    torch = pytest.importorskip("torch")
    from torchmetrics.functional.classification import binary_calibration_error

    rng = np.random.default_rng(1)
    p, fake = rng.random(300), rng.random(300) < 0.4
    cases = [
        Detect().read_case(verdict(f"r{i}", "fake" if fake[i] else "real", "fake", float(p[i])), "trained")
        for i in range(300)
    ]
    found = Detect().measure(cases, np.arange(300), Clusters([str(i) for i in range(300)]))["ece"].value
    assert found == pytest.approx(
        float(binary_calibration_error(torch.tensor(p), torch.tensor(fake).int(), 15)), abs=1e-6
    )


def test_without_probabilities_or_with_one_class_there_is_a_reason(tmp_path):
    report = score_rows(tmp_path, [verdict("a", "fake", "fake"), verdict("b", "real", "real", 0.2)])
    assert report["metrics"]["brier"]["reason"] == "1 rows have no P(fake) (p_fake)"
    report = score_rows(tmp_path, [verdict("a", "fake", "fake", 0.9), verdict("b", "edited", "fake", 0.8)])
    assert report["metrics"]["auc"]["reason"] == "all rows are fake"
    assert report["metrics"]["real_accuracy"]["reason"] == "no real row"
    assert report["metrics"]["real_f1"]["reason"] == "no real row and none answered"
    assert report["invariant"]["holds"] is None


def test_the_majority_verdict_stands_beside(tmp_path):
    rows = [verdict("a", "fake", "real", 0.1), verdict("b", "edited", "real", 0.1), verdict("c", "real", "real", 0.1)]
    baseline = score_rows(tmp_path, rows)["baselines"]["majority verdict"]
    assert baseline["accuracy"]["value"] == pytest.approx(200 / 3, abs=1e-4)
    assert (baseline["real_f1"]["value"], baseline["fake_f1"]["value"]) == (0, 80)
    assert baseline["auc"]["value"] is None


def test_free_text_is_read_when_asked_for(tmp_path):
    row = verdict("a", "fake", None)
    row["response"] = "This image is fake."
    assert values(score_rows(tmp_path, [row]))["accuracy"] == 0
    report = score_rows(tmp_path, [row], "--grammar", "auto")
    assert (values(report)["accuracy"], report["grammars"]) == (100, {"plain": 1})


def test_two_detectors_are_compared(tmp_path):
    rows = [
        verdict(f"r{i}", "fake" if i % 2 else "real", "fake" if i % 2 else "real", 0.8 * (i % 2)) for i in range(20)
    ]
    other = write_rows(
        tmp_path / "other.jsonl", [row | {"response": "<answer>fake</answer>", "p_fake": 0.5} for row in rows]
    )
    found = score_rows(tmp_path, rows, "--baseline", f"other={other}")["comparisons"]["other"]
    assert found["accuracy"] == {"n": 20, "only_this": 10, "only_other": 0}
    assert found["metrics"]["accuracy"]["p_value"] == pytest.approx(2 / 2**10, abs=1e-4)  # as McNemar's exact test
    assert found["metrics"]["auc"]["value"] == 50
    assert found["metrics"]["brier"]["value"] == pytest.approx(0.02 - 0.25)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (verdict("a", "forged", "fake"), ":1: meta.label must be one of real, fake, edited, got 'forged'"),
        (verdict("a", "fake", "fake", 1.2), ":1: p_fake must be a number of 0..1, got 1.2"),
        (verdict("a", "fake", "fake", True), ":1: p_fake must be a number of 0..1, got True"),
    ],
)
def test_wrong_rows_are_refused_with_file_and_line(tmp_path, capsys, row, problem):
    assert problem in refusal(tmp_path, capsys, [row])
