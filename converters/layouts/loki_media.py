"""The images and videos of LOKI: where they lie, what their check found, and which of them belong together."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from converters.conversion.audit import audit_images
from converters.conversion.media import MediaFolders, check_files
from converters.layouts.loki import UNPACK, Part
from swift_plugins.core.media import Media
from swift_plugins.core.records import spread

PROBES = 40  # paths that are tried to find out where the media lie


def find_media(src: Path, paths: list[str]) -> Path:
    """The folder that the media's paths start from: --src, the folder media_data in it or the one above it.

    It is the one where most of some paths from all over the list lead to a file; --src, where none does anywhere.
    """
    src = Path(os.path.realpath(src))
    some = [paths[i] for i in spread(len(paths), PROBES)]

    def found(root: Path) -> int:
        folders = MediaFolders(root)
        for path in some:
            try:
                folders.path(path)
            except ValueError:
                folders.missing.add(path)
        return len(some) - len(folders.missing & {*some})

    return max((src, src / "media_data", src.parent), key=found)


class Library:
    """The media of all parts: their paths, their labels, and why one cannot be used."""

    def __init__(self, src: Path, parts: list[Part], level: str, workers: int):
        self.labels: dict[str, set[str]] = {}
        for raw in (raw for part in parts for raw in part.good):
            for name, label in zip(raw.media, raw.labels, strict=True):
                self.labels.setdefault(name, set()).add(label)
        self.kinds = {name: part.subset.medium for part in parts for name in part.media}
        self.root = find_media(src, [*self.labels])
        folders = MediaFolders(self.root)
        self.paths: dict[str, str] = {}
        self.faults: dict[str, str] = {}
        for name in self.labels:
            try:
                self.paths[name] = folders.path(name)
            except ValueError as error:
                self.faults[name] = str(error)
        self.missing = len(folders.missing)
        if level != "none" and self.missing == len(self.paths) > 0:
            raise ValueError(
                f"none of the {self.missing} media is in, above or beside {src}: "
                f"{UNPACK.format(src=src)}  (or convert with --check none)"
            )
        paths = sorted({*self.paths.values()})
        self.found = {} if level == "none" else check_files(paths, level, workers)

    def use(self, names: Iterable[str]) -> list[str]:
        """Their absolute paths; ValueError says what is wrong with one."""
        for name in names:
            if len(self.labels[name]) > 1:
                raise ValueError(f"contradiction: called real and fake: {name[:80]!r}")
            if name in self.faults:
                raise ValueError(f"media: {self.faults[name]}")
            found, kind = self.found.get(self.paths[name]), self.kinds[name]
            if isinstance(found, str):
                raise ValueError(f"media: {found}: {name[:80]!r}")
            if found and (found.duration is None) != (kind == "image"):
                raise ValueError(f"media: not {'an image' if kind == 'image' else 'a video'}: {name[:80]!r}")
        return [self.paths[name] for name in names]

    def size(self, name: str) -> tuple[int | None, int | None]:
        """(width, height) in px as far as it is known."""
        found = self.found.get(self.paths[name])
        return (found.width, found.height) if isinstance(found, Media) else (None, None)

    def audit(self) -> dict[str, Any]:
        """What tells the images apart without a look at them."""
        names = [
            name
            for name, labels in self.labels.items()
            if self.kinds[name] == "image" and name in self.paths and len(labels) == 1
        ]
        labels = [next(iter(self.labels[name])) for name in names]
        return audit_images([self.paths[name] for name in names], labels, [False] * len(names), self.found)


def clusters(pairs: Iterable[tuple[str, ...]]) -> dict[str, str]:
    """medium -> the first in order of all media that are linked to it by pairs: media that share one are not
    independent."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while (above := parent.setdefault(name, name)) != name:
            parent[name] = parent[above]
            name = above
        return name

    for first, *others in pairs:
        for other in others:
            low, high = sorted((root(first), root(other)))
            parent[high] = low
    return {name: root(name) for name in [*parent]}
