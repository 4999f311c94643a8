"""FaceForensics++: its manipulations, its official splits and the videos of them.

Rössler et al., "FaceForensics++: Learning to Detect Manipulated Facial Images" (ICCV 2019), and the released download.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from swift_plugins.core.names import unknown

FOUR = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")  # those of FakeVLM, section 5.1 and table 5
MANIPULATIONS = (*FOUR, "FaceShifter")
ORIGINAL = "original"
SPLITS = ("train", "val", "test")
NO_FILE = "no file"  # where the frames of a video are from that is not there
PUBLISHED_PAIRS = {"train": 360, "val": 70, "test": 70}
LICENCE = (
    "FaceForensics++: given out by its authors on request, for research and education alone and not to be passed on "
    "(terms of use of FaceForensics); the videos come from YouTube and keep the terms of their owners."
)
DOWNLOAD = "ask for it by the form at https://github.com/ondyari/FaceForensics and run the script that it sends"
_SPELLED = {name.lower().rstrip("s"): name for name in (*MANIPULATIONS, ORIGINAL)}
_ID = re.compile(r"[0-9]{3}")


def spelled(name: str) -> str | None:
    """The manipulation, or "original", of which `name` is a spelling, such as Neuraltexture; None for another name."""
    return _SPELLED.get(name.strip().lower().rstrip("s"))


def manipulation_of(name: str) -> str:
    """The same; ValueError for another name."""
    if (found := spelled(name)) is None:
        raise ValueError(unknown("manipulation", name, (*MANIPULATIONS, ORIGINAL)))
    return found


def fake_of(name: str) -> str:
    """A type for argparse: a manipulation in any of its spellings."""
    try:
        found = manipulation_of(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if found == ORIGINAL:
        raise argparse.ArgumentTypeError("the originals are always there, as reals")
    return found


class Video(NamedTuple):
    """A video: "Deepfakes" and "071_054" (target and source), or "original" and "071"."""

    manipulation: str
    id: str

    @property
    def label(self) -> str:
        return "real" if self.manipulation == ORIGINAL else "fake"

    @property
    def name(self) -> str:
        return f"{self.manipulation}/{self.id}"


class Medium(NamedTuple):
    """A frame, or with no number a whole video: its absolute path, and that below the dataset or below --out."""

    path: str
    image: str
    number: int | None


Splits = dict[str, list[tuple[str, str]]]


def read_splits(folder: Path) -> Splits:
    """split -> its pairs of ids, from train.json, val.json and test.json; ValueError for other than pairs of ids."""
    splits: Splits = {}
    for split in SPLITS:
        path = folder / f"{split}.json"
        if not path.is_file():
            raise ValueError(f"there is no {path}: it is in dataset/splits of https://github.com/ondyari/FaceForensics")
        try:
            pairs = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: not JSON: {error}") from None
        if not isinstance(pairs, list):
            raise ValueError(f"{path}: expected a list of pairs of ids, got {type(pairs).__name__}")
        for number, pair in enumerate(pairs):
            if not (
                isinstance(pair, list)
                and len(pair) == 2
                and all(isinstance(part, str) and _ID.fullmatch(part) for part in pair)
            ):
                raise ValueError(f'{path}[{number}]: expected two ids such as "071", got {pair!r:.80}')
        splits[split] = [(a, b) for a, b in pairs]
    return splits


def videos_of(pairs: Iterable[tuple[str, str]], manipulations: Iterable[str]) -> list[Video]:
    """The videos of a split: for each pair a_b and b_a of each manipulation, and every id of the pairs as a real."""
    pairs = list(pairs)
    fakes = [Video(m, f"{a}_{b}") for m in manipulations for pair in pairs for a, b in (pair, pair[::-1])]
    return list(dict.fromkeys([*fakes, *(Video(ORIGINAL, number) for pair in pairs for number in pair)]))


def identities_in_several(splits: Splits) -> list[str]:
    """The ids that stand in more than one split; none in the official ones."""
    found = Counter(number for pairs in splits.values() for number in {part for pair in pairs for part in pair})
    return sorted(number for number, n in found.items() if n > 1)


def counts(splits: Splits, manipulations: list[str], seen: set[tuple[str, Video]]) -> dict[str, Any]:
    """What the manifest tells of the splits: videos found (`seen`, with their splits) and expected, pairs, leakage."""
    videos = Counter((split, video.manipulation) for split, video in seen)
    expected = {
        split: Counter(v.manipulation for v in videos_of(pairs, manipulations)) for split, pairs in splits.items()
    }
    return {
        "videos": {
            split: {name: {"found": videos[split, name], "expected": n} for name, n in sorted(of.items())}
            for split, of in expected.items()
        },
        "pairs": {split: {"found": len(pairs), "published": PUBLISHED_PAIRS[split]} for split, pairs in splits.items()},
        "leakage": {"ids_in_several_splits": identities_in_several(splits)},
    }
