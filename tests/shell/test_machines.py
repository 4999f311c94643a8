"""A file is answered on many machines: by an array of Slurm, whose sbatch here runs all at once, or on Ray."""

from __future__ import annotations

import os
import sys

import pytest

from swift_plugins.core.records import encode, read_rows
from tests.answering.misbehaving import GOOD, serving
from tests.answering.test_server import row
from tests.launcher import ROOT, Project

# Runs each task of the array, and what depends on it afterwards, as Slurm would; says the job's number.
SBATCH = """#!/usr/bin/env bash
set -e
echo "$*" >> "$(dirname "$0")/asked.txt"
for word; do case $word in --array=*) last=${word#--array=1-} ;; --output=*) log=${word#--output=} ;; esac; done
for ((i = 1; i <= ${last:-1}; i++)); do
    [ -z "$last" ] || export SLURM_ARRAY_TASK_ID=$i SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_COUNT=$last
    bash -c "${!#}" > "${log//%a/$i}" 2>&1
done
echo "77;cluster"
"""


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path / "project with a space")
    (project.folder / "eval").symlink_to(ROOT / "eval")
    (project.folder / ".venv" / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sbatch").write_text(SBATCH)
    (tmp_path / "bin" / "sbatch").chmod(0o755)
    return project


def slurm(project, *flags, path=None, **env):
    path = f"{path or project.folder.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return project.bash("slurm.sh", *map(str, flags), PATH=path, OPENAI_API_KEY="none", **env)


def test_an_array_answers_all_rows_and_merges_them(project, tmp_path):
    rows = [row(f"r{number}") for number in range(5)]
    (tmp_path / "data.jsonl").write_bytes(b"".join(encode(one) + b"\n" for one in rows))
    out = tmp_path / "made for it" / "out.jsonl"
    with serving(lambda request: request.reply(GOOD)) as url:
        server = ("--backend", "openai", "--base-url", url, "--model", "m")
        files = ("--data", tmp_path / "data.jsonl", "--out", out)
        done = slurm(project, *server, *files, SHARDS="2", SBATCH_FLAGS="--partition=gpu --time=1:00")
    assert done.returncode == 0, done.stderr
    assert "slurm: job 77: 2 tasks" in done.stdout
    assert [one["response"] for _, one in read_rows(out)] == ["REAL"] * 5
    array, merge = (tmp_path / "bin" / "asked.txt").read_text().splitlines()
    assert "--array=1-2 " in array
    assert " --partition=gpu --time=1:00 " in array
    assert "--dependency=afterok:77 " in merge
    assert "5 rows of 2 shards" in out.with_name("out.jsonl.merge.log").read_text()


def test_ray_is_asked_for_a_process_on_each_gpu_or_for_as_many_as_are_named(tmp_path):
    project = Project(tmp_path / "project")
    predict, judge = (project.folder / "eval" / name for name in ("predict.py", "judge.py"))
    assert project.bash("ray.sh", "--model", "m", "--out", "o").returncode == 0
    assert project.bash("ray.sh", "--out", "o", RAY_WORKERS="3", COMMAND="eval/judge.py").returncode == 0
    assert project.scripts() == [f"{predict} --ray-workers 0 --model m --out o", f"{judge} --ray-workers 3 --out o"]


@pytest.mark.parametrize(
    ("flags", "env", "said"),
    [
        (["--model", "m"], {}, "slurm: name the output by --out"),
        (["--out", "o"], {"SHARDS": "0"}, "slurm: SHARDS must be a whole number from 1, got 0"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_submitted(project, flags, env, said):
    done = slurm(project, *flags, **env)
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert not (project.folder.parent / "bin" / "asked.txt").exists()
