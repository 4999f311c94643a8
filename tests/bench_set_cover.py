"""How fast images are chosen by their labels, from the pool's file to the choice and its measures, on one core.

    python tests/bench_set_cover.py [--count 1000]

The pool is a CSV of 100,000 images with 20 labels each, of 600 labels of which few are common and most rare, as
OpenImages has them. Beside it stands the plain greedy set cover, which looks at every image in every step, on the first
tenth of the steps.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import sys
import tempfile
import time
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np

from converters import choose_images
from converters.factories.set_cover import choose, table_of
from swift_plugins.core.commands import whole_number
from tests.benching import REPEATS, fewer

TARGET = 10.0  # s
IMAGES, OWN, LABELS = 100_000, 20, 600


def write_pool(path: Path, images: int) -> None:
    draw = random.Random(0)
    weights = [1 / (i + 1) for i in range(LABELS)]
    drawn = draw.choices([f"label{i:03}" for i in range(LABELS)], weights, k=images * OWN)
    lines = (f"{i:06}.jpg,{';'.join(drawn[i * OWN : (i + 1) * OWN])}" for i in range(images))
    path.write_text("\n".join(["path,labels", *lines]))


def plain(table: np.ndarray, steps: int) -> float:
    """Seconds of `steps` steps that look at every image."""
    begin = time.perf_counter()
    covered = np.zeros(LABELS + 1, bool)
    covered[LABELS] = True
    for _ in range(steps):
        best = (~covered)[table].sum(1).argmax()
        covered[table[best]] = True
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=whole_number(), default=1000, help="images to choose (default 1000)")
    args = parser.parse_args()
    images, count = fewer(IMAGES), fewer(args.count)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pool.csv"
        write_pool(path, images)
        seconds = []
        for _ in range(REPEATS):
            begin = time.process_time()
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                code = choose_images.main(["--pool", str(path), "--count", str(count), "--out", f"{folder}/out"])
            assert code == 0
            seconds.append(time.process_time() - begin)
    best = min(seconds)
    print(
        f"choose {count} of {images} images with up to {OWN} labels: {best:.2f} s of CPU (target: under {TARGET:g} s)"
    )
    draw = np.random.default_rng(0)
    table = table_of([{*draw.integers(0, LABELS, OWN).tolist()} for _ in range(images)], LABELS)
    begin = time.perf_counter()
    choose(table, LABELS, count, 0)
    alone, steps = time.perf_counter() - begin, max(1, count // 10)
    print(f"  the choice alone {alone:.2f} s; looking at every image {plain(table, steps) * count / steps:.1f} s")
    print("target met" if best < TARGET else "target missed")


if __name__ == "__main__":
    main()
