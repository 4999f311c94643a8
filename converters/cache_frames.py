"""Decode the frames of clips once: a folder from which training and prediction then take them.

    python converters/cache_frames.py --data data/deeptrace/*.jsonl --model Qwen2.5-VL-7B-Instruct \\
        --recipe recipes/deeptrace/qwen2_5_vl_7b_full.yaml --out frames
    FRAME_CACHE=frames bash shell/train_deeptrace.sh

The frames are those that the model's own template takes by the recipe's, or the checkpoint's, settings, found by the
hash of the clip's content; what another rule takes of the same clip is added when it is first asked for. A run that was
stopped goes on. Several may write to one folder on a shared disk: --shard 1/4 … --shard 4/4.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from swift_plugins.answering.clips import Cached, cache_clip
from swift_plugins.answering.options import shard_to_do
from swift_plugins.answering.shards import Shard, shard
from swift_plugins.core.commands import run, whole_number
from swift_plugins.core.frame_cache import LOSSLESS, SETTING, FrameCache, summary
from swift_plugins.core.guarded import run_guarded
from swift_plugins.core.printable import say
from swift_plugins.core.records import read_training_rows, spread

TRIED = 8  # clips from which size and time of the others are told
TIME_LIMIT = 600.0  # seconds for one clip, and for loading the libraries


def clips_of(files: list[Path], limit: int | None, part: Shard | None) -> list[str]:
    """The clips of the rows, each once, in order; of a shard its part. A list of frames needs no cache."""
    found: dict[str, None] = {}
    for file in files:
        for _, row in read_training_rows(file):
            found |= dict.fromkeys(video for video in row.get("videos") or [] if isinstance(video, str))
    if not found:
        raise ValueError(f"{', '.join(map(str, files))}: no row has a video file")
    clips = list(found)
    chosen = [clips[i] for i in spread(len(clips), limit)]
    return part.of(chosen) if part else chosen


def tell_before(tried: list[Cached], seconds: float, left: int, workers: int, out: Path) -> None:
    """Say what the others will take, from those that were tried; ValueError where the disk has no room for it."""
    needed = left * sum(one.size for one in tried) / len(tried)
    minutes = left * seconds / len(tried) / 60
    say(f"{left} more clips: about {needed / 1e9:.2f} GB and {minutes:.0f} minutes with {workers} processes")
    if (free := shutil.disk_usage(out).free) < needed:
        raise ValueError(
            f"{out} has room for {free / 1e9:.2f} GB: free some, name another folder, or take --quality 90"
        )


def main_of(args: argparse.Namespace) -> int:
    clips = clips_of(args.data, args.limit, shard_to_do(args.shard))
    FrameCache.make(args.out, args.quality, f"decord {version('decord')}")
    jobs = [(clip, args.model, args.recipe, str(args.out), i < TRIED) for i, clip in enumerate(clips)]
    failed, measured = 0, []
    results = followed(run_guarded(cache_clip, jobs, args.workers, TIME_LIMIT), args, len(clips))
    for clip, result in zip(clips, results, strict=True):
        if isinstance(result, str):
            failed += 1
            say(f"{clip}: {result}", sys.stderr)
        elif result.mean is not None:
            measured.append(result)
    told = summary(args.out)
    say(f"{told['clips']} clips in {args.out}, {told['bytes'] / 1e9:.2f} GB; {failed} could not be read")
    if measured:
        mean, most = sum(one.mean or 0 for one in measured) / len(measured), max(one.most or 0 for one in measured)
        say(f"quality {args.quality} changes a value of a frame by {mean:.2f} of 255 on average, by {most} at most")
    say(f"next: {SETTING}={args.out} before any command that trains or asks a model here")
    return 1 if failed else 0


def followed(results: Iterator[Cached | str], args: argparse.Namespace, count: int) -> Iterator[Cached | str]:
    """The results under a progress bar; behind the first of them it is said what the rest takes."""
    from tqdm import tqdm

    tried: list[Cached] = []
    begun = time.monotonic()
    with tqdm(total=count, unit="clip") as bar:
        for number, result in enumerate(results, 1):
            if isinstance(result, Cached) and number <= TRIED:
                tried.append(result)
            if number == min(TRIED, count) < count and tried:
                tell_before(tried, time.monotonic() - begun, count - number, args.workers, args.out)
            bar.update()
            yield result


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="converters' JSONL files")
    parser.add_argument("--model", required=True, help="checkpoint, or the base model's folder with --recipe")
    parser.add_argument("--recipe", type=Path, help="the recipe whose template and ENV (pixels, fps, frames) apply")
    parser.add_argument("--out", type=Path, required=True, help="folder of the cache; made, or gone on with")
    parser.add_argument(
        "--quality",
        type=int,
        default=LOSSLESS,
        choices=range(101),
        metavar="0..100",
        help="of JPEG; 0 (default): lossless PNG, some three times as large as 95, with which nothing changes",
    )
    parser.add_argument("--limit", type=whole_number(), help="so many clips, from all over the files")
    parser.add_argument(
        "--shard",
        type=shard,
        metavar="I/N",
        help="only the I-th of N parts (default the task of a Slurm array, or RANK of WORLD_SIZE, where they are set)",
    )
    parser.add_argument("--workers", type=whole_number(), default=os.cpu_count() or 1, help="processes (default all)")
    return run(main_of, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
