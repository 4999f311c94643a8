"""Converted datasets as one: which of their rows are taken how often, and what stands in several splits."""

from __future__ import annotations

import argparse
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from converters.conversion.output import typed_first
from converters.conversion.sources import Row, Sourced, unusable
from converters.conversion.splitting import PARTS
from swift_plugins.core.manifests import FILE, describe_data
from swift_plugins.core.records import media_of, read_json, read_training_rows
from swift_plugins.core.tasks import made_for
from swift_plugins.core.tasks.verdicts import FOLD

MISSING = "missing"  # as content_hashes says it


class Dataset(NamedTuple):
    """A converter's folder: its name in the mixture, how often its training rows are taken, its manifest, and its files
    by split, each with what the manifest tells of it."""

    name: str
    folder: Path
    weight: float
    manifest: dict[str, Any]
    files: list[tuple[str, Path, dict[str, Any]]]


def folder_and_weight(text: str) -> tuple[Path, float]:
    """A type for argparse: data/own or data/own=2."""
    name, _, weight = text.rpartition("=")
    try:
        found = (Path(name), float(weight)) if name else (Path(text), 1.0)
    except ValueError:
        found = (Path(text), 1.0)
    if not (math.isfinite(found[1]) and 0 < found[1] <= 1000):
        raise argparse.ArgumentTypeError(f"a weight must be above 0 and at most 1000, got {text!r}")
    return found


def open_datasets(stated: Sequence[tuple[Path, float]]) -> list[Dataset]:
    """The datasets in these folders; ValueError for one without a manifest, or with files that it does not describe."""
    names = names_of([folder.resolve() for folder, _ in stated])
    found = []
    for (folder, weight), name in zip(stated, names, strict=True):
        if not (folder / FILE).is_file():
            raise ValueError(f"{folder} holds no {FILE}: name the folder that a converter wrote")
        manifest = read_json(folder / FILE)
        files = []
        for file in manifest.get("files", {}):
            if (split := Path(file).stem) in PARTS:
                files.append((split, folder / file, describe_data(str(folder / file))))
        if not files:
            raise ValueError(f"{folder / FILE} names no file called {', '.join(PARTS)}")
        found.append(Dataset(name, folder, weight, manifest, files))
    check_alike([(path, facts) for dataset in found for _, path, facts in dataset.files])
    return found


def names_of(folders: Sequence[Path]) -> list[str]:
    """As short ends of their paths as tell them apart; ValueError for one that is there twice."""
    if twice := [folder for folder, n in Counter(folders).items() if n > 1]:
        raise ValueError(f"{twice[0]} is named twice; give it a weight of 2")
    depth = 1
    while len({*(names := ["/".join(folder.parts[-depth:]) for folder in folders])}) < len(folders):
        depth += 1
    return names


def check_alike(files: Sequence[tuple[Path, Mapping[str, Any]]]) -> None:
    """ValueError where two files of one task were made by other versions, or state their boxes in other spaces."""
    first: dict[tuple[str, str], tuple[Path, Any]] = {}
    for path, facts in files:
        for key in ("task_version", "box_space", "pixel_limits"):
            value = made_for(facts.get(key)) if key == "task_version" else facts.get(key)
            earlier, other = first.setdefault((str(facts.get("task")), key), (path, value))
            if other != value:
                raise ValueError(f"{earlier} has the {key} {other}, {path} {value}: convert both in the same way")


def times(weight: float, count: int, draw: random.Random) -> list[int]:
    """How often each of `count` rows is taken: a weight of 2.5 takes each twice, and half of them once more."""
    whole = int(weight)
    more = {*draw.sample(range(count), round((weight - whole) * count))}
    return [whole + (i in more) for i in range(count)]


def read_all(datasets: Sequence[Dataset]) -> list[Sourced[tuple[str, Row]]]:
    """Every row, with the name of its dataset, its id told apart from those of the others by it."""
    items = []
    for dataset in datasets:
        for split, path, _ in dataset.files:
            for line, row in read_training_rows(path):
                row["id"] = f"{dataset.name}/{row['id']}"
                items.append(Sourced(f"{path}:{line}", row["id"], split, (dataset.name, row)))
    return items


class Held(NamedTuple):
    """Where contents stand: in which (dataset, split)s, and what they are called there."""

    splits: Mapping[str, set[tuple[str, str]]]
    labels: Mapping[str, set[str]]


def where_contents_stand(items: Sequence[Sourced[tuple[str, Row]]], hashes: Mapping[str, str]) -> Held:
    splits: dict[str, set[tuple[str, str]]] = defaultdict(set)
    labels: dict[str, set[str]] = defaultdict(set)
    for item in items:
        name, row = item.row
        media = media_of(row)
        for digest in {hashes[path] for path in media} - {MISSING}:
            splits[digest].add((name, item.split))
            if len(media) == 1 and row["meta"].get("label") in FOLD:
                labels[digest].add(FOLD[row["meta"]["label"]])
    return Held(splits, labels)


def set_leaks_aside(items: Sequence[Sourced[tuple[str, Row]]], hashes: Mapping[str, str], held: Held) -> None:
    """Give a reason to the training rows whose media stand in a val or test split, of whatever dataset."""
    for item in items:
        if item.split == "train":
            for path in media_of(item.row[1]):
                others = sorted(place for place in held.splits.get(hashes[path], ()) if place[1] != "train")
                if others:
                    item.reason = f"leakage: its medium is in the {others[0][1]} split of {others[0][0]}"


def leakage(held: Held) -> dict[str, int]:
    """How many contents stand in each pair of splits, within one dataset or across two."""
    found: Counter[str] = Counter()
    for places in held.splits.values():
        for i, first in enumerate(PARTS):
            for second in PARTS[i + 1 :]:
                a, b = ({name for name, split in places if split == part} for part in (first, second))
                found[f"{first}_and_{second}"] += bool(a and b)
                found[f"{first}_and_{second}_of_another"] += bool(a and b - a) or bool(b and a - b)
    return {key: found[key] for key in sorted(found)}


def mixed(items: Sequence[Sourced[tuple[str, Row]]], datasets: Sequence[Dataset], seed: int) -> Iterator[Sourced[Row]]:
    """The rows as often as they are taken, with one form: what a row's meta lacks is None in it.

    In each file first those by which its reader learns the types; see typed_first.
    """
    keys = dict.fromkeys(key for item in items for key in item.row[1]["meta"])
    taken: dict[int, int] = {}
    for dataset in datasets:
        own = [item for item in items if item.row[0] == dataset.name and item.split == "train" and not item.reason]
        draw = random.Random(f"{seed}/{dataset.name}")
        taken |= {id(item): n for item, n in zip(own, times(dataset.weight, len(own), draw), strict=True)}
    told = [item.row[1] | item.row[1]["meta"] for item in items]
    for item in (items[i] for i in typed_first(told, [item.split for item in items])):
        if item.reason:
            yield unusable(item.where, item.id, item.split, item.reason)
            continue
        name, row = item.row
        row["meta"] = dict.fromkeys(keys) | row["meta"] | {"mixed_from": name}
        for nth in range(taken.get(id(item), 1)):
            named = row if nth == 0 else row | {"id": f"{row['id']}#{nth + 1}"}
            yield Sourced(item.where, item.id, item.split, named)
