"""The shell scripts: each parses, and says in one line what is missing and what to do."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAUNCHER = ("MODEL", "DATASET", "OUTPUT_DIR", "TUNER", "DEEPSPEED", "NPROC_PER_NODE")
SCRIPTS = sorted((ROOT / "shell").glob("*.sh"))


def run(*command, cwd=ROOT, **env):
    clean = {k: v for k, v in os.environ.items() if k not in LAUNCHER}
    return subprocess.run(command, cwd=cwd, env=clean | env, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("script", [*SCRIPTS, ROOT / ".ci" / "run"], ids=lambda path: path.name)
def test_a_script_parses_and_is_strict(script):
    assert run("bash", "-n", str(script)).returncode == 0
    assert "set -euo pipefail" in script.read_text()


def test_ci_runs_the_tests():
    assert "bash shell/test.sh" in (ROOT / ".ci" / "run").read_text()


@pytest.fixture
def data(tmp_path):
    """A converter's output folder, as far as the launcher looks."""
    for name in ("train", "val"):
        (tmp_path / f"{name}.jsonl").write_text("{}\n")
    return str(tmp_path)


FULL = "recipes/deeptrace/qwen2_5_vl_7b_full.yaml"


@pytest.mark.parametrize(
    ("command", "env", "message"),
    [
        (["train.sh"], {}, "name a recipe"),
        (["train.sh", "recipes/none.yaml"], {}, "recipes/deeptrace/tiny.yaml"),
        (["train.sh", FULL], {}, "no train.jsonl and val.jsonl in data/deeptrace"),
        (["train.sh", FULL], {"DATASET": "/nowhere"}, "no train.jsonl and val.jsonl in /nowhere"),
        (["train.sh", FULL], {"DATASET": "@", "MODEL": "./nowhere"}, "no config.json"),
        (["train.sh", FULL], {"DATASET": "@", "CUDA_VISIBLE_DEVICES": ""}, "this needs 8 GPU(s), 0 found"),
        (["train.sh", FULL], {"DATASET": "@", "CUDA_VISIBLE_DEVICES": "", "NPROC_PER_NODE": "2"}, "needs 2 GPU(s)"),
        (
            ["train.sh", FULL],
            {"DATASET": "@/train.jsonl"},
            "DATASET is the folder that holds train.jsonl and val.jsonl",
        ),
        (["train.sh", FULL], {"DATASET": "@", "TUNER": "qlora"}, "TUNER must be full or lora, got qlora"),
        (["train_deeptrace.sh"], {"TUNER": "qlora"}, "TUNER must be full or lora"),
        (["train_deeptrace.sh"], {"TUNER": "lora", "DATASET": "@", "CUDA_VISIBLE_DEVICES": ""}, "needs 1 GPU(s)"),
    ],
)
def test_what_is_missing_is_one_clear_line(command, env, message, data, tmp_path):
    env = {key: value.replace("@", data) for key, value in env.items()} | {"OUTPUT_DIR": str(tmp_path / "out")}
    done = run("bash", f"shell/{command[0]}", *command[1:], **env)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_finished_checkpoints_are_not_written_over(data, tmp_path):
    (tmp_path / "out" / "checkpoint-7").mkdir(parents=True)
    done = run("bash", "shell/train.sh", FULL, DATASET=data, OUTPUT_DIR=str(tmp_path / "out"))
    assert done.returncode == 2
    assert "--resume_from_checkpoint" in done.stderr
    assert "checkpoint-7" in done.stderr


def copy_of_setup(folder):
    """A project of its own with setup.sh and an installer `uv` that fails, as one does without a network."""
    (folder / "shell").mkdir()
    shutil.copy(ROOT / "shell" / "setup.sh", folder / "shell")
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    tools = folder / "tools"
    tools.mkdir()
    (tools / "uv").write_text("#!/bin/sh\nexit 1\n")
    (tools / "uv").chmod(0o755)
    return tools


def test_an_offline_installation_fails_clearly_and_is_not_trusted(tmp_path):
    tools = copy_of_setup(tmp_path)
    path = f"{tools}:{os.environ['PATH']}"
    for _ in range(2):
        done = run("bash", "shell/setup.sh", cwd=tmp_path, PATH=path)
        assert done.returncode == 1
        assert "check the network and the disk space, then run this again" in done.stderr
        assert not (tmp_path / ".venv" / "ready").exists()


def test_a_half_made_environment_is_thrown_away(tmp_path):
    tools = copy_of_setup(tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "leftover").write_text("half")
    run("bash", "shell/setup.sh", cwd=tmp_path, PATH=f"{tools}:{os.environ['PATH']}")
    assert not (tmp_path / ".venv" / "leftover").exists()


@pytest.fixture
def working(tmp_path):
    """A project whose environment was finished for another setup.cfg, and whose `uv` fails."""
    tools = copy_of_setup(tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 0\n")
    python.chmod(0o755)
    (tmp_path / ".venv" / "ready").write_text("train,test 1 2 3 4\n")
    return tmp_path, lambda: run("bash", "shell/setup.sh", cwd=tmp_path, PATH=f"{tools}:{os.environ['PATH']}")


def test_an_offline_upgrade_leaves_the_working_environment(working):
    folder, setup = working
    for _ in range(2):
        done = setup()
        assert done.returncode == 1
        assert "the old packages are still in place but do not match setup.cfg" in done.stderr
        assert done.stderr.count("\n") == 1
        assert (folder / ".venv" / "ready").read_text() == "train,test 1 2 3 4\n"
        assert (folder / ".venv" / "bin" / "python").read_text() == "#!/bin/sh\nexit 0\n"


def test_an_upgrade_that_succeeds_is_marked(working):
    folder, setup = working
    (folder / "tools" / "uv").write_text("#!/bin/sh\nexit 0\n")
    assert setup().returncode == 0
    assert (folder / ".venv" / "ready").read_text() != "train,test 1 2 3 4\n"
    assert not (folder / ".venv" / "incomplete").exists()
    assert (setup().returncode, setup().stdout) == (0, "")


def test_a_first_installation_is_incomplete_until_it_succeeds(tmp_path):
    tools = copy_of_setup(tmp_path)
    seen = tmp_path / "seen"
    (tools / "uv").write_text(f"#!/bin/sh\nls -a .venv > {seen}\nexit 1\n")
    done = run("bash", "shell/setup.sh", cwd=tmp_path, PATH=f"{tools}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert "old packages" not in done.stderr
    assert "incomplete" in seen.read_text().split()
    assert (tmp_path / ".venv" / "incomplete").exists()


def test_an_environment_that_is_incomplete_is_thrown_away_whatever_its_mark_says(working):
    folder, setup = working
    (folder / "tools" / "uv").write_text("#!/bin/sh\nexit 0\n")
    assert setup().returncode == 0  # now the mark is right
    (folder / ".venv" / "incomplete").touch()
    (folder / "tools" / "uv").write_text("#!/bin/sh\nexit 1\n")
    (folder / ".venv" / "leftover").touch()
    assert setup().returncode == 1
    assert not (folder / ".venv" / "leftover").exists()


def test_a_second_run_does_nothing():
    done = run("bash", "shell/setup.sh")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_no_python_is_one_clear_line(tmp_path):
    copy_of_setup(tmp_path)
    tools = tmp_path / "only"
    tools.mkdir()
    for name in ("bash", "cat", "cksum", "dirname", "rm"):
        (tools / name).symlink_to(shutil.which(name))
    done = run(str(tools / "bash"), "shell/setup.sh", cwd=tmp_path, PATH=str(tools))
    assert done.returncode == 1
    assert "no Python 3.10 or newer found" in done.stderr
