"""From images with a gold rationale to a judge, in one command, in a copy of the project: a few images and steps."""

import json

import pytest

from tests.launcher import rows, run


@pytest.mark.slow
def test_the_bootstrap_runs_from_the_images_to_the_scores(copy):
    """What a whole run gives stands in the README; here it is only seen that all of it is done."""
    flags = ("--max_steps", 2, "--save_steps", 2, "--warmup_ratio", 0, "--report_to", "none")
    done = run("bash", "shell/bootstrap.sh", "--tiny", *flags, cwd=copy, IMAGES="40")
    home = copy / "output" / "bootstrap"
    grading = json.loads((home / "data" / "manifest.json").read_text())["grading"]
    assert grading["acceptance"] == 1
    held_out = rows(home / "data" / "pointwise" / "test.jsonl")
    assert len(rows(home / "out.jsonl")) == len(held_out) > 10
    assert "best constant score" in done.stdout
    report = json.loads((home / "report" / "report.json").read_text())
    assert report["n"] == len(held_out)
