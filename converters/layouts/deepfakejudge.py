"""DeepfakeJudge-Dataset as it lies on disk: its subsets, read, and the images that they share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from converters.conversion.media import folder_in
from converters.conversion.sources import Sourced, unusable, usable
from converters.layouts.deepfakejudge_rows import Fields, Raw, read_raw
from swift_plugins.core.records import scan_rows, spread
from swift_plugins.core.tasks import dfj_detect, dfj_pairwise, dfj_pointwise, dfj_reason

DOWNLOAD = "hf download MBZUAI/DeepfakeJudge-Dataset --repo-type dataset --local-dir {src}"
LICENCE = (
    "DeepfakeJudge, Hugging Face MBZUAI/DeepfakeJudge-Dataset (gated): Apache-2.0 as tagged on its page; real images "
    "come from OpenImages-V7 and keep the terms of their photographers, generated ones those of their generators."
)


class Subset(NamedTuple):
    """One published file: where it lies, its task, and how many rows on how many images it has as published."""

    path: str
    task: str
    rows: int
    images: int


SUBSETS = {
    "detect/test": Subset("dfj-bench/dfj-detect/data.jsonl", dfj_detect.NAME, 2000, 2000),
    "reason/test": Subset("dfj-bench/dfj-reason/data.jsonl", dfj_reason.NAME, 924, 924),
    "pointwise/train": Subset("dfj-meta/dfj-meta-pointwise/train/data.jsonl", dfj_pointwise.NAME, 20_625, 825),
    "pointwise/test": Subset("dfj-meta/dfj-meta-pointwise/test/data.jsonl", dfj_pointwise.NAME, 1000, 199),
    "pointwise/human": Subset("dfj-meta-human/pointwise/data.jsonl", dfj_pointwise.NAME, 67, 58),
    "pairwise/train": Subset("dfj-meta/dfj-meta-pairwise/train/data.jsonl", dfj_pairwise.NAME, 20_625, 825),
    "pairwise/test": Subset("dfj-meta/dfj-meta-pairwise/test/data.jsonl", dfj_pairwise.NAME, 2000, 200),
    "pairwise/human": Subset("dfj-meta-human/pairwise/data.jsonl", dfj_pairwise.NAME, 88, 70),
}


def find_root(src: Path) -> Path:
    """The folder that holds the subsets: --src, or one folder below it; ValueError says how to get the dataset."""
    if src.is_dir():
        for root in (src, *sorted(path for path in src.iterdir() if path.is_dir())):
            if any((root / subset.path).is_file() for subset in SUBSETS.values()):
                return folder_in(src, root.name) if root != src else src
    raise ValueError(
        f"{src} holds none of DeepfakeJudge's subsets (such as {SUBSETS['pointwise/train'].path}). The dataset is "
        f"gated: ask for access on its page, then: hf auth login && {DOWNLOAD.format(src=src)}  "
        f"(or make a synthetic one: python converters/sample_deepfakejudge.py --out {src})"
    )


@dataclass
class Part:
    """One subset that is there: its file, the keys of its rows, and the rows."""

    name: str
    subset: Subset
    file: Path
    fields: Fields
    rows: list[Sourced[Raw]]

    @property
    def good(self) -> list[Raw]:
        return [item.row for item in usable(self.rows)]

    @property
    def paths(self) -> set[str]:
        """The absolute paths of its images, once they are located."""
        return {item.path for item in self.rows if item.path}


def read_parts(root: Path, limit: int | None) -> Iterator[Part]:
    """Read the subsets that are there; ValueError where none of one's rows has what its task needs."""
    for name, subset in SUBSETS.items():
        if (root / subset.path).is_file():
            yield _read_part(root / subset.path, name, subset, limit)


def _read_part(file: Path, name: str, subset: Subset, limit: int | None) -> Part:
    lines = list(scan_rows(file))
    objects = [row for _, row in lines if isinstance(row, dict)]
    if not objects:
        raise ValueError(f"{file}: no row that is a JSON object" + (f"; {lines[0][1]}" if lines else ""))
    part = Part(name, subset, file, Fields(str(file), subset.task, objects), [])
    for line, row in (lines[i] for i in spread(len(lines), limit)):
        where, row_id = f"{subset.path}:{line}", f"{name}/{line}"
        try:
            if isinstance(row, str):
                raise ValueError(row)
            part.rows.append(Sourced(where, row_id, name, read_raw(row, part.fields)))
        except ValueError as error:
            part.rows.append(unusable(where, row_id, name, str(error)))
    return part


def leakage(parts: list[Part], hashes: Mapping[str, str]) -> dict[str, Any]:
    """How many images each two subsets share, by content."""
    of = {part.name: {hashes[path] for path in part.paths if path in hashes} for part in parts}
    shared = [{"subsets": [a, b], "images": len(of[a] & of[b])} for a, b in combinations(of, 2) if of[a] & of[b]]
    return {"images": {name: len(found) for name, found in of.items()}, "shared": shared}


def held_out(part: Part, parts: list[Part], hashes: Mapping[str, str]) -> dict[str, str]:
    """hash -> subset of the images that a training part must not hold: those of its task's test and human subsets."""
    kind, split = part.name.split("/")
    if split != "train":
        return {}
    return {
        hashes[path]: other.name
        for other in parts
        for path in other.paths
        if other.name.split("/")[0] == kind and other is not part and path in hashes
    }
