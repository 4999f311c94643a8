"""The ablation of losses on a tiny model, two steps: what it was trained with, and that it is asked."""

import json

import pytest

from tests.launcher import python, rows, run

STEPS = ("--max_steps", 2, "--save_steps", 2, "--logging_steps", 1)
pytestmark = pytest.mark.slow
pytest.importorskip("swift")


# A setting, its loss_scale, where the rows are, and the sample that the command draws, of fewer clips or images.
CASES = {
    "deeptrace": ("numbers", "deeptrace", "data", "deeptrace --train 40 --val 0 --test 8 --fakes 4"),
    "pointwise": ("soft", "dfj_pointwise", "data/pointwise", "deepfakejudge --train 8 --test 2 --human 0 --bench 0"),
}


@pytest.mark.parametrize("task", CASES)
def test_a_setting_is_trained_by_its_loss_and_answers(copy, task):
    setting, scale, data, sample = CASES[task]
    dataset, *few = sample.split()
    home = copy / "output" / "losses" / task
    python(f"converters/sample_{dataset}.py", "--out", home / "raw", *few, cwd=copy)
    (home / "raw" / ".made").touch()
    run("bash", "shell/ablate_losses.sh", task, "--tiny", *STEPS, cwd=copy, SETTINGS=setting, SEEDS="1")
    checkpoint = home / f"{setting}_1" / "checkpoint-2"
    asked = json.loads((checkpoint / "args.json").read_text())
    assert (asked["loss_type"], asked["loss_scale"], asked["seed"]) == ("forensics", scale, 1)
    recorded = json.loads((checkpoint / "forensics.json").read_text())
    assert recorded["model"] == str(home / "model_1")
    answered = rows(home / f"{setting}_1.jsonl")
    assert [row["id"] for row in answered] == [row["id"] for row in rows(home / data / "test.jsonl")]
    assert all("response" in row for row in answered)
