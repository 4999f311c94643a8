"""Files in a published layout, written beside our rows: the images by their content's name, linked or copied."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from swift_plugins.core.records import atomic_write, jsonl_writer

FOLDER = "published"


def image_name(image: str, sha256: str) -> str:
    """The name of an image in a published layout."""
    return f"{sha256[:16]}{Path(image).suffix.lower()}"


def place_images(folder: Path, images: Iterable[tuple[str, str]]) -> None:
    """Put images, (path, name below the folder), in place: as another name of the same file where that can be."""
    for path, name in dict.fromkeys(images):
        place = folder / name
        if not place.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            aside = place.with_name(f".{place.name}.aside")
            aside.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                os.link(os.path.realpath(path), aside)
            if not aside.is_file():
                shutil.copyfile(path, aside)
            aside.replace(place)


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        jsonl_writer(file).write_all(rows)
