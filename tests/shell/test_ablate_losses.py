"""The ablation of losses: what each setting trains with, what is not done again, and what is compared."""

import json

import pytest

from tests.launcher import Project

# Of each setting: the loss's flags beside its seed, and the variables that steer it.
WEIGHTS = {"WEIGHT_VERDICT": "4", "WEIGHT_BBOX": "2", "WEIGHT_TIME": "2", "WEIGHT_EXPLANATION": "6"}
JUDGING = {"WEIGHT_REASONING": "4", "WEIGHT_SCORE": "4"}
FORENSIC = ["--loss_type", "forensics"]
SETTINGS = {
    "deeptrace": {
        "plain": (["--loss_scale", "default"], {}),
        "weights": ([], WEIGHTS),
        "numbers": (FORENSIC, WEIGHTS | {"WEIGHT_NUMBERS": "20"}),
    },
    "pointwise": {"plain": (["--loss_scale", "default"], {}), "soft": (FORENSIC, JUDGING | {"SMOOTH_SCORES": "0.5"})},
}


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project")


def steering(env):
    return {k: v for k, v in env.items() if k.startswith(("WEIGHT_", "SMOOTH_", "BALANCE_"))}


@pytest.mark.parametrize(
    ("task", "setting"), [(task, setting) for task, settings in SETTINGS.items() for setting in settings]
)
def test_a_setting_changes_the_loss_alone(project, task, setting):
    done = project.bash("ablate_losses.sh", task, "--tiny", "--max_steps", "9", SETTINGS=setting, SEEDS="5")
    assert done.returncode == 0, done.stderr
    home = f"output/losses/{task}"
    ran = json.loads((project.folder / "ran.json").read_text())
    flags, variables = SETTINGS[task][setting]
    own = ran["argv"][ran["argv"].index("--seed") :]
    assert own[: 2 + len(flags)] == ["--seed", "5", *flags]
    assert own[-2:] == ["--max_steps", "9"]  # the command line's hold
    assert steering(ran["env"]) == variables
    given = dict(zip(ran["argv"][2::2], ran["argv"][3::2], strict=False))
    assert given["--model"] == f"{project.folder}/{home}/model_5"
    assert not [step for step in project.scripts() if "eval/compare.py" in step]  # one setting is no comparison


def test_all_seeds_of_all_settings_are_compared_and_what_is_done_is_not_done_again(project):
    home, env = "output/losses/deeptrace", {"SETTINGS": "plain weights", "SEEDS": "1 2"}
    done = project.bash("ablate_losses.sh", "--tiny", **env)
    assert done.returncode == 0, done.stderr
    steps = project.scripts()
    made = [step for step in steps if not step.startswith("eval/")]
    assert [step.split()[0] for step in made] == [
        "converters/sample_deeptrace.py",
        "converters/deeptrace_to_swift.py",
        *["swift_plugins/tiny_model.py"] * 2,
    ]
    assert "--fakes 4" in made[0]
    assert all(f"--seed {seed} --split-digits" in step for seed, step in zip((1, 2), made[2:], strict=True))
    answers = {name: [f"{home}/{name}_{seed}.jsonl" for seed in (1, 2)] for name in ("plain", "weights")}
    for file in [file for files in answers.values() for file in files]:
        trained = f"{project.folder}/{file.removesuffix('.jsonl')}/checkpoint-7"
        assert any(f"--model {trained} --data {home}/data/test.jsonl --out {file}" in step for step in steps)
    runs = " ".join(f"{name}={','.join(files)}" for name, files in answers.items())
    metrics = "--metric accuracy --metric bbox_iou --metric time_distance"
    assert steps[-1] == f"eval/compare.py {runs} {metrics} --out {home}/report"

    (project.folder / home / "plain_1" / ".done").unlink()
    assert project.bash("ablate_losses.sh", "--tiny", **env).returncode == 0
    ran = json.loads((project.folder / "ran.json").read_text())["argv"]  # the last training, and so the only one
    begun = f"{project.folder}/{home}/plain_1/checkpoint-7"
    assert ran[ran.index("--resume_from_checkpoint") + 1] == begun
    assert project.scripts()[-1] == steps[-1]

    done = project.bash("ablate_losses.sh", "--tiny", "--max_steps", "3", **env)
    assert done.returncode == 2
    assert "one table is of one base and one dataset" in done.stderr
    done = project.bash("ablate_losses.sh", "--tiny", SETTINGS="plane")
    assert done.returncode == 2
    assert "got plane" in done.stderr


def test_real_rows_are_trained_by_the_real_recipes(project):
    data = project.folder / "mine"
    data.mkdir()
    for name in ("train", "val", "test"):
        (data / f"{name}.jsonl").write_text("{}\n")
    env = {"SETTINGS": "weights", "SEEDS": "3", "DATASET": "mine", "TUNER": "lora", "GPUS": "8"}
    done = project.bash("ablate_losses.sh", **env)
    assert done.returncode == 0, done.stderr
    ran = json.loads((project.folder / "ran.json").read_text())
    assert ran["argv"][1].endswith("recipes/deeptrace/qwen2_5_vl_7b_lora.yaml")
    assert f"{data}/train.jsonl" in ran["argv"]
    assert " --seed 3 --data_seed 3" in " ".join(ran["argv"])  # one base, whose weights are no seed's
    assert steering(ran["env"]) == WEIGHTS
