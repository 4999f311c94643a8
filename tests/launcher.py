"""How tests run what a user runs; and a copy of the project whose environment is made of fakes, to see what a launcher
would run without running it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
# What the launchers read from the environment, and must not find there by chance.
VARIABLES = (
    "MODEL",
    "DATASET",
    "OUTPUT_DIR",
    "TUNER",
    "DEEPSPEED",
    "PACKING",
    "NUM_GPUS",
    "GPU_IDS",
    "NPROC_PER_NODE",
    "NNODES",
    "NODE_RANK",
    "MASTER_ADDR",
    "MASTER_PORT",
    "NODES_TIMEOUT",
    "ROOT_IMAGE_DIR",
)
SWIFT = """#!{python}
import json, os, re, sys
flags = dict(zip(sys.argv[3::2], sys.argv[4::2]))
open("ran.json", "w").write(json.dumps({{"argv": sys.argv[1:], "env": dict(os.environ)}}))
out = flags.get("--output_dir") or re.search("^output_dir: (.*)$", open(sys.argv[2]).read(), re.M).group(1)
os.makedirs(out + "/checkpoint-7", exist_ok=True)
"""
# Answers for torch how many GPUs there are and whether they run its flash-attention, and notes a script and makes its
# --out, or dies halfway where FAIL is set.
PYTHON = """#!/bin/sh
case "$*" in *launch.py*) exec {python} "$@" ;; *device_count*) echo "${{GPUS:-2}} ${{FLASH:-False}}" ;; *import*) ;; *)
    echo "$*" >> scripts.txt
    for word in "$@"; do [ "$before" != --out ] || out=$word; before=$word; done # the last that is given
    mkdir -p "$out" && touch "$out/config.json" "$out/half"
    case "$out" in
        *fakevlm*) echo {{}} | tee "$out/train.jsonl" > "$out/test.jsonl" ;;
        *deeptrace*) for name in all_data.json train.jsonl val.jsonl test.jsonl manifest.json; do
                echo {{}} > "$out/$name"
            done ;;
        *data) for kind in pointwise pairwise; do
                mkdir -p "$out/$kind" && echo {{}} | tee "$out/$kind/train.jsonl" > "$out/$kind/test.jsonl"
                echo '{{"task": "dfj_'$kind'", "files": {{"test.jsonl": ""}}}}' > "$out/$kind/manifest.json"
            done ;;
    esac
    [ "$out" != "$FAIL" ] ;;
esac
"""


def clean(**env: str) -> dict[str, str]:
    """The environment without what steers a launcher, and with `env`."""
    return {key: value for key, value in os.environ.items() if key not in VARIABLES} | env


def run(*command: object, cwd: Path = ROOT, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a clean environment; unless it may fail, it must not. What it started ends with it."""
    line, pipe = [str(part) for part in command], subprocess.PIPE
    process = subprocess.Popen(
        line, cwd=cwd, env=clean(**env), stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )
    try:
        out, err = process.communicate(timeout=2400)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert not check or process.returncode == 0, out[-3000:] + err[-4000:]
    return subprocess.CompletedProcess(line, process.returncode, out, err)


def python(script: object, *flags: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run one of the project's scripts."""
    return run(sys.executable, script, *flags, **options)


def called(main: Callable[[list[str]], int], *flags: object, check: bool = True, **env: str):
    """What `python` gives, of a command's main called in this process: swift is loaded once, not by every call."""
    out, err = io.StringIO(), io.StringIO()
    with mock.patch.dict(os.environ, clean(**env), clear=True), redirect_stdout(out), redirect_stderr(err):
        code = main([str(flag) for flag in flags])
    assert not check or code == 0, out.getvalue()[-3000:] + err.getvalue()[-4000:]
    return subprocess.CompletedProcess([*map(str, flags)], code, out.getvalue(), err.getvalue())


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL."""
    return [json.loads(line) for line in open(path, encoding="utf-8")]


def losses(out: Path) -> dict[int, float]:
    """The losses that a training logged, by step."""
    logged = (row for row in rows(out / "logging.jsonl") if "loss" in row)
    return {int(str(row["global_step/max_steps"]).split("/")[0]): float(row["loss"]) for row in logged}


class Project:
    def __init__(self, folder: Path):
        self.folder = folder
        for name in ("shell", "recipes"):
            shutil.copytree(ROOT / name, folder / name)
        shutil.copytree(ROOT / "swift_plugins", folder / "swift_plugins", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("setup.cfg", "pyproject.toml"):
            shutil.copy(ROOT / name, folder)
        (folder / ".venv" / "bin").mkdir(parents=True)
        for name, text in (
            ("swift", SWIFT.format(python=sys.executable)),
            ("python", PYTHON.format(python=sys.executable)),
        ):
            (folder / ".venv" / "bin" / name).write_text(text)
            (folder / ".venv" / "bin" / name).chmod(0o755)
        sums = 'echo "train,test $(cksum < setup.cfg) $(cksum < pyproject.toml)" > .venv/ready'
        subprocess.run(["bash", "-c", sums], cwd=folder, check=True)

    def bash(self, *command: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a script of the copy, named from its root."""
        script, *flags = command
        line = ["bash", str(self.folder / "shell" / script), *flags]
        # Whether the machine at hand has a GPU must not matter.
        env = {key: value for key, value in clean(**env).items() if key in env or key != "CUDA_VISIBLE_DEVICES"}
        return subprocess.run(line, cwd=cwd or self.folder, env=env, capture_output=True, text=True, timeout=60)

    @property
    def plugins(self) -> list[str]:
        """The flag by which every training names the plug-ins."""
        return ["--external_plugins", str(self.folder / "swift_plugins" / "register.py")]

    def ran(self, *command: str, **options: Any) -> tuple[str, dict[str, str], dict[str, str]]:
        """What `swift sft` was started with: the recipe, the flags but for the plug-ins, and the environment."""
        done = self.bash(*command, **options)
        assert done.returncode == 0, done.stderr
        found = json.loads((self.folder / "ran.json").read_text())
        shutil.rmtree(self.folder / "output")  # a launcher refuses to train over checkpoints
        verb, recipe, *flags = found["argv"]
        assert verb == "sft"
        assert len(flags) % 2 == 0
        given = dict(zip(flags[::2], flags[1::2], strict=True))
        assert ["--external_plugins", given.pop("--external_plugins")] == self.plugins
        return recipe, given, found["env"]

    def scripts(self) -> list[str]:
        """The Python scripts that were run since the last call, with their arguments."""
        file = self.folder / "scripts.txt"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines
