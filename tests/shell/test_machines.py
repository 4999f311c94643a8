"""A file is answered on many machines: by an array of Slurm, whose sbatch here runs all at once, or on Ray."""

from __future__ import annotations

import os
import sys

import pytest

from swift_plugins.core.records import encode, read_rows
from tests.answering.misbehaving import GOOD, serving
from tests.answering.test_server import row
from tests.launcher import ROOT, Project

# Runs each task of the array, and what depends on it afterwards, as Slurm would, or a script as a job's first node
# does, where srun starts a command on each; says the job's number.
SBATCH = """#!/usr/bin/env bash
set -e
echo "$*" >> "$(dirname "$0")/asked.txt"
while [[ $1 = -* && $1 != --wrap ]]; do
    case $1 in --nodes=*) export SLURM_NNODES=${1#--nodes=} ;; --output=*) log=${1#--output=} ;; esac
    case $1 in --array=*) last=${1#--array=1-} ;; esac
    shift
done
if [ "$1" != --wrap ]; then
    export SLURM_JOB_ID=77 SLURM_JOB_NODELIST="gpu[3-4]" SLURM_CPUS_PER_TASK=6
    bash "$@" > "${log//%j/77}" 2>&1 || true
    echo "77;cluster"
    exit
fi
for ((i = 1; i <= ${last:-1}; i++)); do
    [ -z "$last" ] || export SLURM_ARRAY_TASK_ID=$i SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_COUNT=$last
    bash -c "${!#}" > "${log//%a/$i}" 2>&1
done
echo "77;cluster"
"""
SRUN = """#!/usr/bin/env bash
echo "$* (CPUs: $SRUN_CPUS_PER_TASK)" >> "$(dirname "$0")/asked.txt"
shift
for ((i = 0; i < SLURM_NNODES; i++)); do SLURM_NODEID=$i "$@"; done
"""
SCONTROL = """#!/usr/bin/env bash
[ "$*" = "show hostnames gpu[3-4]" ] && printf 'gpu3\\ngpu4\\n'
"""
# Stands for a launcher: it finds a checkpoint where there is one, or notes how it was started.
LAUNCHER = """
if [ "${!#}" = --latest ]; then echo "setup: installing"; cat newest 2> /dev/null || echo; exit; fi
echo "$NODE_RANK of $NNODES at $MASTER_ADDR:$MASTER_PORT, $OUTPUT_DIR: $*" >> started
"""


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path / "project with a space")
    (project.folder / "eval").symlink_to(ROOT / "eval")
    (project.folder / ".venv" / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tmp_path / "bin").mkdir()
    for name, text in (("sbatch", SBATCH), ("srun", SRUN), ("scontrol", SCONTROL)):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
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


def test_a_training_starts_on_each_node_and_goes_on_from_the_newest_checkpoint(project, tmp_path):
    folder = project.folder
    (folder / "a train.sh").write_text(LAUNCHER)
    env = {"NODES": "2", "NUM_GPUS": "8", "OUTPUT_DIR": "an out"}
    done = slurm(project, "a train.sh", "--seed", "a b", **env)
    assert done.returncode == 0, done.stderr
    assert "slurm: job 77: a training on 2 node(s)" in done.stdout
    told = [f"{rank} of 2 at gpu3:10077, an out: --seed a b" for rank in range(2)]
    assert (folder / "started").read_text().splitlines() == told
    submitted, started = (tmp_path / "bin" / "asked.txt").read_text().splitlines()
    assert "--nodes=2 --ntasks-per-node=1 --output=train.%j.log --gres=gpu:8 " in submitted
    assert started.startswith("--kill-on-bad-exit=1 ")
    assert started.endswith("(CPUs: 6)")
    (folder / "newest").write_text("out/a b/checkpoint-4\n")
    slurm(project, "a train.sh", "--seed", "a b", **env)
    again = [f"{one} --resume_from_checkpoint out/a b/checkpoint-4" for one in told]
    assert (folder / "started").read_text().splitlines() == told + again


def test_a_training_whose_launcher_fails_is_not_started(project):
    (project.folder / "train.sh").write_text("echo 'train: no recipe' >&2; exit 2")
    slurm(project, "train.sh")
    assert (project.folder / "train.77.log").read_text() == "train: no recipe\n"


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
        (["shell/train.sh"], {"NODES": "two"}, "slurm: NODES must be a whole number from 1, got two"),
        (["shell/none.sh"], {}, "slurm: there is no shell/none.sh"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_submitted(project, flags, env, said):
    done = slurm(project, *flags, **env)
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert not (project.folder.parent / "bin" / "asked.txt").exists()
