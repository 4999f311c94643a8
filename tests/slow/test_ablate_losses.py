"""The ablation of losses on tiny models, two steps a training: what was trained with, and the table."""

import json
import re

import pytest

from tests.launcher import python, run

STEPS = ("--max_steps", 2, "--save_steps", 2, "--logging_steps", 1)
pytestmark = pytest.mark.slow
pytest.importorskip("swift")


@pytest.fixture(scope="module")
def home(copy):
    """Where the command works, with fewer clips than it would draw."""
    folder = copy / "output" / "losses" / "deeptrace"
    clips = ("--train", 40, "--val", 0, "--test", 8, "--fakes", 4)
    python("converters/sample_deeptrace.py", "--out", folder / "raw", *clips, cwd=copy)
    (folder / "raw" / ".made").touch()
    return folder


def test_digits_and_balanced_verdicts_are_trained_and_compared(copy, home):
    said = run(
        "bash", "shell/ablate_losses.sh", "--tiny", *STEPS, cwd=copy, SETTINGS="balanced numbers", SEEDS="1"
    ).stdout
    assert "{'fake': 32, 'real': 8} verdicts, balanced by WEIGHT_FAKE=0.625 WEIGHT_REAL=2.5" in said
    first = {}
    for setting in ("balanced", "numbers"):
        recorded = json.loads((home / f"{setting}_1" / "checkpoint-2" / "forensics.json").read_text())
        assert recorded["model"] == str(home / "model_1")
        logged = [json.loads(line) for line in open(home / f"{setting}_1" / "logging.jsonl")]
        first[setting] = next(float(line["loss"]) for line in logged if "loss" in line)
    assert first["balanced"] != first["numbers"]  # of one model and the same rows
    for metric in ("accuracy", "bbox_iou", "time_distance"):
        assert re.search(rf"difference of {metric} +\[95 % interval\]", said)
    report = json.loads((home / "report" / "comparison.json").read_text())
    assert [pair["this"] for pair in report["pairs"]] == ["balanced"]
    assert [*report["pairs"][0]["metrics"]] == ["accuracy", "bbox_iou", "time_distance"]
    assert "balanced minus numbers" in (home / "report" / "comparison.md").read_text()
