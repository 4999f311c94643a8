"""How fast image headers are checked, beside what one would do without the converters' checks.

    python tests/bench_images.py [--count 100000]

The files are JPEGs and PNGs of 256 x 256 to 1024 x 768 px, each linked to as often as --count asks for; they are read
once before anything is timed, so that the cache is warm. Beside check_many at level "header" stand decoding each file
by Pillow, and one guarded job a file, as it was done before files went to a worker in chunks. Those two take a sample.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
from PIL import Image

from swift_plugins.core.checks import check_many, check_media
from swift_plugins.core.commands import whole_number
from swift_plugins.core.guarded import run_guarded
from swift_plugins.core.media import Media
from tests.benching import REPEATS, fewer

TARGET = 5000  # files a second
WORKERS = 2
DISTINCT, SAMPLE = 2000, 2000
SIZES = ((256, 256), (256, 256), (512, 512), (500, 375), (1024, 768))


def write_images(folder: Path, count: int) -> list[str]:
    """Parts of one smooth picture with some noise, so that the files are about as large as those of photographs."""
    rows, columns = np.mgrid[0:1024, 0:1280][..., None]
    picture = 128 + 80 * np.sin(0.03 * rows + 0.05 * columns + np.arange(3))
    picture = np.clip(picture + np.random.default_rng(0).normal(0, 6, picture.shape), 0, 255).astype(np.uint8)
    paths = []
    for i in range(min(count, DISTINCT)):
        width, height = SIZES[i // 2 % len(SIZES)]
        path = folder / f"{i}.{('jpg', 'png')[i % 2]}"
        Image.fromarray(picture[i % 256 : i % 256 + height, i // 8 : i // 8 + width]).save(path)
        paths.append(path)
    for i in range(len(paths), count):
        link = folder / f"{i}{paths[i % DISTINCT].suffix}"
        os.link(paths[i % DISTINCT], link)
        paths.append(link)
    return [str(path) for path in paths]


def load(path: str) -> tuple[int, int]:
    with Image.open(path) as image:
        image.load()
        return image.size


def rate(work: Callable[[], Any], count: int, repeats: int = REPEATS) -> float:
    """Files a second, the best of several runs."""
    best = 0.0
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        best = max(best, count / (time.perf_counter() - begin))
    return best


def check_all(paths: list[str]) -> None:
    assert all(isinstance(found, Media) for _, found in check_many(paths, "header", WORKERS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=whole_number(), default=fewer(20_000), help="image files (default 20000)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        paths = write_images(Path(root), args.count)
        size = sum(len(Path(path).read_bytes()) for path in paths[:DISTINCT]) / len(paths[:DISTINCT]) / 1e3
        print(f"{len(paths):,} files of {size:.0f} KB on average, {WORKERS} workers; best of {REPEATS}")
        some = paths[:SAMPLE]
        ours = rate(lambda: check_all(paths), len(paths))
        single = rate(lambda: list(run_guarded(check_media, [(p, "header") for p in some], WORKERS)), len(some))
        decoded = rate(lambda: list(run_guarded(load, [(p,) for p in some], WORKERS, chunk=64)), len(some), 1)
    print(f"{'':36}{'files/s':>10}{'ratio':>8}")
    for name, found in {
        "check_many, header": ours,
        "one guarded job a file": single,
        "Image.open(...).load(), in chunks": decoded,
    }.items():
        print(f"{name:36}{found:10,.0f}{ours / found:8.1f}")
    print(f"target {TARGET:,} files/s: {'met' if ours >= TARGET else 'NOT met'}")


if __name__ == "__main__":
    main()
