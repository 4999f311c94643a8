"""A training as its user sees it: what it is doing, its losses and its speed; all that it says is in a log file.

The log is OUTPUT_DIR/train.log, on a further node train_node<rank>.log; the first node prints the losses of all. A
training goes on where this is killed.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from swift_plugins.core.known_warnings import HARMFUL, is_harmless
from swift_plugins.core.printable import say
from swift_plugins.core.speed import PACKS

POLL = 0.25  # seconds between two looks at the log
SHOWN = 300  # characters of a warning
LAST_LINES = 8  # of a traceback
# A line of the log that holds the first -> what the training does from then on.
STAGES = (
    ("Successfully imported external_plugins", "checking the arguments and the model's folder"),
    ("Global seed set to", "loading the model"),
    ("Start time of running main", "reading the data"),
    (" will be saved in: ", "preparing the first step"),
)
PACKED = re.compile(PACKS.format(rows="([0-9]+)", packs="([0-9]+)"))
WARNING = re.compile(r"\[(WARNING|ERROR|CRITICAL):|\[transformers\] |.*\b(User|Runtime)Warning: ")


def lines_of(file: BinaryIO) -> Iterator[str]:
    """The whole lines that a file has got since the last call; progress bars write theirs over one another."""
    for line in iter(file.readline, b""):
        if not line.endswith(b"\n"):
            file.seek(-len(line), os.SEEK_CUR)
            return
        yield from (part.decode(errors="replace") for part in line.rstrip(b"\r\n").split(b"\r"))


def duration(seconds: float) -> str:
    """2 h 5 min, 3 min 20 s"""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


class Progress:
    """What the log and ms-swift's logging.jsonl of a training say, told shortly; `harm` is why it must not go on."""

    def __init__(self, log: BinaryIO, steps: Path):
        self.log, self.steps = log, steps
        self.done = steps.stat().st_size if steps.is_file() else 0  # of an earlier run
        self.begin = time.monotonic()
        self.seen: set[str] = set()
        self.rows = 0.0  # of one step
        self.in_pack = 1.0
        self.fp16 = False
        self.harm: str | None = None

    def look(self) -> None:
        """Print what is new."""
        for line in lines_of(self.log):
            for marker, stage in STAGES:
                if marker in line and stage not in self.seen:
                    self.seen.add(stage)
                    self.say(stage)
            if match := PACKED.search(line):
                self.in_pack = int(match[1]) / int(match[2])
                self.say(f"{match[0]}: a step takes {self.batch():.4g} rows")
            self.warn(line)
        if not self.steps.is_file():
            return
        with open(self.steps, "rb") as file:
            file.seek(self.done)
            for line in lines_of(file):
                self.step(json.loads(line))
            self.done = file.tell()

    def say(self, text: str) -> None:
        say(f"[{duration(time.monotonic() - self.begin)}] {text}")

    def warn(self, line: str) -> None:
        """Print a warning once, unless it is known to be harmless; a harmful one ends the training."""
        if cure := next((cure for text, cure in HARMFUL.items() if text in line), None):
            self.harm = self.harm or f"{cure} ({line.strip()[:SHOWN]})"
        elif WARNING.match(line) and not is_harmless(line) and line not in self.seen:
            self.seen.add(line)
            say(line.strip()[:SHOWN], sys.stderr)

    def step(self, row: dict[str, Any]) -> None:
        """Print the losses, metrics and speed of one of ms-swift's records, all of whose values are means."""
        if "global_step/max_steps" not in row:  # the summary at the end
            return
        if "train_runtime" in row:
            self.say(f"trained in {duration(row['train_runtime'])}, mean loss {row['train_loss']:.4g}")
            return
        step = f"step {row['global_step/max_steps']}"
        if "loss" not in row:
            found = {k: v for k, v in row.items() if k.startswith("eval_") and not k.endswith(("_runtime", "_second"))}
            self.say("  ".join([step, *(f"{name} {value:.4g}" for name, value in found.items())]))
            return
        self.rows = self.rows or self.batch()
        if math.isnan(row["loss"]) or (math.isnan(row.get("grad_norm", 0)) and not self.fp16):  # fp16 skips such a step
            self.harm = f"at {step} the loss or its gradient is no number, and nothing is learned from there on: go on "
            self.harm += "from an earlier checkpoint with a lower --learning_rate"
        parts = [step, f"loss {row['loss']:.4g}"]
        parts += [f"token accuracy {row['token_acc']:.4g}"] if "token_acc" in row else []
        parts += [f"{self.rows / row['train_speed(s/it)']:.3g} rows/s", f"{row['remaining_time']} left"]
        self.say("  ".join(parts))

    def batch(self) -> float:
        """How many rows a step takes, as ms-swift's own record of the arguments has it."""
        args = json.loads((self.steps.parent / "args.json").read_text(encoding="utf-8"))
        self.fp16 = bool(args.get("fp16"))
        at_once = args["per_device_train_batch_size"] * args["global_world_size"]
        accumulated = args["gradient_accumulation_steps"] or max(1, math.ceil(16 / at_once))  # ms-swift's default
        return self.in_pack * at_once * accumulated


def fault_in(lines: list[str]) -> list[str]:
    """The end of the last traceback in a log, not that of the process that started the others; else its last lines."""
    begins = [i for i, line in enumerate(lines) if "Traceback (most recent call last):" in line]
    for begin, end in reversed([*itertools.pairwise([*begins, len(lines)])]):
        block = lines[begin:end]
        last = next((i for i, line in enumerate(block) if re.match(r"(\[rank\d+\]: ?)?[\w.]+(:|$)", line)), len(block))
        if not any("ChildFailedError" in line for line in block):
            return block[: last + 1][-LAST_LINES:]
    return [line for line in lines if line.strip()][-LAST_LINES:]


def descendants(pid: int) -> Iterator[int]:
    """A process and all that it started, those that were started last first."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            for child in children.read_text().split():
                yield from descendants(int(child))
    yield pid


def stop(child: subprocess.Popen[bytes]) -> None:
    """End a training and all of its processes; torchrun takes its workers with it."""
    for pid in [*descendants(child.pid)]:
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            continue
    child.wait()


def follow(command: list[str], env: dict[str, str], out: Path) -> int:
    """Run a training into its log and print its progress; returns its exit code. SIGTERM ends it as Ctrl-C does."""
    node = env.get("NODE_RANK") or "0"
    path = out / ("train.log" if node == "0" else f"train_node{node}.log")
    out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with open(path, "ab") as written, open(path, "rb") as read:
        begin = read.seek(0, os.SEEK_END)
        progress = Progress(
            read, out / "logging.jsonl" if node == "0" else Path(os.devnull)
        )  # the first node's are all
        progress.say(f"loading torch, transformers and ms-swift; all that they say is in {path}")
        child = subprocess.Popen(
            command,
            env=env | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
        )
        try:
            while child.poll() is None and not progress.harm:
                progress.look()
                time.sleep(POLL)
            progress.look()
        finally:
            if child.poll() is None:
                stop(child)
        code = child.returncode
        if progress.harm:
            say(f"train: {progress.harm}; the log is {path}", sys.stderr)
            return code or 1
        if code:
            read.seek(begin)
            said = fault_in(read.read().decode(errors="replace").splitlines())
            for line in (*said, f"train: it failed (exit code {code}); the whole log is {path}"):
                say(line, sys.stderr)
    return code
