"""The images and videos of LOKI: where they lie, and what their check found."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from converters.conversion.audit import Pictured
from converters.conversion.media import MediaFolders, find_folder
from converters.layouts.loki import UNPACK, Part
from swift_plugins.core.media import Media

PROBES = 40  # paths that are tried to find out where the media lie


def find_media(src: Path, paths: list[str]) -> MediaFolders:
    """The folder that the media's paths start from: `src`, also where none leads to a file, or the media_data in it."""
    folders, _ = find_folder(Path(os.path.realpath(src)), ("", "media_data"), paths, PROBES)
    return folders


class Library:
    """The media of all parts: their paths, their kinds and labels, and why one cannot be used."""

    def __init__(self, src: Path, parts: list[Part]):
        self.src = src
        self.labels: dict[str, set[str]] = {}
        for raw in (raw for part in parts for raw in part.good):
            for name, label in zip(raw.media, raw.labels, strict=True):
                self.labels.setdefault(name, set()).add(label)
        self.kinds = {name: part.subset.medium for part in parts for name in part.media}
        folders = find_media(src, [*self.labels])
        self.root = folders.place
        self.paths: dict[str, str] = {}
        self.faults: dict[str, str] = {}
        for name in self.labels:
            try:
                self.paths[name] = folders.path(name)
            except ValueError as error:
                self.faults[name] = str(error)
        self.missing = len(folders.missing)

    def need(self) -> None:
        """ValueError, which says how to get them, where not one of the media is there."""
        if self.missing == len(self.paths) > 0:
            raise ValueError(
                f"none of the {self.missing} media is in {self.src}: name their folder with --media, or "
                f"{UNPACK.format(src=self.src)}  (or convert with --check none)"
            )

    def use(self, names: Iterable[str], media: Mapping[str, Media | str]) -> list[str]:
        """Their absolute paths; ValueError says what is wrong with one. `media` is what the files' check found."""
        for name in names:
            if len(self.labels[name]) > 1:
                raise ValueError(f"contradiction: called real and fake: {name[:80]!r}")
            if name in self.faults:
                raise ValueError(f"media: {self.faults[name]}")
            found, kind = media.get(self.paths[name]), self.kinds[name]
            if isinstance(found, str):
                raise ValueError(f"media: {found}: {name[:80]!r}")
            if found and found.is_video != (kind == "video"):
                raise ValueError(f"media: not {'an image' if kind == 'image' else 'a video'}: {name[:80]!r}")
        return [self.paths[name] for name in names]

    def images(self) -> dict[str, Pictured]:
        """The images that are not called by two names, to be audited."""
        return {
            self.paths[name]: Pictured(next(iter(labels)), False)
            for name, labels in self.labels.items()
            if self.kinds[name] == "image" and name in self.paths and len(labels) == 1
        }
