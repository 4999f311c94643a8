"""The ablation of DeepTraceReward's supervision on a tiny model, a few steps a setting: what is trained and tabled."""

import json
import re

import pytest

from tests.launcher import python, run

STEPS = ("--max_steps", 2, "--save_steps", 2, "--logging_steps", 1, "--eval_strategy", "no", "--report_to", "none")
SETTINGS = {
    "full": "full",
    "no_time": "w/o time",
    "no_explanation": "w/o explanation",
    "no_time_no_explanation": "w/o time & w/o explanation",
}
pytestmark = pytest.mark.slow
pytest.importorskip("swift")


@pytest.fixture(scope="module")
def home(copy):
    """Where the command works, with fewer clips than it would draw."""
    folder = copy / "output" / "deeptrace"
    clips = ("--train", 32, "--val", 4, "--test", 8)
    python("converters/sample_deeptrace.py", "--out", folder / "raw", *clips, cwd=copy)
    (folder / "raw" / ".made").touch()
    return folder


@pytest.fixture(scope="module")
def said(copy, home):
    return run("bash", "shell/ablations.sh", "--tiny", *STEPS, cwd=copy).stdout


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_is_trained_on_its_own_answers_from_the_one_base(copy, home, said, setting):
    recorded = json.loads((home / f"train_{setting}" / "checkpoint-2" / "forensics.json").read_text())
    assert [data["setting"] for data in recorded["data"]] == [setting]
    assert recorded["model"] == str(home / "model")
    answer = next(line for line in open(home / "rows" / setting / "train.jsonl") if "FAKE. The video" in line)
    assert (" seconds." in answer) == ("no_time" not in setting)
    assert ("The reason is" in answer) == ("explanation" not in setting)


def test_the_table_has_every_setting_and_the_papers_rows_below(home, said):
    lines = [re.split("  +", line) for line in said.splitlines()]
    names = next(line[1:] for line in lines if line[0] == "value [95 % interval]")
    table = {line[0]: dict(zip(names, line[1:], strict=True)) for line in lines if len(line) == len(names) + 1}
    for title in SETTINGS.values():
        assert re.fullmatch(r"[\d.]+ \[[\d.]+, [\d.]+\]", table[title]["bbox_iou"])
        assert title == "full" or [name for name in table if name.startswith("published") and name.endswith(title)]
    assert table["published: Our (base Qwen 2.5 VL 7B)"]["overall"] == "38.4"
    report = json.loads((home / "report" / "report.json").read_text())
    assert report["baselines"].keys() >= {*SETTINGS.values()} - {"full"}
    assert report["n"] == 8
