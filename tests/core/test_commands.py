"""What the command lines have in common: how they end, which rows a limit leaves, where the samples are written."""

import argparse
import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters import sample_deepfakejudge, sample_deeptrace, sample_fakeclue
from swift_plugins.core.commands import run
from swift_plugins.core.records import spread

GENERATORS = pytest.mark.parametrize(
    "main",
    [sample_deeptrace.main, sample_deepfakejudge.main, sample_fakeclue.main],
    ids=["deeptrace", "deepfakejudge", "fakeclue"],
)


@given(count=st.integers(0, 2000), limit=st.none() | st.integers(1, 2000))
def test_a_limit_takes_one_row_out_of_each_stretch(count, limit):
    taken = list(spread(count, limit))
    assert taken == list(spread(count, limit))  # in every run
    if limit is None or limit >= count:
        assert taken == list(range(count))
    else:
        assert all(i * count // limit <= row < (i + 1) * count // limit for i, row in enumerate(taken))
        assert len(taken) == limit


@pytest.mark.parametrize("limit", [10, 50, 100, 500])
def test_a_limit_keeps_both_kinds_where_they_take_turns(limit):
    fakes = sum(row % 2 for row in spread(1000, limit))
    assert abs(fakes - limit / 2) <= 1.5 * limit**0.5


@GENERATORS
def test_a_folder_in_use_is_refused(tmp_path, capsys, main):
    (tmp_path / "kept").touch()
    with pytest.raises(SystemExit, match="2"):
        main(["--out", str(tmp_path)])
    assert "is not empty: delete it or name another folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@GENERATORS
@pytest.mark.parametrize("beneath", ["", "/below"])
def test_an_output_that_cannot_be_written_is_one_clear_line(tmp_path, capsys, main, beneath):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(SystemExit, match="2"):
        main(["--out", f"{tmp_path}/file{beneath}"])
    assert "error: cannot write to --out: " in capsys.readouterr().err.splitlines()[-1]
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize(
    ("fault", "code", "line"),
    [
        (ValueError("wrong \x1b[31m"), 2, "error: wrong \\u001b[31m\n"),
        (OSError("full"), 2, "error: full\n"),
        (ValueError("two\nerror: lines"), 2, "error: two error: lines\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_a_command_ends_with_one_line(capsys, fault, code, line):
    def main(_):
        raise fault

    streams = sys.stdout, sys.stderr
    assert run(main, argparse.Namespace()) == code
    assert capsys.readouterr().err == line
    assert (sys.stdout, sys.stderr) == streams


WAITING = """
import argparse, sys, time
from swift_plugins.core.commands import run
from swift_plugins.core.guarded import run_guarded

def main(_):
    print("begun", flush=True)
    for found in run_guarded(time.sleep, [(0.5,)] * 1000, workers=2):
        assert found is None

sys.exit(run(main, argparse.Namespace()))
"""
FAULTY = """
import argparse, sys
from swift_plugins.core.commands import run

def main(_):
    raise RuntimeError("hidden \\x1b[31m")

sys.exit(run(main, argparse.Namespace()))
"""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("pause", [0.0, 0.02, 0.7])
def test_ctrl_c_is_one_line_and_waits_for_no_worker(root, pause):
    """The signal goes to the whole group of processes, as a terminal sends it."""
    line = [sys.executable, "-c", WAITING]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(line, cwd=root, start_new_session=True, text=True, **pipes) as process:
        assert process.stdout.readline() == "begun\n"
        time.sleep(pause)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "interrupted\n")


def test_a_traceback_is_printable(root):
    done = subprocess.run([sys.executable, "-c", FAULTY], cwd=root, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.endswith("RuntimeError: hidden \\u001b[31m\n")
