"""The next command: a conversion, a training and a prediction each end with one that can be given as it stands."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from converters import deepfakejudge_to_swift, deeptrace_to_swift, folder_to_swift, sample_deepfakejudge
from converters.sample_fakeclue import main as draw_fakeclue
from swift_plugins.core import next_steps
from swift_plugins.core.manifests import FILE
from tests.launcher import ROOT


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed(capsys) -> list[str]:
    """The commands after "next"."""
    lines = capsys.readouterr().out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("next"))
    assert all(line.startswith("  ") for line in lines[at + 1 :])
    return lines[at + 1 :]


def flags(command: str) -> dict[str, str]:
    words = shlex.split(command)
    return {word: words[i + 1] for i, word in enumerate(words[:-1]) if word.startswith("--")}


def test_a_conversion_ends_with_the_training_on_it(sample, elsewhere, capsys):
    assert deeptrace_to_swift.main(["--src", str(sample), "--out", "my data"]) == 0
    (command,) = printed(capsys)
    assert shlex.split(command) == ["DATASET=my data", "bash", f"{ROOT}/shell/train_deeptrace.sh"]


def test_boxes_on_resized_frames_are_trained_with_those_frames(sample, elsewhere, monkeypatch, capsys):
    space = ["--box-space", "resized", "--min-pixels", "784", "--max-pixels", "7056"]
    out = elsewhere / "data"
    monkeypatch.chdir(ROOT)
    assert deeptrace_to_swift.main(["--src", str(sample), "--out", str(out), *space]) == 0
    (command,) = printed(capsys)
    limits = "VIDEO_MIN_PIXELS=784 VIDEO_MAX_PIXELS=7056"
    assert command.strip() == f"DATASET={out} {limits} bash shell/train_deeptrace.sh"


def test_each_judge_has_a_training(elsewhere, capsys):
    few = ["--train", "8", "--test", "4", "--human", "4", "--bench", "8"]
    assert sample_deepfakejudge.main(["--out", "raw", *few]) == 0
    assert deepfakejudge_to_swift.main(["--src", "raw", "--out", "data"]) == 0
    assert [shlex.split(line)[::2] for line in printed(capsys)] == [
        [f"DATASET=data/{kind}", f"{ROOT}/shell/train_{kind}.sh"] for kind in ("pointwise", "pairwise")
    ]


def test_a_test_set_is_answered_by_the_newest_checkpoint_of_its_task(elsewhere, monkeypatch, capsys):
    monkeypatch.setattr(next_steps, "ROOT", elsewhere)
    assert draw_fakeclue(["--out", "raw", "--train", "14", "--test", "14"]) == 0
    convert = ["--src", "raw/test", "--out", "data"]
    assert folder_to_swift.main(convert) == 0
    assert flags(printed(capsys)[0])["--model"] == next_steps.UNKNOWN
    for name, task in (("a/checkpoint-1", "fakevlm"), ("b/train/checkpoint-2", "deeptrace")):
        folder = elsewhere / "output" / name
        folder.mkdir(parents=True)
        (folder / "forensics.json").write_text(json.dumps({"vision": {}, "data": [{"task": task}]}))
    assert folder_to_swift.main(convert) == 0
    (command,) = printed(capsys)
    assert flags(command) == {
        "--model": "output/a/checkpoint-1",
        "--data": "data/test.jsonl",
        "--out": "data/out.jsonl",
    }
    assert "eval/predict.py" in command


@pytest.mark.parametrize(
    ("there", "data"), [(["test", "val"], "test.jsonl"), (["val"], "val.jsonl"), ([], "TEST.jsonl")]
)
def test_a_training_ends_with_the_prediction_on_what_was_held_out(elsewhere, there, data):
    for name in there:
        Path(f"{name}.jsonl").write_text("{}\n")
    predict, score = next_steps.after_training(Path("run/checkpoint-9"), ["train.jsonl"], "--batch-size", 16)
    assert flags(predict) == {
        "--model": "run/checkpoint-9",
        "--data": data,
        "--out": "run/out.jsonl",
        "--batch-size": "16",
    }
    assert flags(score) == {"--pred": "run/out.jsonl", "--out": "run/report"}


def test_pairs_are_asked_in_both_orders(elsewhere):
    Path("test.jsonl").touch()
    Path(FILE).write_text(json.dumps({"task": "dfj_pairwise", "files": {"test.jsonl": ""}}))
    assert "--swap" in shlex.split(next_steps.prediction("m", Path("test.jsonl"), Path()))


def test_answers_whose_form_is_not_known_are_scored_in_any(elsewhere):
    def scored(*arguments):
        (command,) = next_steps.after_prediction(Path("a/said.jsonl"), *arguments)
        return flags(command)

    assert scored(["fakevlm"]) == {"--pred": "a/said.jsonl", "--out": "a/report_said"}
    assert scored(["fakevlm"], False)["--grammar"] == "auto"
    assert "--grammar" not in scored(["dfj_pointwise"], False)  # which has one form
    assert next_steps.after_prediction(Path("x.jsonl"), ["fakevlm", "deeptrace"]) == []


def test_the_interpreter_is_the_one_that_runs(elsewhere, monkeypatch):
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    assert shlex.split(next_steps.python("eval/score.py"))[0] == sys.executable
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    assert shlex.split(next_steps.python("eval/score.py"))[0] == "python"


def test_a_script_that_takes_the_steps_itself_hears_of_none(monkeypatch, capsys):
    monkeypatch.setenv("NEXT_STEPS", "no")
    next_steps.say(["a"])
    assert capsys.readouterr().out == ""
