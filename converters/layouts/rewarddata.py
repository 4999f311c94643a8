"""RewardData, the dataset of DeepTraceReward, as it lies on disk: its rows in both spellings, counts and parents."""

from __future__ import annotations

import functools
import json
import math
import os
import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from converters.conversion.audit import one_variable_rule
from converters.conversion.sources import Sourced, none_usable, unusable, usable
from swift_plugins.core.records import spread

SPLITS = ("train", "val", "test")
REAL_SOURCE = "LLaVA-Video"  # how the source of every real clip begins; the others are generators
MAX_SIDE, MAX_RATE, MAX_DURATION = 16_384, 1000.0, 86_400.0  # px, frames/s and s: no video of the dataset comes near
LICENCE = (
    "DeepTraceReward, Hugging Face DeepTraceReward/RewardData: see the terms on its page; the real clips come from "
    "LLaVA-Video-178K and keep the terms of their sources, the generated ones those of their generators."
)
UNPACK = {"videos": "cat videos.zip.00* > videos.zip && unzip -q videos.zip", "real_videos": "unzip -q real_videos.zip"}
# Counts of the full dataset: table 1 and table 3 of the paper (rows and videos), and the published file itself.
NEARLY_FULL = 7000  # rows; a file that has as many is compared with these counts, so that lost rows are noticed
FULL_COUNTS = {
    "rows": 7652,
    "fake_videos": 3318,
    "real_videos": 3318,
    "traces": 4334,
    "explanations": 2716,
    "train_fake_rows": 3460,
    "train_real_rows": 2654,
    "val_fake_rows": 434,
    "val_real_rows": 332,
    "test_fake_rows": 440,
    "test_real_rows": 332,
    "train_videos": 5308,
    "val_videos": 664,
    "test_videos": 664,
}


class Box(msgspec.Struct, gc=False):
    left: float
    top: float
    width: float
    height: float


class Raw(msgspec.Struct, gc=False):
    """A row of all_data.json as published; everything else in it is ignored."""

    video_id: str
    video_type: str
    video_path: str
    video_source: str
    video_width: int
    video_height: int
    video_frame_rate: float
    video_duration: float
    split: str | None = None
    faketrace_first_frame: int | None = None
    faketrace_bbox: Box | None = None
    faketrace_explanations: str | None = None
    faketrace_check_applies: tuple[str, ...] | str | None = None

    def onset(self) -> float | None:
        """When the trace begins, in s; None where that is not annotated."""
        if self.faketrace_first_frame is None:
            return None
        try:
            return self.faketrace_first_frame / self.video_frame_rate
        except OverflowError:
            return math.inf

    def plausible(self) -> bool:
        """Whether its numbers are such as a video can have."""
        return (
            0 < self.video_width <= MAX_SIDE
            and 0 < self.video_height <= MAX_SIDE
            and 0 < self.video_frame_rate <= MAX_RATE
            and 0 < self.video_duration <= MAX_DURATION
        )


class EarlierRaw(msgspec.Struct):
    """A row of the earlier upload: the same data under bare names, without splits, with e-mails and lab paths."""

    video_id: str
    video_source: str
    video_file: str
    width: int
    height: int
    frame_rate: float
    duration: float
    split: str | None = None
    first_frame: int | None = None
    label_bbox: Box | None = None
    label_name: str | None = None
    check_applies: tuple[str, ...] | str | None = None
    explanation: str | None = None

    def published(self) -> Raw:
        real = self.video_source.startswith(REAL_SOURCE)
        tags = self.check_applies or self.label_name
        return Raw(
            self.video_id,
            "real_video" if real else "fake_video",
            f"{'real_videos' if real else 'videos'}/{os.path.basename(self.video_file.replace(chr(92), '/'))}",
            self.video_source,
            self.width,
            self.height,
            self.frame_rate,
            self.duration,
            self.split,
            self.first_frame,
            self.label_bbox,
            self.explanation,
            tags,
        )


def read_raw(path: Path, limit: int | None) -> list[Sourced[Raw]]:
    """The rows of all_data.json by their video_id, or why one has no usable form; ValueError where none has one."""
    content = path.read_bytes()
    rows: list[Raw | tuple[str | None, str]]
    try:
        rows = msgspec.json.decode(content, type=list[Raw], strict=False)  # type: ignore[assignment]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # the second reading finds out which row it is
        rows = _read_one_by_one(path, content)
    if not rows:
        raise ValueError(f"{path}: the list is empty")
    items: list[Sourced[Raw]] = []
    for index in spread(len(rows), limit):
        row, where = rows[index], f"{path.name}[{index}]"
        if isinstance(row, Raw):
            items.append(Sourced(where, row.video_id, "", row))
        else:
            items.append(unusable(where, row[0], "", row[1]))
    if not any(usable(items)):
        raise ValueError(f"{path}: {none_usable(items[0].reason)}")
    return items


def _read_one_by_one(path: Path, content: bytes) -> list[Raw | tuple[str | None, str]]:
    """A lenient reading: what strict JSON does not allow (a byte order mark, NaN, half a character) costs its row.

    A row that has no usable form is its video_id, where that can be read, and what is wrong.
    """
    text = content.decode("utf-8-sig", errors="surrogateescape")  # a byte that is no UTF-8 becomes half a character
    try:
        items = json.loads(text, strict=False, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected one JSON list of rows: {error}") from None
    if not isinstance(items, list):
        raise ValueError(f"{path}: expected one JSON list of rows: got {type(items).__name__}")
    return [_read_one(item) for item in items]


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 400 else float(digits)  # Python refuses to read thousands of digits


def _read_one(item: Any) -> Raw | tuple[str | None, str]:
    try:
        if isinstance(item, dict) and "video_type" not in item:
            raw = msgspec.convert(item, EarlierRaw, strict=False).published()
        else:
            raw = msgspec.convert(item, Raw, strict=False)
        msgspec.json.encode(raw)  # finds half a character, which no file can hold
        return raw
    except UnicodeEncodeError as error:
        reason = f"a text holds {error.object[error.start]!a}, which is no character"
    except (msgspec.DecodeError, RecursionError) as error:
        reason = str(error)
    name = item.get("video_id") if isinstance(item, dict) else None
    return name if isinstance(name, str) and name.isprintable() else None, f"malformed row: {reason}"


_FLATTENED = re.compile(r".*?v\d+_\d+_")
_YOUCOOK = re.compile(r"\d+-([\w-]{11})\Z")
_NEXTQA = re.compile(r"\d+-(\d+)\Z")
_CHARADES = re.compile(r"[A-Z0-9]{5}")
_PART = re.compile(r"-split_\d+\Z")


@functools.lru_cache(maxsize=65_536)
def _real_parent(video_id: str) -> str:
    flattened = _FLATTENED.match(video_id)
    name = video_id[flattened.end() :] if flattened else video_id
    stem = _PART.sub("", name)
    if stem != name and (match := _YOUCOOK.match(stem)):
        return f"youcook2/{match.group(1)}"
    if match := _NEXTQA.match(stem):
        return f"nextqa/{match.group(1)}"
    if stem.startswith("v_"):
        return f"activitynet/{stem}"
    return f"charades/{stem}" if _CHARADES.fullmatch(stem) else stem


def parent_of(raw: Raw) -> str:
    """The longer video that a real clip was cut from, read off its flattened id; a fake is its own parent."""
    return _real_parent(raw.video_id) if raw.video_type == "real_video" else raw.video_id


def bad_number(raw: Raw) -> str:
    """The first number of a row that no video has, and what it must be."""
    limits = {"video_width": MAX_SIDE, "video_height": MAX_SIDE, "video_frame_rate": MAX_RATE}
    for name, limit in (limits | {"video_duration": MAX_DURATION}).items():
        value = getattr(raw, name)
        if not 0 < value <= limit:
            allowed = f"1..{limit}" if isinstance(limit, int) else f"above 0 and at most {limit:g}"
            break
    return f"{name} is {value!s:.40}, it must be {allowed}"


def download(src: Path) -> str:
    return f"hf download DeepTraceReward/RewardData --repo-type dataset --local-dir {src}"


def check_source(src: Path) -> Path:
    """The annotation file; ValueError says what is missing and how to get or unpack it."""
    data = src / "all_data.json"
    if not data.is_file():
        raise ValueError(
            f"{data} not found. Get it with: {download(src)}  "
            f"(or make a synthetic one: python converters/sample_deeptrace.py --out {src})"
        )
    for folder, unpack in UNPACK.items():
        if not (src / folder).is_dir() and any(src.glob(f"{folder}.zip*")):
            raise ValueError(f"{src / folder} is still packed. Unpack it: cd {src} && {unpack}")
    return data


def cures(src: Path, missing: Iterable[str]) -> list[str]:
    """How to get each folder that is not there though some of the missing videos belong in it."""
    return [
        f"there is no {src / folder}. Get it with: {download(src)} && cd {src} && {unpack}"
        for folder, unpack in UNPACK.items()
        if not (src / folder).is_dir() and any(path.startswith(f"{folder}/") for path in missing)
    ]


def published_counts(rows: list[Raw]) -> dict[str, dict[str, Any]]:
    """The full dataset's counts beside the published ones."""
    fake = [raw for raw in rows if raw.video_type == "fake_video"]
    videos, fakes = {raw.video_id: raw.split for raw in rows}, len({raw.video_id for raw in fake})
    found = {
        "rows": len(rows),
        "fake_videos": fakes,
        "real_videos": len(videos) - fakes,
        "traces": len(fake),
        "explanations": sum(bool((raw.faketrace_explanations or "").strip()) for raw in fake),
    }
    of_rows, of_fake = Counter(raw.split for raw in rows), Counter(raw.split for raw in fake)
    of_videos = Counter(videos.values())
    for split in SPLITS:
        found[f"{split}_fake_rows"] = of_fake[split]
        found[f"{split}_real_rows"] = of_rows[split] - of_fake[split]
        found[f"{split}_videos"] = of_videos[split]
    return {k: {"published": v, "found": found[k], "ok": found[k] == v} for k, v in FULL_COUNTS.items()}


def assign_splits(rows: list[Raw], by: str, seed: int) -> dict[str, str]:
    """video_id -> split: 8:1:1 of the videos of each label, all clips of one group together."""
    groups: dict[tuple[str, str], set[str]] = {}
    for raw in rows:
        groups.setdefault((raw.video_type, parent_of(raw) if by == "parent" else raw.video_id), set()).add(raw.video_id)
    splits: dict[str, str] = {}
    for kind in sorted({kind for kind, _ in groups}):
        members = [groups[key] for key in sorted(groups) if key[0] == kind]
        random.Random(f"{seed}/{kind}").shuffle(members)
        total, placed = sum(map(len, members)), 0
        for group in members:
            middle = (placed + len(group) / 2) / total
            splits |= dict.fromkeys(group, "train" if middle <= 0.8 else "val" if middle <= 0.9 else "test")
            placed += len(group)
    return splits


def published_splits(rows: list[Raw]) -> dict[str, str | None]:
    """video_id -> the split that its first row states."""
    return {raw.video_id: raw.split for raw in reversed(rows)}


def leakage(rows: list[Raw], splits: Mapping[str, str | None]) -> dict[str, int]:
    """Which parents stand in several splits, and how many test videos have theirs in train."""
    homes: dict[str, str | None] = {}  # the first split of each parent
    several, trained, tested = set(), set(), []
    for raw in {raw.video_id: raw for raw in rows}.values():
        parent, split = parent_of(raw), splits[raw.video_id]
        if homes.setdefault(parent, split) != split:
            several.add(parent)
        if split == "train":
            trained.add(parent)
        elif split == "test":
            tested.append(parent)
    return {
        "parents": len(homes),
        "parents_in_several_splits": len(several),
        "test_videos": len(tested),
        "test_videos_whose_parent_is_in_train": sum(parent in trained for parent in tested),
    }


def shortcuts(
    rows: list[Raw], splits: Mapping[str, str | None], audio: Mapping[str, bool | None]
) -> dict[str, dict[str, Any]]:
    """How well single facts of the videos tell real from fake; `audio` says by video_path which have a sound track."""
    videos = list({raw.video_id: raw for raw in rows}.values())
    facts: dict[str, list[Any]] = {
        "resolution": [f"{raw.video_width}x{raw.video_height}" for raw in videos],
        "audio": [audio.get(raw.video_path) for raw in videos],
        "duration": [round(raw.video_duration, 1) for raw in videos],
        "frame_rate": [round(raw.video_frame_rate, 2) for raw in videos],
    }
    labels = [raw.video_type for raw in videos]
    train = [splits[raw.video_id] == "train" for raw in videos]
    return {name: one_variable_rule(values, labels, train) for name, values in facts.items()}
