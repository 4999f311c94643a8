"""How folders of real and fake images are laid out: what an image is follows from the folders above it, or a table."""

from __future__ import annotations

import argparse
import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from converters.conversion.sources import Sourced, read_text, usable
from swift_plugins.core.media import IMAGE_SUFFIXES
from swift_plugins.core.names import unknown
from swift_plugins.core.tasks.verdicts import VERDICTS

REAL = {"real", "0_real", "nature", "natural", "authentic"}
FAKE = {"fake", "1_fake", "ai", "full_synthetic", "tampered"}
SPLITS = ("train", "val", "test")
SPLIT_OF = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
COLUMNS = ("path", "label", "split", "category", "source", "manipulation", "video", "explanation")
_REST = "values without a column"


class Item(msgspec.Struct):
    """An image and what is said of it, as far as it is; `place` is what says it, as the table of places shows it."""

    image: str
    label: str = ""
    category: str = ""
    source: str = ""
    manipulation: str = ""
    video: str = ""
    explanation: str = ""
    place: str = ""


def nameless(where: str, reason: str) -> Sourced[Item]:
    """What stands for a file or folder that cannot be looked into."""
    return Sourced(where, where, "", Item(where), reason)


# ----------------------------------------------------------------------------------------------------------- by folders


def marks_of(parts: list[str]) -> dict[int, str]:
    """place -> "real" or "fake" for those of an image's folders whose names say it.

    A plain name outdoes a real_* above it: real_world/fake holds fakes.
    """
    names = [part.lower() for part in parts]
    plain = {i: "real" if name in REAL else "fake" for i, name in enumerate(names) if name in REAL | FAKE}
    last = max(plain, default=-1)
    return plain | {i: "real" for i, name in enumerate(names) if i > last and _is_named(name)}


def _is_named(part: str) -> bool:
    """Whether a folder is called real_*, but not as real_vs_fake, which holds both."""
    return part.lower().startswith("real_") and "fake" not in part.lower()


def walk(root: Path, others: Counter[str]) -> Iterator[Sourced[Item]]:
    """The images below a folder in sorted order, hidden ones left out; `others` counts other files by suffix."""
    unread: list[OSError] = []
    for at, folders, files in os.walk(root, onerror=unread.append):
        below = os.path.relpath(at, root)
        prefix = "" if below == "." else f"{below}/"
        for name in sorted(folders):
            if os.path.islink(os.path.join(at, name)) and not name.startswith("."):
                reason = "link: a linked folder is not entered; name it as --src"
                yield nameless(printable(f"{prefix}{name}"), reason)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.startswith("."):
                continue
            suffix = os.path.splitext(name)[1].lower()
            if suffix not in IMAGE_SUFFIXES:
                others[printable(suffix)] += 1
                continue
            image = f"{prefix}{name}"
            text = printable(image)
            reason = "" if text == image else "name: it is not UTF-8; rename the file"
            yield Sourced(text, text, "", Item(text), reason)
    for error in unread:
        where = printable(os.path.relpath(error.filename, root))
        yield nameless(where, f"folder: it cannot be listed: {error.strerror}")


def printable(name: str) -> str:
    """A file's name, with what is no character written as an escape."""
    return name.encode("utf-8", "backslashreplace").decode()


class Said(NamedTuple):
    """What the folders above an image say of it; `place` is their path up to the one that says the label."""

    place: str
    label: str = ""
    split: str = ""
    source: str = ""
    reason: str = ""


def label_by_folders(items: list[Sourced[Item]], dataset: str, split: str) -> None:
    """Fill in what the folders say, or why they do not say it."""
    folders = {os.path.dirname(item.row.image) for item in usable(items)}
    parts = {folder: folder.split("/") if folder else [] for folder in folders}
    marks = {folder: marks_of(some) for folder, some in parts.items()}
    beside: set[str] = set()  # the folders that hold a real_*, where nothing is called fake
    if not any("fake" in of.values() for of in marks.values()):
        beside = {"/".join(some[:i]) for folder, some in parts.items() for i in marks[folder] if _is_named(some[i])}
    said = {folder: understand(some, marks[folder], beside, dataset, split) for folder, some in parts.items()}
    for item in usable(items):
        of = item.row
        of.place, of.label, item.split, of.source, item.reason = said[os.path.dirname(of.image)]


def understand(parts: list[str], marks: dict[int, str], beside: set[str], dataset: str, split: str) -> Said:
    """What a folder says of its images; where it says no source and no split they are `dataset` and `split`."""
    if not marks:
        marks = {i: "fake" for i in range(len(parts)) if "/".join(parts[:i]) in beside}
    labels = set(marks.values())
    if len(labels) != 1:
        says = f"both real and fake ({', '.join(parts[i] for i in marks)})" if labels else "neither real nor fake"
        return Said("/".join(parts) or ".", reason=f"label: the folders say {says}")
    names = [part.lower() for part in parts]
    stated = next((SPLIT_OF[name] for name in names if name in SPLIT_OF), split)
    if "val" in names and not {"ai", "nature"}.isdisjoint(names):
        stated = "test"
    telling = [part for i, part in enumerate(parts) if i in marks and part.lower() not in REAL | FAKE]
    others = [part for i, part in enumerate(parts) if i not in marks and part.lower() not in SPLIT_OF]
    source = (telling + others if beside else others + telling) or [dataset]
    return Said("/".join(parts[: max(marks) + 1]), labels.pop(), stated, source[0])


# ------------------------------------------------------------------------------------------------------------- by table


def label_map(text: str) -> dict[str, str]:
    """A type for argparse: 0=fake,1=real."""
    pairs = [pair.strip().lower().split("=") for pair in text.split(",")]
    if any(len(pair) != 2 or not pair[0] or pair[1] not in VERDICTS for pair in pairs):
        raise argparse.ArgumentTypeError(f"must be like 0=fake,1=real, got {text!r}")
    if len(dict(pairs)) < len(pairs):
        raise argparse.ArgumentTypeError(f"says twice what a label means, got {text!r}")
    return dict(pairs)


def read_table(file: Path, labels: dict[str, str], dataset: str, split: str) -> Iterator[Sourced[Item]]:
    """The rows of a CSV file; ValueError where it is none or has wrong columns."""
    try:
        text = read_text(file).decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not a CSV file: {error}") from None
    with io.StringIO(text, newline="") as lines:
        reader = csv.DictReader(lines, restkey=_REST, strict=True)
        try:
            columns = reader.fieldnames or []
            if len(columns) == 1 and (mark := re.search(r"[;\t|]", columns[0])):
                raise ValueError(f"{file}:1: the values must be separated by commas, here {mark.group()!r} stands")
            if len({*columns}) < len(columns):
                raise ValueError(f"{file}:1: a column is there twice: {', '.join(columns)[:160]}")
            if wrong := [name for name in columns if name not in COLUMNS]:
                raise ValueError(f"{file}:1: {unknown('column', wrong[0], COLUMNS)}")
            if missing := [name for name in COLUMNS[:2] if name not in columns]:
                raise ValueError(f"{file}:1: there is no column {' and no column '.join(missing)}")
            for row in reader:
                yield read_line(f"{file.name}:{reader.line_num}", row, labels, dataset, split)
        except csv.Error as error:
            raise ValueError(f"{file}:{reader.line_num + 1}: not a CSV file: {error}") from None


def read_line(where: str, row: dict[str, Any], labels: dict[str, str], dataset: str, split: str) -> Sourced[Item]:
    """A row of the table; where it says no source and no split they are `dataset` and `split`."""
    if _REST in row or None in row.values():
        image = row["path"] or ""
        return Sourced(where, image, "", Item(image), "columns: the row has more or fewer values than the header")
    path, label, of, category, source, *others = ((row.get(name) or "").strip() for name in COLUMNS)
    said = Item(path, labels.get(label.lower(), ""), category, source or dataset, *others)
    said.place = "by --csv"
    item = Sourced(where, path, of.lower() or split, said)
    if not said.label:
        hint = "; say what it means, such as --label-map 0=fake,1=real" if label in ("0", "1") else ""
        item.reason = f"label: must be real or fake, got {label[:40]!r}{hint}"
    elif item.split not in SPLITS:
        item.reason = f"split: must be train, val or test, got {of[:40]!r}"
    return item


# ------------------------------------------------------------------------------------------------------- what they tell


def understood(items: Iterable[Sourced[Item]]) -> list[dict[str, Any]]:
    """What was taken for what: each place with its label and split, or why it has none, and its number of images."""
    counts = Counter(
        (of.place, of.label, item.split, "" if of.label else item.reason) for item in items if (of := item.row).place
    )
    return [
        {"place": place, "label": label, "split": split, "problem": problem, "images": n}
        for (place, label, split, problem), n in sorted(counts.items())
    ]


def leakage(items: Iterable[Sourced[Item]]) -> dict[str, int]:
    """How many test rows have the video that they are of in train."""
    items = list(items)
    videos = {item.row.video for item in items if item.split == "train" and item.row.video}
    tested = [item.row.video for item in items if item.split == "test"]
    return {"test_rows": len(tested), "test_rows_whose_video_is_in_train": sum(video in videos for video in tested)}
