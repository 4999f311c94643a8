"""A run of prediction in a process of its own, against a server that counts; killed at random, or short of room."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from swift_plugins.core.records import encode, read_rows
from tests.answering.misbehaving import GOOD, Request, serving

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-CANARY-0123456789abcdef"


def write_data(path: Path, count: int, filler: int = 0) -> None:
    """So many rows, each of which asks for its own number."""
    with open(path, "wb") as file:
        for number in range(count):
            messages = [
                {"role": "user", "content": f"{number} " + "x" * filler},
                {"role": "assistant", "content": "REAL"},
            ]
            row = {"id": f"r{number}", "task": "deeptrace", "messages": messages, "meta": {"media_id": str(number)}}
            file.write(encode(row) + b"\n")


@contextlib.contextmanager
def counting(seconds: float) -> Iterator[tuple[str, Counter[str]]]:
    """(base URL, how often each row was asked) of a server that takes so long for each answer."""
    asked: Counter[str] = Counter()

    def behave(request: Request) -> None:
        number = request.asked["messages"][0]["content"][0]["text"].split()[0]
        asked[number] += 1
        time.sleep(seconds)
        reply = json.loads(json.dumps(GOOD))
        reply["choices"][0]["message"]["content"] = f"REAL {number}"
        request.reply(reply)

    with serving(behave) as url:
        yield url, asked


def command(url: str, data: Path, out: Path, *flags: object) -> list[str]:
    server = ("--backend", "openai", "--base-url", url, "--model", "m")
    return [
        sys.executable,
        str(ROOT / "eval/predict.py"),
        *server,
        "--data",
        str(data),
        "--out",
        str(out),
        *map(str, flags),
    ]


def run(line: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"OPENAI_API_KEY": KEY, "NEXT_STEPS": "no"}
    return subprocess.run(line, env=env, capture_output=True, text=True, timeout=600, **options)


def kill(line: Sequence[str], out: Path, after: float) -> None:
    """Start the command and kill it so many seconds after it has begun to write."""
    env = os.environ | {"OPENAI_API_KEY": KEY}
    before = out.stat().st_size if out.exists() else 0
    process = subprocess.Popen(line, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    give_up = time.monotonic() + 60
    while process.poll() is None and (not out.exists() or out.stat().st_size <= before) and time.monotonic() < give_up:
        time.sleep(0.002)
    time.sleep(after)
    process.kill()
    process.wait()


def kill_often(line: Sequence[str], out: Path, times: int, seconds: float) -> None:
    """Kill the command so often, each time up to so many seconds after it has gone on."""
    draw = random.Random(times)
    for _ in range(times):
        kill(line, out, draw.uniform(0, seconds))


def without_times(path: Path) -> list[dict[str, Any]]:
    """The rows without the seconds that they took."""
    return [{key: value for key, value in row.items() if key != "latency_s"} for _, row in read_rows(path)]
