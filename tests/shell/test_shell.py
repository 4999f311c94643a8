"""The shell scripts: each parses, and says in one line what is missing and what to do."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.launcher import Project, clean

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "shell").glob("*.sh"))
JUDGES = "recipes/deepfakejudge"
JUDGE = JUDGES + "/qwen2_5_vl_{}_{}_{}.yaml"
SMALL = "Qwen/Qwen2.5-VL-3B-Instruct"


def run(*command, cwd=ROOT, **env):
    return subprocess.run(command, cwd=cwd, env=clean(**env), capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("script", [*SCRIPTS, ROOT / ".ci" / "run"], ids=lambda path: path.name)
def test_a_script_parses_and_is_strict(script):
    assert run("bash", "-n", str(script)).returncode == 0
    assert "set -euo pipefail" in script.read_text()


def test_ci_runs_the_tests():
    assert "bash shell/test.sh" in (ROOT / ".ci" / "run").read_text()


@pytest.fixture
def data(tmp_path):
    """A converter's output folder, as far as the launcher looks."""
    (tmp_path / "without_val").mkdir()
    for name in ("train", "val", "without_val/train"):
        (tmp_path / f"{name}.jsonl").write_text("{}\n")
    return str(tmp_path)


FULL = "recipes/deeptrace/qwen2_5_vl_7b_full.yaml"
CONVERT = "python converters/deeptrace_to_swift.py --src RewardData --out data/deeptrace`"


@pytest.mark.parametrize(
    ("command", "env", "message"),
    [
        (["train.sh"], {}, "name a recipe"),
        (["train.sh", "recipes/none.yaml"], {}, "recipes/deeptrace/tiny.yaml"),
        (["train.sh", FULL], {}, f"no data/deeptrace/train.jsonl: run `source .venv/bin/activate && {CONVERT}"),
        (["train.sh", FULL], {"DATASET": "/nowhere"}, "no /nowhere/train.jsonl: run"),
        (["train.sh", FULL], {"DATASET": "/nowhere.jsonl"}, "no /nowhere.jsonl: run"),
        (["train.sh", FULL], {"DATASET": "@/without_val"}, "/without_val/val.jsonl: run"),
        (["train.sh", FULL], {"DATASET": "@/without_val/train.jsonl"}, "/without_val/val.jsonl: run"),
        (["train.sh", FULL], {"DATASET": "@", "MODEL": "./nowhere"}, "no config.json"),
        (["train.sh", FULL], {"DATASET": "@", "CUDA_VISIBLE_DEVICES": ""}, "this needs 8 GPU(s), 0 found"),
        (["train.sh", FULL], {"DATASET": "@", "TUNER": "qlora"}, "TUNER must be full or lora, got qlora"),
        (["train_deeptrace.sh"], {"TUNER": "qlora"}, "TUNER must be full or lora"),
        (["train_pointwise.sh"], {"TUNER": "qlora"}, "TUNER must be full or lora"),
        (["train_pointwise.sh"], {"TUNER": "full", "MODEL": "InternVL3_5-8B"}, "is for Qwen2.5-VL and Qwen3-VL"),
        (["export.sh"], {}, "name a checkpoint, for example: bash shell/export.sh --adapters"),
        (["train_judge.sh"], {}, "name pointwise or pairwise"),
        (["train_judge.sh", "--tiny"], {}, "name pointwise or pairwise"),
        (["sample.sh"], {}, "name judge, fakevlm or deeptrace"),
        (["bootstrap.sh"], {}, "--tiny is all there is"),
        (["bootstrap.sh", "--tiny"], {"MODEL": "mine"}, "MODEL=mine has no place here"),
        (["train_fakevlm.sh"], {"TUNER": "qlora"}, "TUNER must be full or lora"),
        (["train_fakevlm.sh"], {"STRATEGY": "probe"}, "STRATEGY must be explained, direct or head, got probe"),
        (["train_fakevlm.sh"], {"STRATEGY": "head", "TUNER": "lora"}, "STRATEGY=head is for LLaVA-1.5 and TUNER=full"),
        (["strategies.sh", "--quick"], {}, "--tiny is the only flag, got --quick"),
        (["strategies.sh"], {}, "no data/fakeclue/train.jsonl: convert the dataset, download the model"),
        (
            ["ablations.sh"],
            {"OUTPUT_DIR": "", "SRC": "nowhere"},
            "no nowhere/all_data.json: get RewardData, or set SRC",
        ),
        (["ablate_losses.sh"], {"OUTPUT_DIR": "", "DATASET": "@"}, "no train.jsonl and test.jsonl in"),
        (["ablate_losses.sh", "pointwise"], {}, "has no place here: all goes to output/losses/pointwise"),
        (["ablate_losses.sh", "--tiny"], {"OUTPUT_DIR": "", "DATASET": "@"}, "has no place here: a tiny training has"),
        (["ablations.sh"], {"OUTPUT_DIR": "", "DATASET": "@"}, "has no place here: each setting has rows of its own"),
    ],
)
def test_what_is_missing_is_one_clear_line(command, env, message, data, tmp_path):
    env = {"OUTPUT_DIR": str(tmp_path / "out")} | {key: value.replace("@", data) for key, value in env.items()}
    says(run("bash", f"shell/{command[0]}", *command[1:], **env), message)


def says(done, message):
    """The run refused, in one line."""
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project")


@pytest.fixture
def judged(project):
    """A project with the converted dataset, as far as the launchers look."""
    for kind in ("pointwise", "pairwise"):
        folder = project.folder / "data" / "deepfakejudge" / kind
        folder.mkdir(parents=True)
        (folder / "train.jsonl").write_text("{}\n")
    return project


@pytest.mark.parametrize("kind", ["pointwise", "pairwise"])
@pytest.mark.parametrize("env", [{}, {"TUNER": "full"}, {"MODEL": SMALL}, {"TUNER": "full", "MODEL": SMALL}])
def test_with_nothing_downloaded_a_judges_launcher_says_how_to_get_it(project, kind, env):
    done = project.bash(f"train_{kind}.sh", **env)
    says(done, f"no data/deepfakejudge/{kind}/train.jsonl: run `source .venv/bin/activate && hf auth login && ")
    assert (
        "hf download MBZUAI/DeepfakeJudge-Dataset --repo-type dataset --local-dir DeepfakeJudge-Dataset" in done.stderr
    )
    assert (
        "python converters/deepfakejudge_to_swift.py --src DeepfakeJudge-Dataset --out data/deepfakejudge"
        in done.stderr
    )
    assert f"`bash shell/train_{kind}.sh --tiny` trains a tiny model on the CPU" in done.stderr


def test_commands_of_several_lines_are_joined(project):
    done = project.bash("train.sh", "recipes/deeptrace/tiny.yaml", DATASET="/nowhere")
    says(done, "output/quickstart/rewarddata && python converters/deeptrace_to_swift.py --src output/quickstart/")
    assert "tiny_model.py" not in done.stderr


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"GPUS": "1"}, "this needs 2 GPU(s), 1 found: set NUM_GPUS to what there is"),
        ({"GPUS": "0"}, "`bash shell/train_pointwise.sh --tiny` trains a tiny model on the CPU"),
        ({"NUM_GPUS": "4"}, "this needs 4 GPU(s), 2 found"),
        ({"NPROC_PER_NODE": "3"}, "this needs 3 GPU(s), 2 found"),
        ({"NUM_GPUS": "two"}, "NUM_GPUS (or NPROC_PER_NODE) must be a whole number of at least 1, got two"),
        ({"NUM_GPUS": "0"}, "must be a whole number of at least 1, got 0"),
    ],
)
def test_gpus_that_are_missing(judged, env, message):
    says(judged.bash("train_pointwise.sh", **env), message)


@pytest.mark.parametrize(
    ("command", "env", "recipe"),
    [
        ("train_pointwise.sh", {}, JUDGE.format("7b", "lora", "pointwise")),
        ("train_pairwise.sh", {}, JUDGE.format("7b", "lora", "pairwise")),
        ("train_pointwise.sh", {"TUNER": "lora"}, JUDGE.format("7b", "lora", "pointwise")),
        ("train_pointwise.sh", {"TUNER": "full"}, JUDGE.format("7b", "full", "pointwise")),
        ("train_pairwise.sh", {"MODEL": SMALL}, JUDGE.format("3b", "lora", "pairwise")),
        ("train_pairwise.sh", {"MODEL": SMALL, "TUNER": "full"}, JUDGE.format("3b", "full", "pairwise")),
        ("train_pointwise.sh", {"MODEL": "Qwen/Qwen2.5-VL-7B-Instruct"}, JUDGE.format("7b", "lora", "pointwise")),
        ("train_pointwise.sh", {"MODEL": "models/mine_3b"}, JUDGE.format("3b", "lora", "pointwise")),
        ("train_pointwise.sh", {"MODEL": "models/vl3b/checkpoint-9"}, JUDGE.format("3b", "lora", "pointwise")),
        ("train_pointwise.sh", {"MODEL": "Qwen/Qwen2.5-VL-32B-Instruct"}, JUDGE.format("7b", "lora", "pointwise")),
        ("train_pointwise.sh", {"MODEL": "Qwen/Qwen3-VL-4B-Instruct"}, f"{JUDGES}/qwen3_vl_8b_lora_pointwise.yaml"),
        ("train_pairwise.sh", {"MODEL": "Qwen3-VL-8B", "TUNER": "full"}, f"{JUDGES}/qwen3_vl_8b_full_pairwise.yaml"),
        ("train_pairwise.sh", {"MODEL": "OpenGVLab/InternVL3_5-8B-HF"}, f"{JUDGES}/internvl3_5_8b_lora_pairwise.yaml"),
        ("train_pointwise.sh", {"MODEL": "Qwen/Qwen-VL-13B"}, JUDGE.format("7b", "lora", "pointwise")),
        ("train_pointwise.sh", {"MODEL": "snapshots/a3b1c0ffee3b3bd"}, JUDGE.format("7b", "lora", "pointwise")),
    ],
)
def test_a_judges_recipe_follows_tuner_and_base(judged, command, env, recipe):
    found, flags, environment = judged.ran(command, **env)
    assert found == recipe
    assert flags == {f"--{'model' if key == 'MODEL' else 'tuner_type'}": value for key, value in env.items()}
    assert "NPROC_PER_NODE" not in environment  # the recipe's
    assert "CUDA_VISIBLE_DEVICES" not in environment


@pytest.mark.parametrize(
    ("command", "env", "recipe"),
    [
        ("train_deeptrace.sh", {"MODEL": "Qwen/Qwen2.5-VL-3B-Instruct"}, "deeptrace/qwen2_5_vl_7b_full"),
        ("train_deeptrace.sh", {"MODEL": SMALL, "TUNER": "lora"}, "deeptrace/qwen2_5_vl_3b_lora"),
        (
            "train_deeptrace.sh",
            {"MODEL": "Qwen/Qwen2.5-VL-7B-Instruct", "TUNER": "lora"},
            "deeptrace/qwen2_5_vl_7b_lora",
        ),
        ("train_deeptrace.sh", {"MODEL": "Qwen/Qwen3-VL-4B-Instruct"}, "deeptrace/qwen3_vl_8b_full"),
        ("train_deeptrace.sh", {"MODEL": "Qwen/Qwen3.5-9B"}, "deeptrace/qwen3_5_9b_full"),
        ("train_deeptrace.sh", {"MODEL": "models/qwen3_5_4b", "TUNER": "lora"}, "deeptrace/qwen3_5_9b_lora"),
        ("train_deeptrace.sh", {"MODEL": "models/VideoLLaMA3-7B-converted"}, "deeptrace/videollama3_7b_full"),
        ("train_fakevlm.sh", {"MODEL": "OpenGVLab/InternVL3_5-8B-HF"}, "fakevlm/internvl3_5_8b_full"),
        ("train_fakevlm.sh", {"MODEL": "Qwen/Qwen3-VL-4B-Instruct", "TUNER": "lora"}, "fakevlm/qwen3_vl_8b_lora"),
    ],
)
def test_a_recipe_follows_tuner_and_base(project, data, command, env, recipe):
    found, flags, _ = project.ran(command, DATASET=data, GPUS="8", **env)
    assert found.endswith(f"recipes/{recipe}.yaml")
    assert flags["--model"] == env["MODEL"]


def test_the_released_scripts_variables_work(judged):
    raw = judged.folder / "raw" / "dfj-meta-pointwise" / "train"
    raw.mkdir(parents=True)
    (raw / "data.jsonl").write_text("{}\n")
    upstream = {
        "MODEL": SMALL,
        "DATASET": str(raw / "data.jsonl"),
        "OUTPUT_DIR": "./output/pointwise_3b",
        "NUM_GPUS": "1",
        "GPU_IDS": "3",
    }
    recipe, flags, env = judged.ran("train_pointwise.sh", "--learning_rate", "2e-6", **upstream)
    assert recipe == JUDGE.format("3b", "lora", "pointwise")
    assert flags == {
        "--dataset": str(raw / "data.jsonl"),
        "--model": SMALL,
        "--learning_rate": "2e-6",
        "--output_dir": f"{judged.folder}/./output/pointwise_3b",
    }
    assert (env["NPROC_PER_NODE"], env["CUDA_VISIBLE_DEVICES"]) == ("1", "3")
    assert env["ROOT_IMAGE_DIR"] == str(raw)


def test_every_launcher_knows_the_gpus_variables(project, data):
    _, _, env = project.ran("train_deeptrace.sh", DATASET=data, TUNER="lora", NUM_GPUS="2", GPU_IDS="0,1")
    assert (env["NPROC_PER_NODE"], env["CUDA_VISIBLE_DEVICES"]) == ("2", "0,1")


def test_a_judges_dataset_is_a_folder_or_the_one_above_it(judged):
    for given in ("data/deepfakejudge", "data/deepfakejudge/pairwise", "deepfakejudge", "./deepfakejudge/pairwise/"):
        here = judged.folder if given.startswith("data") else judged.folder / "data"
        _, flags, env = judged.ran("train_pairwise.sh", cwd=here, DATASET=given)
        assert os.path.normpath(flags["--dataset"]) == f"{judged.folder}/data/deepfakejudge/pairwise/train.jsonl"
        assert "--val_dataset" not in flags
        assert "ROOT_IMAGE_DIR" not in env


def test_validation_data_are_used_where_the_recipe_has_any(project, data):
    for given in (data, f"{data}/train.jsonl"):
        _, flags, _ = project.ran("train_deeptrace.sh", DATASET=given, GPUS="8")
        assert flags == {"--dataset": f"{data}/train.jsonl", "--val_dataset": f"{data}/val.jsonl"}


def test_an_image_folder_that_was_named_stays(judged):
    given = "data/deepfakejudge/pointwise/train.jsonl"
    _, _, env = judged.ran("train_pointwise.sh", DATASET=given, ROOT_IMAGE_DIR="/images")
    assert env["ROOT_IMAGE_DIR"] == "/images"


@pytest.mark.slow
def test_ms_swift_finds_relative_and_absolute_images_with_that_folder(tmp_path, monkeypatch):
    vision_utils = pytest.importorskip("swift.template.vision_utils")
    from PIL import Image

    (tmp_path / "raw" / "images").mkdir(parents=True)
    for name in ("raw/images/a.png", "b.png"):
        Image.new("RGB", (28, 28)).save(tmp_path / name)
    monkeypatch.setenv("ROOT_IMAGE_DIR", str(tmp_path / "raw"))
    for path in ("images/a.png", "./images/a.png", str(tmp_path / "b.png")):
        assert vision_utils.load_image(path).size == (28, 28)


RAW, DATA = "output/judge/raw", "output/judge/data"
BOTH = f"{DATA}/pairwise/train.jsonl {DATA}/pointwise/train.jsonl"
STEPS = [
    f"converters/sample_deepfakejudge.py --out {RAW}",
    f"converters/deepfakejudge_to_swift.py --src {RAW} --out {DATA}",
    f"swift_plugins/tiny_model.py --data {BOTH} --out output/judge/model",
]
ELSEWHERE = {"TUNER": "full", "NUM_GPUS": "8", "NPROC_PER_NODE": "2", "GPU_IDS": "0", "NNODES": "2", "GPUS": "0"}


def test_tiny_makes_what_it_needs_and_trains_it_on_the_cpu(project, tmp_path):
    done = project.bash("train_pairwise.sh", "--tiny", "--seed", "7", cwd=tmp_path, OUTPUT_DIR="mine", **ELSEWHERE)
    assert done.returncode == 0, done.stderr
    assert project.scripts() == STEPS
    found = json.loads((project.folder / "ran.json").read_text())
    assert found["argv"] == [
        "sft",
        "recipes/deepfakejudge/tiny_pairwise.yaml",
        "--output_dir",
        f"{tmp_path}/mine",
        *project.plugins,
        "--seed",
        "7",
    ]
    assert found["env"]["CUDA_VISIBLE_DEVICES"] == ""
    assert not found["env"].keys() & {"MODEL", "DATASET", "NPROC_PER_NODE", "NNODES", "MAX_PIXELS", "ROOT_IMAGE_DIR"}
    mine = f"{tmp_path}/mine"
    _, predict, score = done.stdout.splitlines()[-3:]
    assert f"eval/predict.py --model {mine}/checkpoint-7 --data {DATA}/pairwise/test.jsonl --out {mine}" in predict
    assert "/out.jsonl --swap" in predict
    assert f"eval/score.py --pred {mine}/out.jsonl --out {mine}/report" in score


TINY = [
    ["train_pointwise.sh"],
    ["train_pairwise.sh"],
    ["train_fakevlm.sh"],
    ["strategies.sh"],
    ["ablations.sh"],
    ["quickstart.sh"],
]


@pytest.mark.parametrize("command", TINY, ids=lambda command: command[0])
@pytest.mark.parametrize("name", ["MODEL", "DATASET", "TUNER", "DEEPSPEED", "OUTPUT_DIR"])
def test_what_a_tiny_training_would_ignore_is_refused(project, command, name):
    tiny = [] if command == ["quickstart.sh"] else ["--tiny"]
    if name == "OUTPUT_DIR" and command[0].startswith("train_"):
        return  # is where it is written
    done = project.bash(*command, *tiny, **{name: "lora"})
    says(done, f"{name}=lora has no place here")
    assert project.scripts() == []
    assert not (project.folder / "output").exists()


def test_the_strategies_say_where_they_write(project):
    for name in ("a/config.json", "rows/train.jsonl", "rows/test.jsonl"):
        (project.folder / name).parent.mkdir(exist_ok=True)
        (project.folder / name).write_text("{}")
    done = project.bash("strategies.sh", MODEL="a", DATASET="rows", TESTS="rows/test.jsonl", OUTPUT_DIR="mine")
    says(done, "OUTPUT_DIR=mine has no place here: all goes to output/fakevlm_strategies")


def test_tiny_makes_nothing_twice_and_the_two_judges_share_it(project):
    for flags in (["--tiny"], ["--seed", "1", "--tiny"]):
        assert project.bash("train_pairwise.sh", *flags, OUTPUT_DIR=f"out{len(flags)}").returncode == 0
    assert project.scripts() == STEPS
    assert project.bash("train_pointwise.sh", "--tiny", OUTPUT_DIR="other").returncode == 0
    assert project.scripts() == []


@pytest.mark.parametrize("kind", ["pointwise", "pairwise"])
def test_tiny_runs_what_its_recipe_says(kind):
    text = (ROOT / "recipes" / "deepfakejudge" / f"tiny_{kind}.yaml").read_text(encoding="utf-8")
    shorter = STEPS[2].replace(BOTH, f"{DATA}/*/train.jsonl")
    assert re.findall(r"python (\S+\.py .*)$", text.split("ENV:")[0], re.M) == [*STEPS[:2], shorter]


@pytest.mark.parametrize("step", range(3))
def test_tiny_does_not_trust_what_was_made_by_half(project, step):
    broken = STEPS[step].split()[-1]
    assert project.bash("train_pairwise.sh", "--tiny", FAIL=broken).returncode != 0
    assert project.scripts() == STEPS[: step + 1]
    assert (project.folder / broken / "half").exists()
    (project.folder / broken / "leftover").touch()
    assert project.bash("train_pairwise.sh", "--tiny").returncode == 0
    assert project.scripts() == STEPS[step:]
    assert not (project.folder / broken / "leftover").exists()


FAKEVLM = "recipes/fakevlm/{}.yaml"
QWEN25, QWEN3 = "Qwen/Qwen2.5-VL-7B-Instruct", "models/Qwen3-VL-8B-Instruct"


@pytest.mark.parametrize(
    ("env", "recipe"),
    [
        ({}, "llava_1_5_7b_full"),
        ({"TUNER": "lora"}, "llava_1_5_7b_lora"),
        ({"STRATEGY": "direct"}, "llava_1_5_7b_full_direct"),
        ({"STRATEGY": "head", "TUNER": "full"}, "llava_1_5_7b_full_head"),
        ({"MODEL": "llava-hf/llava-1.5-13b-hf"}, "llava_1_5_7b_full"),
        ({"MODEL": QWEN25}, "qwen2_5_vl_7b_full"),
        ({"MODEL": QWEN3, "TUNER": "lora"}, "qwen3_vl_8b_lora"),
    ],
)
def test_a_fakevlms_recipe_follows_strategy_tuner_and_base(project, data, env, recipe):
    found, flags, _ = project.ran(
        "train_fakevlm.sh", "--template", "forensic_llava1_5_bare", DATASET=data, GPUS="8", **env
    )
    assert found == FAKEVLM.format(recipe)
    assert flags["--template"] == "forensic_llava1_5_bare"
    assert flags.get("--model") == env.get("MODEL")


HOME = "output/fakevlm"
FAKEVLM_STEPS = [
    f"converters/sample_fakeclue.py --out {HOME}/raw",
    f"converters/fakeclue_to_swift.py --src {HOME}/raw --out {HOME}/data",
    f"swift_plugins/tiny_model.py --architecture llava1_5 --data {HOME}/data/train.jsonl --out {HOME}/model",
]


@pytest.mark.parametrize(("strategy", "name"), [("", "tiny"), ("direct", "tiny_direct"), ("head", "tiny_head")])
def test_tiny_fakevlms_make_what_their_recipes_say(project, strategy, name):
    text = (ROOT / FAKEVLM.format(name)).read_text(encoding="utf-8")
    assert re.findall(r"python (\S+\.py .*)$", text.split("ENV:")[0], re.M) == FAKEVLM_STEPS
    done = project.bash("train_fakevlm.sh", "--tiny", STRATEGY=strategy, **ELSEWHERE)
    assert done.returncode == 0, done.stderr
    assert project.scripts() == FAKEVLM_STEPS
    found = json.loads((project.folder / "ran.json").read_text())
    assert found["argv"] == ["sft", FAKEVLM.format(name), *project.plugins]
    out = f"{HOME}/train_{strategy}".rstrip("_")
    assert f"--model {out}/checkpoint-7 --data {HOME}/data/test.jsonl --out {out}/out.jsonl" in done.stdout


def test_the_strategies_are_all_answered_and_nothing_is_trained_twice(project):
    """Frozen and probe need the model alone; the table puts all beside the explained one."""
    done = project.bash("strategies.sh", "--tiny", **ELSEWHERE)
    assert done.returncode == 0, done.stderr
    steps = project.scripts()
    assert steps[:3] == FAKEVLM_STEPS
    out = f"{HOME}/answers/output_fakevlm_data_test"
    asked = {re.search(r"--out (\S+)", step).group(1): step for step in steps[3:-1]}
    assert set(asked) == {f"{out}/{name}.jsonl" for name in ("frozen", "probe", "direct", "explained", "head")}
    for name in ("direct", "explained", "head"):
        assert f"--model {HOME}/train_{name}/checkpoint-7 " in asked[f"{out}/{name}.jsonl"]
    for name in ("frozen", "probe"):
        assert f"--model {HOME}/model --recipe recipes/fakevlm/tiny.yaml" in asked[f"{out}/{name}.jsonl"]
    assert f"--train {HOME}/data/train.jsonl" in asked[f"{out}/probe.jsonl"]
    assert f"--pred {out}/explained.jsonl" in steps[-1]
    for name in ("frozen", "probe", "direct", "head"):
        assert f"--baseline {name}={out}/{name}.jsonl" in steps[-1]
    ran = project.folder / "ran.json"
    ran.unlink()
    assert project.bash("strategies.sh", "--tiny").returncode == 0
    assert not ran.exists()
    (project.folder / HOME / "train_head" / ".done").unlink()
    assert project.bash("strategies.sh", "--tiny").returncode == 0
    assert json.loads(ran.read_text())["argv"][-2:] == ["--resume_from_checkpoint", f"{HOME}/train_head/checkpoint-7"]


def test_one_table_of_strategies_is_of_one_model_and_one_dataset(project):
    for name in ("a/config.json", "b/config.json", "rows/train.jsonl", "rows/test.jsonl"):
        (project.folder / name).parent.mkdir(exist_ok=True)
        (project.folder / name).write_text("{}")
    env = {"DATASET": "rows", "TESTS": "rows/test.jsonl", "GPUS": "8"}
    done = project.bash("strategies.sh", MODEL="a", **env)
    assert done.returncode == 0, done.stderr
    flags = json.loads((project.folder / "ran.json").read_text())["argv"]
    assert flags[flags.index("--dataset") + 1].endswith("rows/train.jsonl")
    (probe,) = (step for step in project.scripts() if "probe.py" in step)
    assert "--train rows/train.jsonl" in probe
    done = project.bash("strategies.sh", MODEL="b", **env)
    assert done.returncode == 2
    assert "one table is of one base and one dataset" in done.stderr
    (project.folder / "rows" / "train.jsonl").write_text("{} ")
    assert project.bash("strategies.sh", MODEL="a", **env).returncode == 2
    assert project.scripts() == []


def test_finished_checkpoints_are_not_written_over(data, tmp_path):
    (tmp_path / "out" / "checkpoint-7").mkdir(parents=True)
    done = run("bash", "shell/train.sh", FULL, DATASET=data, OUTPUT_DIR=str(tmp_path / "out"))
    assert done.returncode == 2
    assert "--resume_from_checkpoint" in done.stderr
    assert "checkpoint-7" in done.stderr
