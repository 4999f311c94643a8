"""Frames of clips that were decoded once: a folder with one file a clip, found by the hash of the clip's content.

Such a file is a ZIP: clip.json (what the decoder told of the whole clip: its frames per second, the seconds at which
each frame begins and ends) and a picture for each frame that was asked for, by its number. Which frames those are is
the sampling rule's affair: what is not there yet is decoded and added. An edited clip has another hash; a torn file, or
one of another clip, is made again. Several processes may write: each replaces a file whole.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from swift_plugins.core.records import atomic_write, encode_line, is_unused, read_json, write_json

SETTING = "FRAME_CACHE"  # the variable that names the folder
LOSSLESS = 0  # the quality of pictures that are the decoded frames
_HOME, _CLIP = "cache.json", "clip.json"
_FORM = 1
MAX_PIXELS = 2**26  # of one picture


class Clip(msgspec.Struct):
    """What a decoder tells of a clip: `spans` are the seconds at which its frames begin and end."""

    sha256: str
    fps: float
    spans: list[tuple[float, float]]


class FrameCache:
    """The cache in a folder; ValueError where it is none, or of another form."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        if not (self.folder / _HOME).is_file():
            raise ValueError(f"{SETTING}: no frame cache in {folder}: make it with converters/cache_frames.py")
        found = read_json(self.folder / _HOME)
        if found.get("form") != _FORM or found.get("quality") not in range(101):
            raise ValueError(f"{SETTING}: {folder}/{_HOME} is of another form: make the cache anew")
        self.quality: int = found["quality"]
        self.decoder: str = found["decoder"]

    @classmethod
    def make(cls, folder: str | Path, quality: int, decoder: str) -> FrameCache:
        """Make a cache, or open one that was made with the same quality by the same decoder; ValueError for others."""
        home = Path(folder)
        if is_unused(home):
            home.mkdir(parents=True, exist_ok=True)
            write_json(home / _HOME, {"form": _FORM, "quality": quality, "decoder": decoder})
        elif not (home / _HOME).is_file():
            raise ValueError(f"{folder} holds other files: name a new folder for the cache")
        cache = cls(folder)
        if (cache.quality, cache.decoder) != (quality, decoder):
            raise ValueError(
                f"{folder} holds frames of quality {cache.quality} by {cache.decoder}, not {quality} by {decoder}: "
                "name another folder"
            )
        return cache

    def path(self, digest: str) -> Path:
        return self.folder / digest[:2] / f"{digest}.zip"

    def read(self, digest: str) -> tuple[Clip, dict[int, bytes]] | None:
        """(clip, number -> picture) of the clip with that hash; None where it is not there whole."""
        try:
            with zipfile.ZipFile(self.path(digest)) as file:
                clip = msgspec.json.decode(file.read(_CLIP), type=Clip)
                pictures = {int(name): file.read(name) for name in file.namelist() if name.isdecimal()}
        except (OSError, KeyError, ValueError, zipfile.BadZipFile, EOFError, NotImplementedError):
            return None
        return (clip, pictures) if clip.sha256 == digest and all(n < len(clip.spans) for n in pictures) else None

    def write(self, clip: Clip, pictures: Mapping[int, bytes]) -> None:
        """OSError where it cannot be written; what was there before is then whole."""
        target = self.path(clip.sha256)
        target.parent.mkdir(exist_ok=True)
        with atomic_write(target) as aside, zipfile.ZipFile(aside, "w") as file:
            file.writestr(_CLIP, encode_line(msgspec.to_builtins(clip)))
            for number in sorted(pictures):
                file.writestr(str(number), pictures[number])

    def encode(self, frame: Any) -> bytes:
        """An array (height, width, 3), uint8, as a PNG, or as a JPEG of the cache's quality, in full colour."""
        from PIL import Image

        out, image = io.BytesIO(), Image.fromarray(frame)
        if self.quality == LOSSLESS:
            image.save(out, "PNG", compress_level=1)
        else:
            image.save(out, "JPEG", quality=self.quality, subsampling=0)
        return out.getvalue()


def decode(pictures: Sequence[bytes]) -> Any:
    """An array of frames (n, height, width, 3), uint8; ValueError for what is no picture of `encode`."""
    import numpy as np
    from PIL import Image

    frames = []
    for picture in pictures:
        try:
            with Image.open(io.BytesIO(picture), formats=("PNG", "JPEG")) as image:
                if image.mode != "RGB" or image.width * image.height > MAX_PIXELS:
                    raise ValueError(f"a picture of {image.width} x {image.height} {image.mode}")
                frames.append(np.asarray(image))
        except (OSError, SyntaxError) as error:
            raise ValueError(f"no picture: {error}") from None
    return np.stack(frames)


def frame_quality() -> dict[str, int] | None:
    """What a checkpoint's record says of the cache in force: the quality of its pictures. None without one."""
    folder = os.environ.get(SETTING)
    return {"quality": FrameCache(folder).quality} if folder else None


def summary(folder: Path) -> dict[str, Any]:
    """How many clips a cache has and how many bytes they take."""
    sizes = [path.stat().st_size for path in folder.glob("*/*.zip")]
    return {"clips": len(sizes), "bytes": sum(sizes)}
