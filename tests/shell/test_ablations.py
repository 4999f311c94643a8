"""The ablation of what DeepTraceReward's answers are supervised with: which commands it runs, and which not again."""

import json

import pytest

from tests.launcher import Project


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project")


SETTINGS = {
    "full": "full",
    "no_time": "w/o time",
    "no_explanation": "w/o explanation",
    "no_time_no_explanation": "w/o time & w/o explanation",
}


def test_every_supervision_setting_is_trained_from_one_base_and_all_stand_in_one_table(project):
    """Each has rows of its own; a rerun goes on with what is not done yet."""
    home = "output/deeptrace"
    done = project.bash("ablations.sh", "--tiny", "--seed", "3")
    assert done.returncode == 0, done.stderr
    steps = project.scripts()
    assert [step.split()[0] for step in steps[:3]] == [
        "converters/sample_deeptrace.py",
        "converters/deeptrace_to_swift.py",
        "swift_plugins/tiny_model.py",
    ]
    for setting, title in SETTINGS.items():
        rows = f"{home}/rows/{setting}"
        assert any(f"--src {home}/raw --setting {setting} --out {rows}" in step for step in steps)
        trained = f"{project.folder}/{home}/train_{setting}/checkpoint-7"
        asked = f"--model {trained} --data {rows}/test.jsonl --out {home}/{setting}.jsonl"
        assert any(asked in step for step in steps)
        assert setting == "full" or f"--baseline {title}={home}/{setting}.jsonl" in steps[-1]
    assert f"--as-published full --pred {home}/full.jsonl" in steps[-1]
    ran = json.loads((project.folder / "ran.json").read_text())["argv"]
    assert ran[ran.index("--model") + 1] == str(project.folder / home / "model")
    assert ran[-2:] == ["--seed", "3"]
    (project.folder / "ran.json").unlink()
    assert project.bash("ablations.sh", "--tiny", "--seed", "3").returncode == 0
    assert not (project.folder / "ran.json").exists()
    (project.folder / home / "train_no_time" / ".done").unlink()
    assert project.bash("ablations.sh", "--tiny", "--seed", "3").returncode == 0
    ran = json.loads((project.folder / "ran.json").read_text())["argv"]
    assert f"{project.folder}/{home}/train_no_time/checkpoint-7" == ran[ran.index("--resume_from_checkpoint") + 1]
    done = project.bash("ablations.sh", "--tiny")
    assert done.returncode == 2
    assert "one table is of one base and one dataset" in done.stderr


@pytest.mark.parametrize(
    ("env", "recipe", "space"),
    [
        ({}, "qwen2_5_vl_7b_full", "resized"),
        ({"TUNER": "lora"}, "qwen2_5_vl_7b_lora", "resized"),
        ({"MODEL": "a/videollama3-7b"}, "videollama3_7b_full", "norm1000"),
    ],
)
def test_an_ablations_boxes_are_those_of_its_base(project, env, recipe, space):
    (project.folder / "raw").mkdir()
    (project.folder / "raw" / "all_data.json").write_text("[]")
    (project.folder / "a" / "videollama3-7b").mkdir(parents=True)
    (project.folder / "a" / "videollama3-7b" / "config.json").write_text("{}")
    done = project.bash("ablations.sh", SRC="raw", GPUS="8", **env)
    assert done.returncode == 0, done.stderr
    convert = next(step for step in project.scripts() if "--setting no_time " in step)
    assert "--box-space" not in convert  # it is the recipe that states the rows' boxes as its base was taught
    taken = json.loads((project.folder / "ran.json").read_text())["argv"][1]
    assert taken.endswith(f"{recipe}.yaml")
    assert f"BOX_SPACE: {space}\n" in (project.folder / "recipes" / "deeptrace" / f"{recipe}.yaml").read_text()
