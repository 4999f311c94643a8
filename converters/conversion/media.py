"""The media below a dataset's folder: found, hashed and checked."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from converters.conversion.sources import Sourced, T, usable
from swift_plugins.core.checks import check_many
from swift_plugins.core.media import Media, resolve_under
from swift_plugins.core.readers import reader_in_force
from swift_plugins.core.records import sha256_file, spread


class Folder(NamedTuple):
    """A media folder: its real path, the plain files and the links in it; None for links that cannot be listed."""

    path: str
    files: set[str]
    links: set[str] | None


def list_folder(path: str) -> Folder:
    files, links = set(), set()
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_symlink():
                    links.add(entry.name)
                elif entry.is_file():
                    files.add(entry.name)
    except FileNotFoundError:
        pass
    except OSError:  # a folder that cannot be listed may still open its files
        return Folder(path, files, None)
    return Folder(path, files, links)


class MediaFolders:
    """The media below a dataset's folder: each folder is resolved and listed once, so that a path costs little.

    `root` is the real path of `place`; `missing` collects each path whose file is not there.
    """

    def __init__(self, place: Path):
        self.place, self.root = place, os.path.realpath(place)
        self.folders: dict[str, Folder] = {}
        self.names: dict[str, dict[str, str]] = {}
        self.missing: set[str] = set()

    def path(self, relative: str) -> str:
        """The absolute path of a file under --src, links resolved; each folder is resolved and listed once.

        What is not there as it is written is looked for in other Unicode forms and with "/" for the "\\" of Windows.
        """
        path, there = self._find(relative)
        if not there and (other := self._on_disk(relative)) != relative:
            path, there = self._find(other)
        if not there:
            self.missing.add(relative)
        return path

    def _find(self, relative: str) -> tuple[str, bool]:
        """(the absolute path, whether a file is there)"""
        head, slash, name = relative.rpartition("/")
        if not name:
            raise ValueError(f"not a file path: the path is {relative[:80]!r}")
        parent = head or slash
        if parent not in self.folders:
            self.folders[parent] = list_folder(self._resolve(parent, relative))
        folder, files, links = self.folders[parent]
        path = f"{folder}/{name}"
        if name in files:
            return path, True
        if links is None or name in links or name in (".", "..") or "\0" in name:
            path = self._resolve(relative, relative)
            return path, os.path.isfile(path)
        return path, False

    def _on_disk(self, relative: str) -> str:
        """The path with "/" between its folders, and each name in the Unicode form that it has on disk."""
        parts = relative.replace("\\", "/").split("/")
        if relative.isascii() or ".." in parts:
            return "/".join(parts)
        for i, part in enumerate(parts):
            above = "/".join(parts[:i])
            if not part.isascii():
                parts[i] = self._names(above).get(unicodedata.normalize("NFC", part), part)
        return "/".join(parts)

    def _names(self, folder: str) -> dict[str, str]:
        """NFC -> the name itself, of all that lies in a folder below the root."""
        if folder not in self.names:
            try:
                names = sorted(os.listdir(self._resolve(folder, folder)))
            except (OSError, ValueError):
                names = []
            self.names[folder] = {unicodedata.normalize("NFC", name): name for name in names}
        return self.names[folder]

    def _resolve(self, part: str, relative: str) -> str:
        """Where `part` of a path leads; ValueError names the whole of it."""
        if "://" in relative or "\0" in relative:
            raise ValueError(f"not a file path: the path is {relative[:80]!r}")
        try:
            return resolve_under(self.root, part)
        except ValueError:
            raise _left(self.root, relative) from None


def _left(root: str, relative: str) -> ValueError:
    """What is said of a path that leaves its folder."""
    end, name = os.path.realpath(os.path.join(root, relative)), os.path.basename(root)
    inside = os.path.normpath(os.path.join(root, relative)).startswith(os.path.join(root, ""))
    hint = "; a link out of the folder is not followed, mount or move there what it leads to" if inside else ""
    return ValueError(f"the path leaves {name}/: {relative[:80]!r} leads to {end[:160]!r}{hint}")


def folder_in(src: Path, name: str) -> Path:
    """A folder of a dataset, which need not be there; ValueError where a link of that name leads out of `src`."""
    root = os.path.realpath(src)
    try:
        resolve_under(root, name)
    except ValueError:
        raise _left(root, name) from None
    return src / name


def locate(items: list[Sourced[T]], path_of: Callable[[Sourced[T]], str]) -> list[Sourced[T]]:
    """Fill in where the image of each row lies; a row whose path leads nowhere in the dataset has none."""
    for item in usable(items):
        try:
            item.path = path_of(item)
        except ValueError as error:
            item.reason = f"image: {error}"
    return items


def find_folder(src: Path, names: Iterable[str], paths: Sequence[str], probes: int) -> tuple[MediaFolders, bool]:
    """(the folder below `src` that the paths begin in, whether any of them leads to a file there).

    It is the first of `names` where as many as anywhere of `probes` paths from all over the list lead to a file.
    ValueError for a name that leads out of `src`.
    """
    some = [paths[i] for i in spread(len(paths), probes)]
    places = (MediaFolders(folder_in(src, name)) for name in names)
    found = [(sum(_is_there(folders, path) for path in some), folders) for folders in places]
    hits, folders = max(found, key=lambda entry: entry[0])
    return folders, hits > 0


def _is_there(folders: MediaFolders, path: str) -> bool:
    try:
        folders.path(path)
    except ValueError:
        return False
    return path not in folders.missing


def check_files(paths: list[str], level: str, workers: int) -> dict[str, Media | str]:
    """Check each file, with a progress bar: its Media, or the reason why it cannot be used; none at level "none"."""
    if level == "none":
        return {}
    from tqdm import tqdm

    checks = check_many(paths, level, workers, reader=reader_in_force())
    return dict(tqdm(checks, total=len(paths), unit="file", desc=f"check {level}"))


def notes_on(found: Mapping[str, Media | str]) -> dict[str, int]:
    """What is to be noted of files that can be used -> of how many."""
    return dict(Counter(note for media in found.values() if isinstance(media, Media) for note in media.notes))


def image_size(found: Media | str | None, image: str) -> dict[str, int]:
    """width and height as an image's check found them, nothing without a check; ValueError for what is no image."""
    if isinstance(found, str) or (found and found.is_video):
        raise ValueError(f"media: {found if isinstance(found, str) else 'a video'}: {image[:80]!r}")
    return {"width": found.width, "height": found.height} if found else {}


def hash_files(paths: list[str], workers: int) -> dict[str, str]:
    """path -> SHA-256 of the file's content; a file that is not there or cannot be read is left out."""
    from tqdm import tqdm

    with ThreadPoolExecutor(workers) as pool:
        found = tqdm(pool.map(_hash_file, paths), total=len(paths), unit="file", desc="hash images")
        return {path: digest for path, digest in zip(paths, found, strict=True) if digest}


def _hash_file(path: str) -> str | None:
    try:
        return sha256_file(path) if os.path.isfile(path) else None
    except OSError:
        return None
