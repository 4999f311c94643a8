"""What a run of prediction against servers costs: repeated requests when it is killed, memory, and time.

    python tests/bench_answering.py

The servers are on loopback and take a stated time for each answer. Kills come at random moments, each after the run
has gone on; beside the requests that are repeated stand those of a run that would begin anew. Memory is the largest
resident set of a run over rows with an image each; beside it stands what their requests weigh together, which a client
that makes them all at once holds. Time is that of one server, of a pool of three, and of one request after another.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
from PIL import Image

from swift_plugins.core.commands import whole_number
from swift_plugins.core.records import encode, read_rows
from tests.answering.killed import command, counting, kill_often, run, without_times, write_data
from tests.benching import fewer

KILLS, AT_ONCE, ROWS = 50, 4, 2000
POOL_ROWS = 240
MEMORY_ROWS, MEMORY = 20_000, 1 << 30
TAKES = 0.5  # seconds of a server for an answer


def peak_of(line: list[str]) -> int:
    """The largest resident set of a command, in bytes."""
    pid = os.posix_spawn(line[0], line, os.environ | {"OPENAI_API_KEY": "none", "NEXT_STEPS": "no"})
    _, status, used = os.wait4(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return used.ru_maxrss * (1024 if sys.platform == "linux" else 1)


def bench_kills(folder: Path, kills: int) -> None:
    rows = max(60, ROWS * kills // KILLS)
    write_data(folder / "data.jsonl", rows)
    with counting(0.02) as (url, asked):
        whole, out = folder / "whole.jsonl", folder / "out.jsonl"
        assert run(command(url, folder / "data.jsonl", whole, "--batch-size", AT_ONCE)).returncode == 0
        asked.clear()
        line = command(url, folder / "data.jsonl", out, "--batch-size", AT_ONCE)
        kill_often(line, out, kills, 0.1)
        left = rows - out.read_bytes().count(b"\n")
        assert run(line).returncode == 0
    same, again = without_times(out) == without_times(whole), asked.total() - rows
    print(f"killed {kills} times, {AT_ONCE} requests at once, {rows} rows, {left} left after the last kill")
    print(f"  the final file is that of a run that was not killed: {'yes' if same else 'NO'}")
    print(f"  requests repeated: {again}, {again / kills:.2f} a kill (begun anew: about {(rows - left) // 2})")
    print(f"  target at most {AT_ONCE} a kill, same file: {'met' if same and again <= kills * AT_ONCE else 'NOT met'}")


def bench_memory(folder: Path, count: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    Image.fromarray(picture).save(folder / "0.png")
    write_data(folder / "data.jsonl", count, filler=800)
    with open(folder / "images.jsonl", "wb") as file:
        for number, (_, row) in enumerate(read_rows(folder / "data.jsonl")):
            path = folder / f"{number}.png"
            if number:
                os.link(folder / "0.png", path)
            row["messages"][0]["content"] += "<image>"
            file.write(encode(row | {"images": [str(path)]}) + b"\n")
    body = os.path.getsize(folder / "0.png") * 4 // 3 + 1000
    with counting(0) as (url, _):
        line = command(url, folder / "images.jsonl", folder / "out.jsonl", "--batch-size", 16, "--check", "header")
        begin = time.perf_counter()
        peak = peak_of(line)
        seconds = time.perf_counter() - begin
    assert (folder / "out.jsonl").read_bytes().count(b"\n") == count
    print(f"{count:,} rows with an image of {os.path.getsize(folder / '0.png') / 1e3:.0f} KB: {seconds:.0f} s")
    print(f"  peak {peak / 1e6:,.0f} MB (all their requests together: {count * body / 1e6:,.0f} MB)")
    print(f"  target {MEMORY / 1e6:,.0f} MB: {'met' if peak < MEMORY else 'NOT met'}")


def rate_of(folder: Path, count: int, servers: int, at_once: int) -> float:
    """Rows a second of the run, the start of its process left out."""
    write_data(folder / "data.jsonl", count)
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(counting(TAKES))[0] for _ in range(servers)]
        line = command(urls[0], folder / "data.jsonl", folder / "out.jsonl", "--batch-size", at_once)
        for url in urls[1:]:
            line += ["--base-url", url]
        begin = time.perf_counter()
        assert run(line).returncode == 0
        seconds = time.perf_counter() - begin
        begin = time.perf_counter()
        assert run(line).returncode == 0  # all is done: this is what a start costs
        return count / (seconds - (time.perf_counter() - begin))


def bench_pool(root: Path, count: int) -> None:
    found = {}
    for name, servers, at_once in (("one after another", 1, 1), ("one server", 1, 8), ("a pool of three", 3, 8)):
        folder = root / name
        folder.mkdir()
        some = count if servers * at_once > 1 else max(5, count // 8)
        found[name] = rate_of(folder, some, servers, at_once)
    print(f"{count} rows, {TAKES * 1e3:.0f} ms an answer, 8 requests at once of each server")
    for name, rate in found.items():
        print(f"  {name:20} {rate:8.0f} rows/s")
    ratio = found["a pool of three"] / found["one server"]
    print(f"  target 2 times one server: {ratio:.1f} {'met' if ratio >= 2 else 'NOT met'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=whole_number(), default=fewer(KILLS), help="kills (default 50)")
    parser.add_argument(
        "--rows", type=whole_number(), default=fewer(MEMORY_ROWS), help="rows of the memory (default 20000)"
    )
    args = parser.parse_args()
    for bench, count in ((bench_kills, args.kills), (bench_memory, args.rows), (bench_pool, fewer(POOL_ROWS))):
        with tempfile.TemporaryDirectory() as folder:
            bench(Path(folder), count)


if __name__ == "__main__":
    main()
