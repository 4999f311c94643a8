"""Write a small synthetic FakeClue: images with planted artifacts in its seven categories, in the published layout.

    python converters/sample_fakeclue.py --out data/sample_fakeclue

Every image is a lit scene with the subject of its category, a face or a headline, say, in one cell of a 3 x 3 grid. In
a fake one of four artifacts has befallen the subject; the explanation says which, and where. Real and fake images
agree in size, format and compression, so that only the pixels tell them apart. The images of "deepfake" are frames of
videos, four of each, as those from FaceForensics++ are. Image i of a split draws from a seed of its own, made of
(--seed, split, i): no two splits share one.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
from PIL import Image

from converters.samples.drawing import CELL, GRID, SIZE, XX, YY, background, bar, disc
from converters.samples.making import make_items, make_sample
from swift_plugins.core.commands import whole_number
from swift_plugins.core.printable import say
from swift_plugins.core.tasks import fakevlm

SPLITS = ("train", "test")
LABELS = {"fake": 0, "real": 1}  # FakeClue's own polarity
SUBJECTS = {
    "deepfake": "face",
    "object": "ball",
    "satellite": "roof",
    "animal": "cat",
    "doc": "headline",
    "human": "person",
    "scene": "tree",
}
SOURCES = {"object": "genimage", "animal": "genimage", "human": "chameleon", "scene": "genimage"}  # top folder on disk
QUALITY = 92  # of the JPEGs
PHOTOS = ("object", "animal", "human", "scene")  # JPEG, the others PNG
FRAMES = 4  # images of one video
FIRST_ID = {"train": 0, "test": 700}  # of the videos; FaceForensics++ numbers its videos 000 to 999
MOST = {"train": 350, "test": 150}  # videos of each label that the numbers are enough for
PLACES = [f"{row} {column}" for column in ("left", "middle", "right") for row in ("top", "centre", "bottom")]
ARTIFACTS = {
    "distortion": "melts into jagged spikes",
    "duplication": "appears in several copies",
    "splitting": "is torn into two halves",
    "texture": "dissolves into wavy stripes",
}
INTACT = "is whole and evenly lit"


# ------------------------------------------------------------------------------------------------------------ drawing
# Masks and pictures are those of converters/sample_deeptrace.py, whole images of SIZE x SIZE pixels.

INK = (35, 32, 40)
PAINT = {
    "deepfake": (225, 180, 150),
    "object": (205, 45, 45),
    "satellite": (150, 75, 55),
    "animal": (225, 150, 50),
    "doc": INK,
    "human": (60, 80, 170),
    "scene": (40, 110, 45),
}


def ground(rng: np.random.Generator, category: str) -> np.ndarray:
    """What lies behind the subject: a page for a document, a map from above, else a landscape."""
    picture = background(rng)
    if category == "doc":
        return 0.12 * picture + 205
    if category == "satellite":
        picture = 0.35 * picture + np.array([80.0, 95.0, 70.0])
        at = rng.uniform(0, SIZE)
        picture[abs(XX - at) < 4] = 120
    return picture


def shape(category: str, cx: float, cy: float, radius: float) -> np.ndarray:
    """The subject's outline."""
    if category == "doc":
        rows = [bar(cx, cy + radius * y, radius, radius / 5) for y in (-0.7, 0.0, 0.7)]
        return np.any(rows, axis=0)
    if category == "satellite":
        return bar(cx, cy, radius, 0.8 * radius)
    if category == "human":
        return disc(cx, cy - 0.6 * radius, 0.45 * radius) | bar(cx, cy + 0.45 * radius, 0.5 * radius, 0.6 * radius)
    if category == "scene":
        return disc(cx, cy - 0.3 * radius, 0.75 * radius) | bar(cx, cy + 0.6 * radius, 0.15 * radius, 0.5 * radius)
    outline = disc(cx, cy, 0.9 * radius)
    if category == "animal":
        outline |= disc(cx - 0.7 * radius, cy - 0.8 * radius, 0.3 * radius)
        outline |= disc(cx + 0.7 * radius, cy - 0.8 * radius, 0.3 * radius)
    return outline


def paint(picture: np.ndarray, category: str, cx: float, cy: float, radius: float, artifact: str | None) -> None:
    """Draw the subject into a picture, as it should be or as an artifact has left it."""
    if artifact == "duplication":
        corners = [(-0.65, -0.65), (0.65, -0.65), (-0.65, 0.65), (0.65, 0.65)]
        for x, y in corners:
            paint(picture, category, cx + x * radius, cy + y * radius, 0.55 * radius, None)
        return
    mask = shape(category, cx, cy, radius)
    if artifact == "distortion":
        spikes = 0.95 + 0.45 * np.sign(np.sin(7 * np.arctan2(YY - cy, XX - cx)))
        mask = (XX - cx) ** 2 + (YY - cy) ** 2 <= (radius * spikes) ** 2
    if artifact == "splitting":
        gap = 0.35 * radius
        halves = shape(category, cx - gap, cy, radius) & (cx - gap >= XX)
        mask = halves | (shape(category, cx + gap, cy, radius) & (cx + gap <= XX))
    if artifact == "texture":
        mask = (np.sin((YY + 5 * np.sin(XX / 5)) / 2.2) > 0.2) & bar(cx, cy, 1.3 * radius, 1.3 * radius)
    picture[mask] = PAINT[category]
    if category == "deepfake" and artifact is None:
        for x, y, size in ((-0.35, -0.2, 0.13), (0.35, -0.2, 0.13)):
            picture[disc(cx + x * radius, cy + y * radius, size * radius)] = INK
        picture[bar(cx, cy + 0.45 * radius, 0.3 * radius, 0.07 * radius)] = (170, 60, 60)


def explain(category: str, artifact: str | None, cell: tuple[int, int]) -> str:
    """For example: The face, top left, melts into jagged spikes."""
    place = PLACES[GRID * cell[0] + cell[1]]
    return f"The {SUBJECTS[category]}, {place}, {ARTIFACTS[artifact] if artifact else INTACT}."


# --------------------------------------------------------------------------------------------------------------- files


def image_path(split: str, category: str, label: str, number: int, artifact: str | None) -> str:
    """Where image `number` of its category and label lies, in the folders of FakeClue."""
    if category == "deepfake":
        video, frame = divmod(number, FRAMES)
        first = FIRST_ID[split] + video % MOST[split]
        if label == "real":
            return f"ff++/real/youtube/c23/frames/{first:03d}/{40 * frame:03d}.png"
        manipulation = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")[video % 4]
        second = FIRST_ID[split] + (video + 1) % MOST[split]
        return f"ff++/fake/{manipulation}/c23/frames/{first:03d}_{second:03d}/{40 * frame:03d}.png"
    suffix = "jpg" if category in PHOTOS else "png"
    return f"{SOURCES.get(category, category)}/{label}/{category}_{split}_{number:05d}.{suffix}"


def make_image(out: Path, seed: int, split: str, index: int) -> dict[str, Any]:
    """Write image `index` of a split and return its row."""
    number, place = divmod(index, 2 * len(SUBJECTS))
    category, label = list(SUBJECTS)[place // 2], list(LABELS)[place % 2]
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    # The frames of a video agree in what they show; each is drawn anew.
    video = [seed, SPLITS.index(split), place, number // FRAMES, 1] if category == "deepfake" else None
    what = np.random.default_rng(video) if video else rng
    cell = (int(what.integers(GRID)), int(what.integers(GRID)))
    artifact = str(what.choice(list(ARTIFACTS))) if label == "fake" else None
    picture = ground(rng, category)
    cx, cy = (CELL * (n + 0.5) + rng.uniform(-2, 2) for n in cell)
    paint(picture, category, cx, cy, rng.uniform(17, 20), artifact)
    relative = image_path(split, category, label, number, artifact)
    path = out / split / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    if path.suffix == ".jpg":
        drawn.save(path, quality=QUALITY)
    else:
        drawn.save(path)
    answer = fakevlm.render(fakevlm.Answer(label, explain(category, artifact, cell)))
    return {
        "image": relative,
        "label": LABELS[label],
        "cate": category,
        "width": SIZE,
        "height": SIZE,
        "conversations": [{"from": "human", "value": fakevlm.QUESTION}, {"from": "gpt", "value": answer}],
    }


def write_all(args: argparse.Namespace) -> None:
    counts = {split: getattr(args, split) for split in SPLITS}
    (args.out / "data_json").mkdir(parents=True, exist_ok=True)
    rows: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS if counts[split]}
    for split, row in make_items(make_image, args, counts, "image"):
        rows[split].append(row)
    for split, some in rows.items():
        (args.out / "data_json" / f"{split}.json").write_text(json.dumps(some, indent=1), encoding="utf-8")
    say(f"wrote {sum(counts.values())} images to {args.out}")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    most = {split: 2 * len(SUBJECTS) * FRAMES * count for split, count in MOST.items()}
    parser.add_argument("--out", type=Path, required=True, help="folder to write (must not exist or be empty)")
    parser.add_argument("--train", type=whole_number(), default=2800, help="training images (default 2800)")
    parser.add_argument("--test", type=whole_number(0), default=560, help="held-out images (default 560)")
    parser.add_argument("--seed", type=whole_number(0), default=0, help="seed of all images (default 0)")
    parser.add_argument("--workers", type=whole_number(), default=2, help="processes (default 2)")
    args = parser.parse_args(argv)
    for split, limit in most.items():
        if getattr(args, split) > limit:
            parser.error(f"--{split} must be at most {limit}: there are numbers for {MOST[split]} videos only")
    return make_sample(parser, argv, write_all)


if __name__ == "__main__":
    sys.exit(main())
