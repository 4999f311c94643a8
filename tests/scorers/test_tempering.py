"""A temperature fitted on validation rows, applied to those that are scored."""

import numpy as np
import pytest

from eval.estimates.calibration import fit_temperature, tempered
from tests.scorers.test_deeptrace import fake, real, said
from tests.scorers.test_dfj_detect import verdict
from tests.scorers.test_dfj_pointwise import judged
from tests.scorers.test_loki import asked
from tests.scoring import refusal, score_rows, write_rows


def overconfident(name, n=400, times=3.0, seed=0, source="Gemini"):
    """Verdicts whose true logit is a third of the stated one."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(0, 1.5, n)
    fake, stated = rng.random(n) < 1 / (1 + np.exp(-logit)), 1 / (1 + np.exp(-times * logit))
    return [
        verdict(f"{name}{i}", "fake" if f else "real", "fake" if p > 0.5 else "real", float(p), source=source)
        for i, (f, p) in enumerate(zip(fake, stated, strict=True))
    ]


def test_the_temperature_by_hand():
    """Three of four are fake where the model says 0.9, logit log 9: log 3 = log 9 / 2 is right."""
    p, fake = np.array([0.9] * 4 + [0.1] * 4), np.array([1, 1, 1, 0, 0, 0, 0, 1], bool)
    assert fit_temperature(p, fake) == pytest.approx(2)
    assert tempered(np.array([0.9, 0.5, 0.1]), 2) == pytest.approx([0.75, 0.5, 0.25])


def test_validation_rows_calibrate_the_scored_ones(tmp_path):
    val = write_rows(tmp_path / "val.jsonl", [*overconfident("v", seed=1), verdict("v", "fake", None, 0.5)])
    report = score_rows(tmp_path, overconfident("t"), "--val", val, "--out", tmp_path / "report")
    found = report["temperature"]
    assert 2.2 < found["value"] < 4
    assert found["n"] == 400  # the unparsed one has no P(fake) of the model's own
    assert found["before"]["ece"]["value"] == report["metrics"]["ece"]["value"]
    assert found["after"]["ece"]["value"] < 0.5 * found["before"]["ece"]["value"]
    assert found["after"]["brier"]["value"] < found["before"]["brier"]["value"]
    assert any(remark.startswith(f"temperature {found['value']:.3f} of P(fake)") for remark in report["remarks"])
    assert "fitted on 400 rows" in (tmp_path / "report" / "report.html").read_text()


def test_what_would_flatter_or_cannot_be_is_refused(tmp_path, capsys):
    rows = overconfident("t", n=20)
    same = write_rows(tmp_path / "val.jsonl", rows[:3])
    assert "3 of its media are scored, too (t0, t1 and 1 more)" in refusal(tmp_path, capsys, rows, "--val", same)
    one = write_rows(tmp_path / "one.jsonl", [verdict("v", "fake", "fake", 0.9)])
    assert "both classes" in refusal(tmp_path, capsys, rows, "--val", one)
    trace = write_rows(tmp_path / "trace.jsonl", [real()])
    assert "rows of deeptrace, those of --pred are of dfj_detect" in refusal(tmp_path, capsys, rows, "--val", trace)
    other = write_rows(tmp_path / "other.jsonl", [judged("b", 3, 4)])
    assert "of which these rows tell nothing" in refusal(tmp_path, capsys, [judged("a", 3, 4)], "--val", other)
    other = write_rows(tmp_path / "other.jsonl", [real("r2"), fake("f2", said())])
    assert "takes P(fake)" in refusal(tmp_path, capsys, [real()], "--val", other)


def test_traces_and_questions_are_calibrated_too(tmp_path):
    traces = [
        (real if i % 2 else fake)(f"{part}{i}", said() if p > 0.5 else real()["response"]) | {"p_fake": p}
        for part in "vt"
        for i, p in enumerate((0.9, 0.1) * 4 + (0.1, 0.9))
    ]
    asked_of = [
        asked(row["id"], row["meta"]["label"], "fake", "Yes" if row["p_fake"] > 0.5 else "No", row["p_fake"])
        for row in traces
    ]
    for rows in (traces, asked_of):
        val = write_rows(tmp_path / "val.jsonl", rows[:10])
        found = score_rows(tmp_path, rows[10:], "--val", val)["temperature"]
        assert found["value"] == pytest.approx(np.log(9) / np.log(4), abs=1e-3)  # four of five are where 0.9 says
        assert found["before"]["ece"]["value"] == pytest.approx(0.1)
        assert found["after"]["ece"]["value"] == pytest.approx(0, abs=1e-3)


def test_each_generator_stands_with_all_reals(tmp_path):
    """`easy` is above all three reals, `hard` above one of them; alone neither has an AUC."""
    reals = [verdict(f"r{i}", "real", "real", p, source="camera") for i, p in enumerate((0.1, 0.3, 0.4))]
    easy = [verdict(f"e{i}", "fake", "fake", 0.9, source="easy") for i in range(2)]
    hard = [verdict("h", "fake", "fake", 0.2, source="hard")]
    slices = score_rows(tmp_path, reals + easy + hard)["slices"]
    assert "auc" not in slices["source"]["easy"]["metrics"]
    found = slices["generator, each with all reals"]
    assert {name: (part["n"], part["metrics"]["auc"]["value"]) for name, part in found.items()} == {
        "easy": (5, 100),
        "hard": (4, pytest.approx(100 / 3, abs=1e-3)),
    }
    assert "generator, each with all reals" not in score_rows(tmp_path, reals + easy)["slices"]
