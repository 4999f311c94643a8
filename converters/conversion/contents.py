"""What image files hold, whatever they are called: the same bytes, the same picture, or the mask of another image."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from swift_plugins.core.images import opened
from swift_plugins.core.records import sha256_file

_BLOCK = 4096  # bytes of a file's middle that are compared before all of it
_SHADES = ("I", "F")  # modes of more than eight bits, which a conversion to RGB would clip
_NEAR = 24  # grey values from black or white that still count as it
_PURE = 0.97  # share of a mask's pixels that are black or white, and
_PRESENT = 0.002  # at least that of each


def twins(paths: Iterable[str]) -> dict[str, str]:
    """path -> the first of the files with the same bytes, for each that has another; a file not there has none.

    No more of a file is read than tells it from the others: its size, its middle, all of it.
    """
    alike = [sorted(paths)]
    for tell in (os.path.getsize, _middle, sha256_file):
        alike = [some for group in alike for some in _grouped(group, tell) if len(some) > 1]
    return {path: group[0] for group in alike for path in group}


def _grouped(paths: Iterable[str], tell: Callable[[str], Any]) -> Iterable[list[str]]:
    found: dict[Any, list[str]] = defaultdict(list)
    for path in paths:
        with contextlib.suppress(OSError):
            found[tell(path)].append(path)
    return found.values()


def _middle(path: str) -> bytes:
    with open(path, "rb") as file:
        file.seek(os.path.getsize(path) // 2)
        return file.read(_BLOCK)


def hash_pictures(paths: Sequence[str], workers: int) -> dict[str, str]:
    """path -> SHA-256 of the decoded pixels: a copy in another lossless format or with other metadata has the same.

    What cannot be decoded is told by its bytes; a file that is not there is left out.
    """
    from tqdm import tqdm

    with ThreadPoolExecutor(workers) as pool:
        found = tqdm(pool.map(_hash_picture, paths), total=len(paths), unit="file", desc="compare images")
        return {path: digest for path, digest in zip(paths, found, strict=True) if digest}


def _hash_picture(path: str) -> str | None:
    try:
        with opened(path) as image:
            picture = image if image.mode.startswith(_SHADES) else image.convert("RGBA")
            mode = f"{picture.mode} {picture.size}".encode()
            return hashlib.sha256(mode + picture.tobytes()).hexdigest()
    except ValueError:
        try:
            return sha256_file(path) if os.path.isfile(path) else None
        except OSError:
            return None


def look(path: str) -> tuple[tuple[int, int] | None, bool]:
    """(width and height in px, whether an image is black and white as a mask is); None, False for what is unreadable.

    That is nearly all of it, and some of both; of an image of more than eight bits as far as it reaches.
    """
    try:
        with opened(path) as image:
            size = image.size
            shades = image if image.mode.startswith(_SHADES) else image.convert("L")
            _, most = shades.getextrema()
            if most == 1 or image.mode.startswith(_SHADES):  # a map of classes, or of more than eight bits
                scale = 255 / max(most, 1)  # type: ignore[operator, type-var]
                shades = shades.convert("F").point(lambda value: value * scale + 0)
            counts = shades.convert("L").resize((128, 128), 0).histogram()
    except ValueError:
        return None, False
    black, white = sum(counts[: _NEAR + 1]) / 128**2, sum(counts[255 - _NEAR :]) / 128**2
    return size, black + white >= _PURE and min(black, white) >= _PRESENT
