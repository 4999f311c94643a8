"""How fast the FakeClue converter is, beside Hugging Face `datasets` doing the same.

    python tests/bench_fakeclue.py

Both read the same synthetic data_json (as many rows as published, explanations of 60 to 140 words, no image files),
build every row by the same make_row and write JSONL; the converter also locates the images, looks for leakage and
shortcuts, hashes its files and writes the manifest. The converter's time is that of the whole command, start and
imports included; `datasets` is timed in a new process without either. The ratio compares CPU time, without either.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import msgspec

from converters import fakeclue_to_swift
from converters.conversion.sources import Sourced
from converters.layouts.fakeclue import CATEGORIES, PUBLISHED, SPLITS, Raw
from converters.rows.fakeclue import make_row
from swift_plugins.core.tasks import fakevlm
from tests.bench_converter import apart, measured, sentence
from tests.benching import REPEATS, fewer

TARGET = 4.0  # s for the whole command
SCRIPT = Path(fakeclue_to_swift.__file__)
MANIPULATIONS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")


def row(rng: random.Random, index: int, label: int) -> dict:
    category = rng.choice(list(CATEGORIES))
    image = f"genimage/{category}/{index:06d}.{'jpg' if label else 'png'}"
    if category == "deepfake":
        a = rng.randrange(1000)  # FF++ has a thousand videos of each kind
        b = a ^ 1
        part = "real/youtube" if label else f"fake/{rng.choice(MANIPULATIONS)}"
        image = f"ff++/{part}/c23/frames/{f'{a:03d}' if label else f'{a:03d}_{b:03d}'}/{index % 300:03d}.png"
    answer = f"This is a {('fake', 'real')[label]} image. {sentence(rng, 30, 70)} {sentence(rng, 30, 70)}"
    return {
        "image": image,
        "label": label,
        "cate": category,
        "width": 256,
        "height": rng.choice((256, 384, 512)),
        "conversations": [{"from": "human", "value": fakevlm.QUESTION}, {"from": "gpt", "value": answer}],
    }


def write_source(folder: Path) -> int:
    rng, total = random.Random(0), 0
    (folder / "data_json").mkdir()
    for split in SPLITS:
        labels = [label for label, count in enumerate(PUBLISHED[split]) for _ in range(fewer(count))]
        rng.shuffle(labels)
        rows = [row(rng, total + i, label) for i, label in enumerate(labels)]
        (folder / "data_json" / f"{split}.json").write_text(json.dumps(rows, indent=2), encoding="utf-8")
        total += len(rows)
    return total


def options(folder: Path) -> list[str]:
    return ["--src", str(folder), "--out", str(folder / "out"), "--check", "none"]


def by_command(folder: Path) -> float:
    """Wall-clock seconds of the command, from its start to its end."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, str(SCRIPT), *options(folder)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def by_converter(folder: Path) -> tuple[float, float]:
    with contextlib.redirect_stderr(io.StringIO()):
        return measured(lambda: fakeclue_to_swift.main(options(folder)))


def by_datasets(folder: Path) -> tuple[float, float]:
    import datasets

    datasets.disable_progress_bars()

    def convert() -> None:
        for split in SPLITS:
            file = str(folder / "data_json" / f"{split}.json")
            table = datasets.load_dataset("json", data_files=file, split="train", cache_dir=str(folder / "cache"))

            def make(raw: dict, index: int, split: str = split, file: str = file) -> dict:
                path = str(folder / split / raw["image"])
                found = msgspec.convert(raw, Raw)
                return make_row(Sourced(file, f"{split}/{index}", split, found, path=path), {})

            made = table.map(make, with_indices=True, remove_columns=table.column_names)
            made.to_json(folder / f"{split}.datasets.jsonl")

    return measured(convert)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        count = apart(write_source, folder)
        size = sum(file.stat().st_size for file in (folder / "data_json").iterdir()) / 1e6
        print(f"{count:,} rows, {size:.0f} MB; best of {REPEATS} (datasets: once)")
        whole = min(by_command(folder) for _ in range(REPEATS))
        ours = min(apart(by_converter, folder) for _ in range(REPEATS))
        theirs = apart(by_datasets, folder)
    print(f"{'':24}{'CPU us/row':>12}{'rows/s':>10}{'peak MB':>10}")
    for name, (seconds, peak) in {"fakeclue_to_swift.py": ours, "datasets": theirs}.items():
        print(f"{name:24}{seconds / count * 1e6:12.1f}{count / seconds:10,.0f}{peak:10,.0f}")
    print(f"{theirs[0] / ours[0]:.1f} times as fast as load_dataset, map and to_json of datasets")
    print(f"the whole command: {whole:.2f} s; target {TARGET:g} s: {'met' if whole < TARGET else 'NOT met'}")


if __name__ == "__main__":
    main()
