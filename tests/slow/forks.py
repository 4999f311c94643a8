"""Trainings in forks of a process that has loaded ms-swift once; that they start anew as well, a few others show."""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path

from tests.launcher import ROOT, clean, losses

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["swift.pipelines.train.sft", "swift.trainers", "deepspeed", "torch.utils.tensorboard"])


def train(recipe: str, out: Path, *flags: object, **env: str) -> dict[int, float]:
    """What `bash shell/train.sh` does in a clean environment, but for its progress; returns the logged losses by step.

    Nothing is drawn for tensorboard, which takes ms-swift longer than a few steps of a tiny model.
    """
    out.mkdir(parents=True, exist_ok=True)
    argv = [f"recipes/{recipe}.yaml", "--report_to", "none", *map(str, flags)]
    process = FORKS.Process(target=_launched, args=(argv, clean(**env) | {"OUTPUT_DIR": str(out)}))
    process.start()
    process.join(600)
    process.kill()
    assert process.exitcode == 0, (out / "train.log").read_text(errors="replace")[-6000:]
    return losses(out)


def _launched(argv: list[str], env: dict[str, str]) -> None:
    log = os.open(Path(env["OUTPUT_DIR"], "train.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.environ.clear()
    os.environ.update(env)
    from swift_plugins import launch

    vars(launch)["follow"] = _trained
    sys.exit(launch.main(argv))


def _trained(command: list[str], env: dict[str, str], _out: Path) -> int:
    """`swift sft` as its command line starts it, in this process."""
    from swift.cli.main import parse_yaml_args
    from swift.pipelines import sft_main

    assert command[:2] == [str(ROOT / ".venv/bin/swift"), "sft"]
    os.environ.update(env)
    parse_yaml_args(argv := command[2:])
    sft_main(argv)
    return 0
