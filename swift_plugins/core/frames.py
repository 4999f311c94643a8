"""Frames of a video: which are taken by a stated rule, and how they are cut to files."""

from __future__ import annotations

import argparse
import io
import os
import re
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from swift_plugins.core.checks import check_media
from swift_plugins.core.media import open_video
from swift_plugins.core.records import atomic_write, remove_leftovers, sha256_file
from swift_plugins.core.videos import read_timeline, seen_stream, upright

CUT_LIMIT = 600.0  # seconds for all frames of one video
_VIDEO = "video_sha256"  # the text in a frame's file that says of which video it is


class FrameRule(NamedTuple):
    """Which frames of a video are taken: the first, that of number `n` ("index") or `n` evenly spread ("uniform")."""

    kind: str
    n: int = 0

    def __str__(self) -> str:
        return f"{self.kind}:{self.n}" if self.kind in ("index", "uniform") else self.kind

    def pick(self, numbers: Sequence[int]) -> list[int]:
        """Those taken of the frames that there are, by number, ascending; "index" takes the nearest at or before n."""
        if self.kind == "uniform":
            count = min(self.n, len(numbers))
            return [numbers[i * len(numbers) // count] for i in range(count)]
        at = bisect_right(numbers, self.n) - 1 if self.kind == "index" else 0
        if at < 0:
            raise ValueError(f"no frame was extracted at or before number {self.n}; the first is {numbers[0]}")
        return [numbers[at]]


def frame_rule(text: str) -> FrameRule:
    """A type for argparse: first, index:N, uniform:N or file."""
    kind, colon, number = text.partition(":")
    if not colon and kind in ("first", "file"):
        return FrameRule(kind)
    if kind in ("index", "uniform") and re.fullmatch("[0-9]{1,6}", number) and (int(number) or kind == "index"):
        return FrameRule(kind, int(number))
    raise argparse.ArgumentTypeError(f"must be first, index:N, uniform:N (N > 0) or file, got {text!r:.40}")


def cut_frames(path: str, folder: str, rule: FrameRule) -> list[tuple[int, str]]:
    """Write the frames that `rule` takes of a video to `folder` as PNG: their numbers and paths.

    Each carries a hash of the video; one that is there already, whole and of this very video, is kept: so a run that
    was stopped goes on.
    """
    check_media(path, "decode")
    digest = sha256_file(path)
    os.makedirs(folder, exist_ok=True)
    remove_leftovers(Path(folder))
    with open_video(path) as container:
        count = len(read_timeline(container, seen_stream(container)).seconds)
    if rule.kind == "index" and rule.n >= count:
        raise ValueError(f"there is no frame {rule.n}: the video has {count}, counted from 0")
    targets = [(number, f"{folder}/{number:03d}.png") for number in rule.pick(range(count))]
    wanted = {number: target for number, target in targets if not _is_cut(target, digest)}
    if not wanted:
        return targets
    with open_video(path) as container:
        for number, frame in enumerate(container.decode(seen_stream(container))):
            if target := wanted.pop(number, None):
                picture = io.BytesIO()
                # Level 3 is exact too, 3 times faster and an eighth larger.
                upright(frame).save(picture, "PNG", compress_level=3, pnginfo=_origin(digest))
                with atomic_write(target) as file:
                    file.write(picture.getvalue())
            if not wanted:
                return targets
    raise ValueError(f"frame {min(wanted)} of {count} cannot be decoded")


def _origin(digest: str) -> Any:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text(_VIDEO, digest)
    return info


def _is_cut(target: str, digest: str) -> bool:
    from PIL import Image

    try:
        check_media(target, "decode")
        with Image.open(target) as image:
            return image.info.get(_VIDEO) == digest
    except (ValueError, OSError):
        return False
