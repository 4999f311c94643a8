"""FakeClue, the dataset of FakeVLM, as it lies on disk: its rows, what their paths tell, its folders and counts."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec

from converters.conversion.media import MediaFolders, find_folder
from converters.conversion.sources import Sourced, usable
from converters.layouts.ffpp import ORIGINAL, spelled
from converters.layouts.folder_names import SPLIT_OF

SPLITS = ("train", "test")
LABELS = {0: "fake", 1: "real"}  # FakeClue's own polarity
DOWNLOAD = "hf download lingcco/FakeClue --repo-type dataset --local-dir {src}"
LICENCE = (
    "FakeClue, Hugging Face lingcco/FakeClue: tagged Apache-2.0, but it holds images of Chameleon (academic use only) "
    "and of FaceForensics++ (use by its signed form only), and images of GenImage under their sources' terms."
)
# Counts of the published files: (fake, real) rows of each split and, of the test split, of each category.
PUBLISHED = {"train": (68_396, 35_947), "test": (3_192, 1_808)}
CATEGORIES = {
    "deepfake": (932, 236),
    "object": (479, 388),
    "satellite": (443, 432),
    "animal": (370, 379),
    "doc": (460, 116),
    "human": (282, 121),
    "scene": (226, 136),
}
PROBES = 50  # rows that are looked for to find the images' folder

Side = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class Turn(msgspec.Struct, gc=False):
    sender: str = msgspec.field(name="from")
    value: str


class Raw(msgspec.Struct, gc=False):
    """A row as published; everything else in it is ignored."""

    image: str
    label: int
    conversations: tuple[Turn, Turn]
    cate: str = ""
    width: Side | None = None
    height: Side | None = None


# ------------------------------------------------------------------------------------------------------ what paths tell

_FFPP = ("ff++", "ffpp", "faceforensics++")
_CLIP = re.compile(r"\d{3}(_\d{3})?")
_PLAIN = {"images", *SPLIT_OF, "real", "0_real", "nature", "natural", "authentic"} | {  # tell no origin
    "fake",
    "1_fake",
    "ai",
    "full_synthetic",
    "tampered",
}


class Origin(NamedTuple):
    """Where an image comes from; the last two are of FF++ alone."""

    source: str
    manipulation: str = ""
    video: str = ""


@functools.lru_cache(maxsize=65_536)
def origin_of(folder: str, label: str) -> Origin:
    """What an image's folder tells; "ff++/fake/Deepfakes/c23/frames/071_054" is the video Deepfakes/071_054."""
    parts = [part for part in folder.split("/") if part.lower() not in _PLAIN and part not in ("", ".")]
    top = parts[0].lower() if parts else ""
    if top == "genimage":
        return Origin(f"GenImage {parts[1]}" if len(parts) > 1 else "GenImage")
    if top not in _FFPP:
        return Origin(parts[0] if parts else "unknown")
    manipulation = next(filter(None, map(spelled, parts)), ORIGINAL if label == "real" else "")
    if manipulation and (manipulation == ORIGINAL) != (label == "real"):
        raise ValueError(f"contradiction: the label is {label}, the path says {manipulation}")
    source = f"FF++ {manipulation}".rstrip()
    in_video = _CLIP.fullmatch(parts[-1]) or parts[-2:-1] == ["frames"]
    return Origin(source, manipulation, f"{manipulation or 'unknown'}/{parts[-1]}" if in_video else "")


def people_in(video: str) -> list[str]:
    """The numbers of the original videos that the scene and the face of an FF++ video are of."""
    clip = video.rpartition("/")[2]
    return clip.split("_") if _CLIP.fullmatch(clip) else []


# ------------------------------------------------------------------------------------------------------- what there is


def find_files(src: Path) -> dict[str, Path]:
    """split -> annotation file; ValueError says how to get the dataset."""
    places = {split: (src / "data_json" / f"{split}.json", src / f"{split}.json") for split in SPLITS}
    files = {split: file for split, some in places.items() for file in reversed(some) if file.is_file()}
    if not files:
        raise ValueError(
            f"{src / 'data_json'} holds neither train.json nor test.json. Get the dataset with: "
            f"{DOWNLOAD.format(src=src)}  (or make a synthetic one: python converters/sample_fakeclue.py --out {src})"
        )
    return files


def find_images(src: Path, split: str, images: list[str]) -> tuple[MediaFolders, bool]:
    """The folder below --src that the image paths of a split begin in, and whether any image is there."""
    return find_folder(src, (split, f"{split}/{split}", "", "images", f"images/{split}"), images, PROBES)


def published_counts(split: str, rows: list[Sourced[Raw]]) -> dict[str, dict[str, Any]]:
    """A split's rows by label and category, as read, beside the published ones, where it has nearly as many."""
    wanted: dict[str, tuple[tuple[int, int], str | None]] = {f"{split}_{{}}_rows": (PUBLISHED[split], None)}
    if split == "test":
        wanted |= {f"test_{name}_{{}}_rows": (numbers, name) for name, numbers in CATEGORIES.items()}
    if abs(len(rows) - sum(PUBLISHED[split])) * 10 > sum(PUBLISHED[split]):
        return {}
    raws = [item.row for item in usable(rows)]
    found = Counter((LABELS.get(raw.label), key) for raw in raws for key in (None, raw.cate))
    return {
        name.format(label): {"published": n, "found": found[label, key], "ok": n == found[label, key]}
        for name, (numbers, key) in wanted.items()
        for label, n in zip(("fake", "real"), numbers, strict=True)
    }


# ---------------------------------------------------------------------------------------------------------- what is odd


def leakage(rows: list[dict[str, Any]]) -> dict[str, int]:
    """How many test rows have their image, their FF++ video or a person of it in train.

    Each row tells its `split`, its `image` and its `video`, empty without one.
    """
    train = [row for row in rows if row["split"] == "train"]
    tested = [row for row in rows if row["split"] == "test"]
    images, videos = ({row[key] for row in train} for key in ("image", "video"))
    people = {person for video in videos for person in people_in(video)}
    of_video = [row["video"] for row in tested if row["video"]]
    return {
        "test_rows": len(tested),
        "test_rows_whose_image_is_in_train": sum(row["image"] in images for row in tested),
        "test_rows_of_a_video": len(of_video),
        "test_rows_whose_video_is_in_train": sum(video in videos for video in of_video),
        "test_rows_with_a_person_in_train": sum(not people.isdisjoint(people_in(video)) for video in of_video),
    }


def unknown_categories(categories: Iterable[str]) -> dict[str, int]:
    """How often each of the 20 commonest categories stands that is none of the published ones."""
    return dict(Counter(name for name in categories if name not in CATEGORIES).most_common(20))
