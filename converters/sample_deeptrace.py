"""Write a small synthetic RewardData: real MP4 clips with planted traces, in DeepTraceReward's published layout.

    python converters/sample_deeptrace.py --out data/sample_rewarddata

Every clip is a lit scene (sky, ground, a sun to one side, grain) in which a ball and a crate stand or move. In a fake
clip one cell of a 3 x 3 grid shows, from its onset to the end, a trace of one of the nine categories of DeepTraceReward
(section 2.3). Real and fake clips agree in size, length, frame rate, codec and sound, so that only the pixels tell them
apart. Clip i of a split draws from a seed of its own, made of (--seed, split, i): no two splits share one.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from functools import partial
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np

from converters.samples.drawing import CELL, COLOURS, CRATE, FPS, FRAMES, GRID, INSET, SIZE, background, bar, disc
from converters.samples.making import make_items, make_sample
from converters.samples.traces import paint_trace
from swift_plugins.core.commands import whole_number
from swift_plugins.core.printable import say
from swift_plugins.core.tasks.deeptrace import CATEGORIES

ONSETS = (2, 4, 6)  # 1-based first frames: 0.5, 1.0 and 1.5 s
SPLITS = ("train", "val", "test")
GENERATORS = ("Pika 1.5", "Kling 1.0", "Kling 1.5", "Gen-3", "Mochi 1", "MiniMax-Video-01", "Sora")
REAL_SOURCE = "LLaVA-Video-178K_0_30_s_academic_v0_1"

# What an annotator would write, and the raw checklist tag that the published mapping turns into the category.
TRACES = {
    "object distortion": ("shape distortion", "the {c} ball melts into a spiky shape"),
    "sudden blurring": ("sudden blurring", "the {c} ball is suddenly blurred"),
    "object trajectory": ("unsmooth motion", "the {c} ball jumps along a zigzag path"),
    "redundant object": ("redundant object", "extra copies of the {c} ball appear"),
    "object merging": ("object merging", "two {c} balls merge into one"),
    "object splitting": ("object splitting", "the {c} ball splits into two halves"),
    "background distortion": ("background distortion", "the wall behind the {c} ball ripples"),
    "object disappearance": ("object disappearance", "the {c} ball disappears and leaves a ring"),
    "unexpected move": ("unexpected move", "the crate beside the {c} ball moves on its own"),
}
assert tuple(sorted(TRACES)) == tuple(sorted(CATEGORIES))


def explanation_of(category: str, colour: str) -> str:
    """For example: Object splitting: the red ball splits into two halves."""
    return f"{category.capitalize()}: {TRACES[category][1].format(c=colour)}."


# ------------------------------------------------------------------------------------------------------------ drawing
# A picture is a float array (SIZE, SIZE, 3); YY and XX are its pixel coordinates; a mask is a boolean array of it.


def draw_clip(rng: np.random.Generator, trace: dict | None) -> list[np.ndarray]:
    """The frames (uint8, SIZE x SIZE x 3) of one clip; `trace` has category, corner, colour and first_frame."""
    scene = background(rng)
    cells = [(CELL * x, CELL * y) for x in range(GRID) for y in range(GRID)]
    rng.shuffle(cells)
    if trace:
        cells.remove(trace["corner"])
        cells.insert(0, trace["corner"])
    colour = trace["colour"] if trace else list(COLOURS.values())[rng.integers(len(COLOURS))]
    (ball_x, ball_y), (crate_x, crate_y) = cells[:2]
    scene[bar(crate_x + CELL / 2, crate_y + CELL / 2 + 8, 10, 10)] = CRATE
    drift, phase = rng.uniform(-0.6, 0.6, 2), rng.uniform(0, 6)
    frames = []
    for number in range(1, FRAMES + 1):
        picture = scene.copy()
        if trace and number >= trace["first_frame"]:
            paint_trace(picture, trace["category"], trace["corner"], colour, number - trace["first_frame"])
        else:
            step = number - FRAMES / 2
            x, y = ball_x + CELL / 2 + drift[0] * step, ball_y + CELL / 2 + drift[1] * step
            picture[disc(x, y, 10 + np.sin(phase) * 2)] = colour
        frames.append(np.clip(picture, 0, 255).astype(np.uint8))
    return frames


def write_mp4(path: Path, frames: list[np.ndarray], fps: int) -> None:
    """H.264 in yuv420p, without sound; one thread, so that the same frames give the same file."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "16", "preset": "ultrafast", "threads": "1"})
        stream.height, stream.width, stream.pix_fmt = frames[0].shape[0], frames[0].shape[1], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


# ---------------------------------------------------------------------------------------------------------- the rows


def make_clip(fakes: int, out: Path, seed: int, split: str, index: int) -> dict:
    """Write clip `index` of a split and return its row of all_data.json.

    Before each real one come so many `fakes` in training, and one in the other splits.
    """
    fakes = fakes if split == "train" else 1
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    tag = hashlib.sha256(f"{seed}/{split}/{index}".encode()).hexdigest()
    fake = index % (fakes + 1) < fakes
    row = {
        "video_type": "fake_video" if fake else "real_video",
        "video_width": SIZE,
        "video_height": SIZE,
        "video_frame_rate": FPS,
        "video_frame_count": FRAMES,
        "video_duration": FRAMES / FPS,
        "video_mime_type": "video/mp4",
        "split": split,
    }
    if not fake:
        name = f"0_30_s_academic_v0_1_{int(tag[:3], 16)}-{tag[3:14]}-split_{index}"
        write_mp4(out / "real_videos" / f"{name}.mp4", draw_clip(rng, None), FPS)
        return row | {"video_id": name, "video_path": f"real_videos/{name}.mp4", "video_source": REAL_SOURCE}
    number = index - index // (fakes + 1)  # of the fake ones
    category = CATEGORIES[number % len(CATEGORIES)]
    colour = list(COLOURS)[rng.integers(len(COLOURS))]
    corner = (int(rng.integers(GRID)) * CELL, int(rng.integers(GRID)) * CELL)
    first = int(rng.choice(ONSETS))
    name = f"cm{tag[:23]}"
    trace = {"category": category, "corner": corner, "colour": COLOURS[colour], "first_frame": first}
    write_mp4(out / "videos" / f"{name}.mp4", draw_clip(rng, trace), FPS)
    side = CELL - 2 * INSET
    return row | {
        "video_id": name,
        "video_path": f"videos/{name}.mp4",
        "video_source": GENERATORS[number % len(GENERATORS)],
        "video_prompt": f"A {colour} ball and a crate on a meadow",
        "faketrace_first_frame": first,
        "faketrace_last_frame": FRAMES,
        "faketrace_duration": (FRAMES - first) / FPS,
        "faketrace_bbox": {"left": corner[0] + INSET, "top": corner[1] + INSET, "width": side, "height": side},
        "faketrace_explanations": explanation_of(category, colour),
        "faketrace_check_applies": [TRACES[category][0]],
    }


def write_all(args: argparse.Namespace) -> None:
    for folder in ("videos", "real_videos"):
        (args.out / folder).mkdir(parents=True, exist_ok=True)

    import json

    counts = {split: getattr(args, split) for split in SPLITS}
    rows: list[dict] = [row for _, row in make_items(partial(make_clip, args.fakes), args, counts, "clip")]
    rows.sort(key=lambda row: row["video_type"])  # all fakes, then all reals, as published
    (args.out / "all_data.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    say(f"wrote {len(rows)} clips and all_data.json to {args.out}")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write (must not exist or be empty)")
    parser.add_argument("--train", type=whole_number(), default=3000, help="training clips (default 3000)")
    parser.add_argument("--val", type=whole_number(0), default=100, help="validation clips (default 100)")
    parser.add_argument("--test", type=whole_number(0), default=200, help="held-out clips (default 200)")
    parser.add_argument(
        "--fakes",
        type=whole_number(),
        default=1,
        metavar="N",
        help="fake clips for each real one in training (default 1)",
    )
    parser.add_argument("--seed", type=whole_number(0), default=0, help="seed of all clips (default 0)")
    parser.add_argument("--workers", type=whole_number(), default=2, help="processes (default 2)")
    return make_sample(parser, argv, write_all)


if __name__ == "__main__":
    sys.exit(main())
