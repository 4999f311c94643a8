"""What a training prints of itself, of its log and of how it ends; the training is a script that says what one says."""

from __future__ import annotations

import importlib.util
import io
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from swift_plugins.core.known_warnings import HARMFUL, HARMLESS
from swift_plugins.progress import STAGES, duration, fault_in, follow

STEP = {"loss": 2.5, "grad_norm": 1.0, "token_acc": 0.5, "global_step/max_steps": "3/8", "train_speed(s/it)": 0.5}
STEP |= {"remaining_time": "3s"}
EVAL = {"eval_loss": 1.5, "eval_verdict_accuracy": 75.0, "eval_runtime": 0.9, "eval_samples_per_second": 18.0}
EVAL |= {"global_step/max_steps": "3/8"}
END = {"train_runtime": 65.0, "train_loss": 2.0, "global_step/max_steps": "8/8"}
ARGS = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2, "global_world_size": 1, "fp16": False}
TRUSTED = "[WARNING:swift] Loading model from '/m' with trust_remote_code=True. Only proceed if you trust the source."
CAPPED = "[transformers] Qwen2VL video processing does not apply the per-frame pixel cap the reference applies"
STRANGE = "[WARNING:swift] a thing that nobody has seen\x1b[2J"
RANDOM = "[WARNING:swift] There are errors in the template.encode, and another piece of data will be randomly selected."


@pytest.fixture
def train(tmp_path, capsys, monkeypatch):
    """(exit code, stdout, stderr, the log) of a training that logs these lines and records and then runs some code."""
    monkeypatch.setattr("swift_plugins.progress.POLL", 0.02)
    out = tmp_path / "out"

    def run(lines=(), records=(), code="", args=ARGS, **env):
        (tmp_path / "run.py").write_text(
            "import json, sys, time\n"
            f"open({str(out / 'args.json')!r}, 'w').write({json.dumps(args)!r})\n"
            f"for line in {[*lines]!r}: print(line, file=sys.stderr)\n"
            f"open({str(out / 'logging.jsonl')!r}, 'a').write({''.join(json.dumps(r) + chr(10) for r in records)!r})\n"
            + textwrap.dedent(code)
        )
        before = signal.getsignal(signal.SIGTERM)
        try:
            done = follow([sys.executable, str(tmp_path / "run.py")], {**os.environ, **env}, out)
        finally:
            signal.signal(signal.SIGTERM, before)
        return done, *capsys.readouterr(), *(path.read_text() for path in out.glob("*.log"))

    return run


def test_losses_metrics_speed_and_time_left_are_printed_and_the_rest_is_in_the_log(train):
    stage, arguments = "[INFO:swift] Start time of running main: 2026", "[INFO:swift] args: SftArguments("
    code, said, err, log = train([arguments, stage, "Train:  10%\rTrain:  20%"], [STEP, EVAL, END])
    assert (code, err) == (0, "")
    assert [line.split("] ", 1)[1] for line in said.splitlines()[1:]] == [
        "reading the data",
        "step 3/8  loss 2.5  token accuracy 0.5  16 rows/s  3s left",
        "step 3/8  eval_loss 1.5  eval_verdict_accuracy 75",
        "trained in 1 min 5 s, mean loss 2",
    ]
    assert arguments in log
    assert "train.log" in said.splitlines()[0]


def test_a_resumed_training_prints_its_own_steps(train):
    train(records=[STEP])
    later = STEP | {"global_step/max_steps": "4/8"}
    _, said, _, log = train(["again"], records=[later])
    assert "step 4/8" in said
    assert "step 3/8" not in said
    assert "again" in log


def test_known_harmless_warnings_are_not_shown_and_others_once(train):
    code, _, err, _ = train([TRUSTED, TRUSTED, CAPPED, STRANGE, STRANGE])
    assert code == 0
    assert err == "[WARNING:swift] a thing that nobody has seen\\u001b[2J\n"


@pytest.mark.parametrize(
    ("lines", "records", "problem"),
    [
        ([RANDOM], [], "put `strict: true` back ([WARNING:swift] There are errors"),
        ([], [STEP | {"loss": float("nan")}], "at step 3/8 the loss or its gradient is no number"),
        ([], [STEP | {"grad_norm": float("nan")}], "at step 3/8 the loss or its gradient is no number"),
    ],
)
def test_a_harmful_warning_ends_the_training(train, lines, records, problem):
    begin = time.monotonic()
    code, _, err, _ = train(lines, records, "time.sleep(60)")
    assert time.monotonic() - begin < 30
    assert code != 0
    assert problem in err
    assert err.count("\n") == 1


def test_half_precision_skips_steps_without_a_gradient(train):
    assert train(records=[STEP | {"grad_norm": float("nan")}], args=ARGS | {"fp16": True})[0] == 0


def test_a_failure_shows_the_tracebacks_last_lines_and_the_log(train):
    code, _, err, _ = train(["[INFO:swift] args: x"] * 50, code="raise ValueError('train.jsonl:3: no such row')")
    assert code == 1
    *_, last, where = err.splitlines()
    assert last == "ValueError: train.jsonl:3: no such row"
    assert where.endswith("train.log")
    assert "args" not in err


def test_a_process_that_was_killed_shows_its_last_lines(train):
    code, _, err, _ = train(["one", "two"], code="import os; os.kill(os.getpid(), 9)")
    assert code == -signal.SIGKILL
    assert err.startswith("one\ntwo\n")


def test_a_rank_that_failed_is_shown_and_not_who_started_it():
    block = ["[rank1]: Traceback (most recent call last):", '[rank1]:   File "a.py"', "[rank1]: ValueError: bad row"]
    agent = ["Traceback (most recent call last):", "torch.distributed.elastic.ChildFailedError: run.py FAILED"]
    assert fault_in(["x", *block, "W1126 closing", *agent]) == block


def test_further_nodes_have_logs_of_their_own(train, tmp_path):
    assert train(["first"])[3].endswith("first\n")
    train(["second"], NODE_RANK="1")
    assert "second" in (tmp_path / "out" / "train_node1.log").read_text()
    assert "second" not in (tmp_path / "out" / "train.log").read_text()


def test_sigterm_ends_the_training_with_all_that_it_started(tmp_path):
    """As a scheduler sends it, to the launcher alone."""
    line = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {'import time; time.sleep(60)'!r}])"
    code = (
        "import os, pathlib, sys\nfrom swift_plugins.progress import follow\n"
        f"follow([sys.executable, '-c', {line!r}], dict(os.environ), pathlib.Path({str(tmp_path)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    process.stdout.readline()
    children = f"/proc/{process.pid}/task/{process.pid}/children"
    while not (child := open(children).read().split()) or not (
        grand := open(f"/proc/{child[0]}/task/{child[0]}/children").read().split()
    ):
        time.sleep(0.02)
    process.terminate()
    assert process.wait(20) != 0
    for pid in (*child, *grand):
        assert not os.path.exists(f"/proc/{pid}") or " Z " in open(f"/proc/{pid}/stat").read()


def test_durations_are_read_at_a_glance():
    assert [duration(seconds) for seconds in (0.4, 65, 7505)] == ["0 s", "1 min 5 s", "2 h 5 min"]


def test_a_prediction_hides_what_is_harmless_and_nothing_else():
    from swift_plugins.core.known_warnings import hide_harmless

    said = io.StringIO()
    logger = logging.getLogger("transformers")
    handler = logging.StreamHandler(said)
    logger.addHandler(handler)
    try:
        hide_harmless()
        logger.warning(CAPPED)
        logger.warning("weights are missing")
    finally:
        logger.removeHandler(handler)
    assert said.getvalue() == "weights are missing\n"


SAID_IN = {
    "swift": (
        "model/register",
        "dataset/utils",
        "dataset/preprocessor/core",
        "arguments/base_args/base_args",
        "pipelines/base",
    ),
    "transformers": ("models/qwen2_vl/video_processing_qwen2_vl", "configuration_utils", "trainer"),
    "qwen_vl_utils": ("vision_process",),
}


def test_what_is_known_of_the_libraries_is_what_they_say():
    """Each text and marker stands in one of the installed libraries, as it is written there."""
    said = ""
    for package, modules in SAID_IN.items():
        if (spec := importlib.util.find_spec(package)) is None:
            pytest.skip(f"{package} is not installed")
        folder = Path(spec.submodule_search_locations[0])
        said += "".join((folder / f"{module}.py").read_text(encoding="utf-8") for module in modules)
    known = [*HARMLESS, *HARMFUL, *(marker for marker, _ in STAGES)]
    assert [text for text in known if text not in said] == []


def test_rows_in_packs_are_counted(train):
    _, said, _, _ = train(["packing: 30 rows lie in 12 packs"], [STEP])
    assert "packing: 30 rows lie in 12 packs: a step takes 20 rows" in said
    assert "step 3/8  loss 2.5  token accuracy 0.5  40 rows/s" in said
