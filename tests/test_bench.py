"""Every benchmark runs, on a thousandth of its rows; its numbers are then worth nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHES = sorted(Path(__file__).parent.glob("bench_*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("path", BENCHES, ids=lambda path: path.stem)
def test_a_benchmark_runs_and_says_whether_its_target_is_met(path, tmp_path):
    pytest.importorskip("datasets")
    done = subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=600,
        env=os.environ | {"BENCH_SMALLER": "1000"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "target" in done.stdout


def test_the_shell_script_runs_them_all(root):
    assert "for bench in tests/bench_*.py; do" in (root / "shell" / "bench.sh").read_text()
    assert len(BENCHES) >= 5
