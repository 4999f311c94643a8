"""How fast the DeepTraceReward converter is on one core, beside Hugging Face `datasets` doing the same.

    python tests/bench_converter.py

Both read the same synthetic all_data.json (ten times the published number of rows, no media files), build every row by
the same Converter.row and write JSONL; the converter also looks for leakage and shortcuts, hashes its files and writes
the manifest. Each repeat runs in a new process; its start and imports are not counted, CPU time is.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import msgspec

from converters import deeptrace_to_swift
from converters.layouts.rewarddata import Raw
from converters.rows.deeptrace import Converter
from swift_plugins.core import boxes
from tests.benching import REPEATS, fewer

TARGET = 40_000  # rows a second
SCALE = 10
VIDEOS = 3318  # of each label, as published; TRACES says how many of the fakes have 1, 2, ... traces
TRACES = {1: 2565, 2: 566, 3: 132, 4: 40, 5: 9, 6: 6}
GENERATORS = {
    "Pika 1.5": 1742,
    "Kling 1.0": 829,
    "Gen-3": 379,
    "Kling 1.5": 171,
    "Mochi 1": 94,
    "MiniMax-Video-01": 75,
    "Sora": 28,
}
FAKE_SIZES = {(1296, 720): 1742, (1280, 720): 1100, (1280, 768): 379, (1920, 1080): 97}
REAL_SIZES = {
    (1920, 1080): 860,
    (1280, 720): 507,
    (480, 270): 475,
    (480, 360): 351,
    (640, 480): 348,
    (640, 360): 300,
    (848, 480): 121,
    (854, 480): 90,
}
SPLITS = {"train": 8, "val": 1, "test": 1}
TAGS = (
    "unsmooth motion ( motion is correct)",
    "shape distortion",
    "object merging or overlapping",
    "weird motion",
    "sudden blurring",
    "background distortion",
    "object disappearance",
    "unexpected appearance of object",
    "object splitting",
    "movement paths",
    "still things move",
)
WORDS = """the a his her hand man woman leg fingers dog face water table shape merges into suddenly disappears appears
while walking behind object and is not natural blurred moves backwards through changes when it passes"""


def sentence(rng: random.Random, shortest: int, longest: int) -> str:
    return " ".join(rng.choices(WORDS.split(), k=rng.randint(shortest, longest))).capitalize() + "."


def pick(rng: random.Random, weighted: dict[Any, int]) -> Any:
    return rng.choices(list(weighted), list(weighted.values()))[0]


def video(rng: random.Random, name: str, fake: bool) -> dict[str, Any]:
    """The part of a row that tells of its video, under the published names."""
    width, height = pick(rng, FAKE_SIZES if fake else REAL_SIZES)
    fps, frames = rng.choice((24, 25, 30, 29.97)), rng.randint(120, 300)
    return {
        "video_id": name,
        "video_type": "fake_video" if fake else "real_video",
        "video_path": f"{'videos' if fake else 'real_videos'}/{name}.mp4",
        "video_source": pick(rng, GENERATORS) if fake else "LLaVA-Video-178K_0_30_s_academic_v0_1",
        "video_prompt": sentence(rng, 60, 140) if fake else None,
        "video_width": width,
        "video_height": height,
        "video_frame_rate": fps,
        "video_frame_count": frames,
        "video_duration": round(frames / fps, 6),
        "video_mime_type": "video/mp4",
        "split": pick(rng, SPLITS),
    }


def trace(rng: random.Random, of: dict[str, Any]) -> dict[str, Any]:
    """The part of a fake row that tells of one trace."""
    width, height, last = of["video_width"], of["video_height"], of["video_frame_count"]
    left, top, first = rng.randint(0, width - 60), rng.randint(0, height - 60), rng.randint(1, last)
    box = {"left": left, "top": top, "width": rng.randint(10, width - left), "height": rng.randint(10, height - top)}
    return {
        "faketrace_first_frame": first,
        "faketrace_last_frame": last,
        "faketrace_duration": (last - first) / of["video_frame_rate"],
        "faketrace_bbox": box,
        "faketrace_explanations": sentence(rng, 5, 35) if rng.random() < 0.63 else "",
        "faketrace_check_applies": rng.sample(TAGS, rng.randint(1, 3)) if rng.random() < 0.9 else None,
    }


def real_name(rng: random.Random, index: int) -> str:
    """A flattened LLaVA-Video-178K path: YouCook2, ActivityNet, Charades or NextQA; no two indices give the same."""
    code, number = f"{index:05X}", rng.randint(1, 1999)
    forms = (f"{number}-QAbTr{code}w-split_{number % 10}", f"v_{code}kSEEM-", code, f"{number}-{10**9 + index}")
    return "0_30_s_academic_v0_1_" + rng.choices(forms, (55, 15, 15, 15))[0]


def reward_data(scale: int, seed: int = 0) -> list[dict[str, Any]]:
    """`scale` times 7,652 rows, all fakes before all reals, as published."""
    rng, rows = random.Random(seed), []
    for count, videos in TRACES.items():
        for _ in range(fewer(scale * videos)):
            of = video(rng, f"cm2p{rng.getrandbits(84):021x}", True)
            rows += [of | trace(rng, of) for _ in range(count)]
    none = dict.fromkeys(key for key in rows[0] if key.startswith("faketrace"))
    return rows + [video(rng, real_name(rng, index), False) | none for index in range(fewer(scale * VIDEOS))]


def write_reward_data(folder: Path) -> int:
    rows = reward_data(SCALE)
    (folder / "all_data.json").write_text(json.dumps(rows, indent=4), encoding="utf-8")
    return len(rows)


def by_converter(folder: Path) -> tuple[float, float]:
    return measured(lambda: deeptrace_to_swift.main(["--src", str(folder), "--out", str(folder / "converter")]))


def by_datasets(folder: Path) -> tuple[float, float]:
    import datasets

    datasets.disable_progress_bars()
    limits = {"min_pixels": boxes.VIDEO_MIN_PIXELS, "max_pixels": boxes.VIDEO_MAX_PIXELS}
    args = argparse.Namespace(src=folder, setting="full", box_space="pixel", **limits)
    converter = Converter(args)

    def convert() -> None:
        table = datasets.load_dataset(
            "json", data_files=str(folder / "all_data.json"), split="train", cache_dir=str(folder / "cache")
        )
        table = table.map(
            lambda raw: converter.row(msgspec.convert(raw, Raw, strict=False), raw["split"]),
            remove_columns=table.column_names,
        )
        table.to_json(folder / "datasets.jsonl")

    return measured(convert)


def measured(work: Callable[[], Any]) -> tuple[float, float]:
    """(CPU seconds, peak MB of the process); what the work prints is left out, and so must what went before it be."""
    begin = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        assert not work()
    return time.process_time() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(function: Callable[[Path], Any], folder: Path) -> Any:
    """Call it in a process of its own: no cache is warm, and no memory of another's counts as its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, folder).result()


def main() -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        count = apart(write_reward_data, folder)
        size = (folder / "all_data.json").stat().st_size / 1e6
        print(f"{count:,} rows, {size:.0f} MB, one process; best of {REPEATS} (datasets: once)")
        ours = min(apart(by_converter, folder) for _ in range(REPEATS))
        theirs = apart(by_datasets, folder)
    print(f"{'':24}{'us/row':>10}{'rows/s':>10}{'peak MB':>10}")
    for name, (seconds, peak) in {"deeptrace_to_swift.py": ours, "datasets": theirs}.items():
        print(f"{name:24}{seconds / count * 1e6:10.1f}{count / seconds:10,.0f}{peak:10,.0f}")
    print(f"{theirs[0] / ours[0]:.1f} times as fast as load_dataset, map and to_json of datasets")
    print(f"target {TARGET:,} rows/s: {'met' if count / ours[0] >= TARGET else 'NOT met'}")


if __name__ == "__main__":
    main()
