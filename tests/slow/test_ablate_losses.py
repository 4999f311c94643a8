"""The ablation of losses on a tiny model, two steps: what it was trained with, and that it is asked."""

import json

import pytest

from tests.launcher import python, rows, run

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


def test_a_setting_is_trained_by_its_loss_and_answers(copy, home):
    run("bash", "shell/ablate_losses.sh", "--tiny", *STEPS, cwd=copy, SETTINGS="numbers", SEEDS="1")
    checkpoint = home / "numbers_1" / "checkpoint-2"
    asked = json.loads((checkpoint / "args.json").read_text())
    assert (asked["loss_type"], asked["loss_scale"], asked["seed"]) == ("forensics", "deeptrace", 1)
    recorded = json.loads((checkpoint / "forensics.json").read_text())
    assert recorded["model"] == str(home / "model_1")
    answered = rows(home / "numbers_1.jsonl")
    assert [row["id"] for row in answered] == [row["id"] for row in rows(home / "data" / "test.jsonl")]
    assert all("response" in row for row in answered)
