"""The commands of the README, block by block, and how the tests of its sections run them and read what they made."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.launcher import python, run

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
START, STEPS, JUDGE, FAKEVLM, REAL, REAL_JUDGE, REAL_FAKEVLM, OWN = (
    [line for line in block.splitlines() if line] for block in BLOCKS
)


def bash(*lines, cwd, **options):
    return run("bash", "-c", "\n".join(["set -e", *lines]), cwd=cwd, **options)


def checkpoint(home, kind):
    return next((home / f"train_{kind}").glob("checkpoint-*"))


def needs_gpus(number, train, copy):
    """A training of the real thing says what lacks here."""
    done = bash(train, cwd=copy, check=False, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 2, done.stderr
    assert f"this needs {number} GPU(s), 0 found" in done.stderr


def stand_in(predict, trained, copy):
    """Put a checkpoint that was trained here where a command looks for the real one."""
    named = copy / re.search(r"--model (\S+)", predict).group(1)
    named.parent.mkdir(parents=True)
    named.symlink_to(trained)


def scored(copy, path, *flags):
    return json.loads(python("eval/score.py", "--pred", path, "--json", *flags, cwd=copy).stdout)


def interval(metric):
    """A metric's 95 % interval; a point where nothing varies, as when all is right, or every image has every score."""
    return metric["ci95"] or [metric["value"], metric["value"]]


def report_of(folder):
    return json.loads((folder / "report.json").read_text())
