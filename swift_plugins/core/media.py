"""Image and video files, which are not trusted: what one is by its content, and how it is opened and named."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from swift_plugins.core.records import sha256_file, sha256_text

LEVELS = ("none", "header", "decode")
# In a row a hash of what its media held when it was answered, in a run's record of what all held.
MEDIA = "media_sha256"
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".jfif", ".png", ".avif", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
MAX_BYTES = 4 << 30
MAX_PIXELS = 64_000_000  # of one frame
MAX_SECONDS = 3600.0
# What may be in a video file, by how it begins, and ffmpeg's reader of it. Other readers take a list of further files
# (playlists) or draw any text, so that a file would show what lies elsewhere.
CONTAINERS = (
    (re.compile(rb".{4}(ftyp|moov|mdat|wide|free|skip|styp)", re.S), "mov"),  # MP4 and QuickTime
    (re.compile(rb"\x1a\x45\xdf\xa3"), "matroska"),  # and WebM
    (re.compile(rb"RIFF.{4}AVI ", re.S), "avi"),
    (re.compile(rb"FLV\x01"), "flv"),
    (re.compile(rb"OggS"), "ogg"),
    (re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"), "asf"),  # Windows Media
    (re.compile(rb"\x00\x00\x01\xba"), "mpeg"),
    (re.compile(rb"(.{4})?\x47.{187}(.{4})?\x47.{187}(.{4})?\x47", re.S), "mpegts"),
)
IMAGES = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF.{4}WEBP|BM.{4}\0{4}|GIF8[79]a|II[*+]\x00|MM\x00[*+]|.{4}ftyp(avif|avis|mif1|hei[cx])",
    re.S,
)


@dataclass(frozen=True)
class Media:
    """What a file's check found. `duration` (s), `frames` and `has_audio` are None for an image.

    `width` and `height` (px) are those of the picture as it is seen: a video is upright. `length` (s) is that of its
    pictures, which a sound may outlast, `rate` its frames/s, as far as the header tells them; the level "decode" finds
    both, and `times`, when its frames are shown (s after the first), where they do not keep to the rate. `format` is
    Pillow's name of an image's format and `quantisation` tells apart how JPEGs were saved: a hash of the tables in the
    header. Both are None for a video. `notes` say what is no reason to leave the file out.
    """

    width: int
    height: int
    duration: float | None = None
    frames: int | None = None
    has_audio: bool | None = None
    length: float | None = None
    rate: float | None = None
    times: tuple[float, ...] | None = None
    format: str | None = None
    quantisation: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_video(self) -> bool:
        return self.duration is not None

    def second_of(self, frame: int) -> float | None:
        """When the frame of that number, from 0, is shown, in s after the first; None where the rate is not known."""
        if self.times and frame < len(self.times):
            return self.times[frame]
        return frame / self.rate if self.rate else None


def check_area(width: int, height: int) -> None:
    """ValueError for a picture of so many px that it is not decoded."""
    if width * height > MAX_PIXELS:
        raise ValueError(f"a frame of {width}x{height} exceeds {MAX_PIXELS} pixels")


def resolve_under(root: str, relative: str) -> str:
    """The real path of `relative` below the real path `root`; ValueError for a URL or what, by links too, leaves it."""
    if "://" in relative or "\0" in relative:
        raise ValueError(f"not a file path: {relative[:80]!r}")
    path = os.path.realpath(os.path.join(root, relative))
    if path != root and not path.startswith(os.path.join(root, "")):
        raise ValueError(f"the path leaves {os.path.basename(root)}/: {relative[:80]!r}")
    return path


BEGIN = 1024  # bytes by which a medium's kind is told


def check_kind(path: str) -> str | None:
    """ffmpeg's name of a video's container, None for an image, by how the file begins; ValueError for anything else.

    Cheap enough to be asked before every reading: what is no medium reaches no decoder.
    """
    if not os.path.isfile(path):
        raise ValueError("the file does not exist")
    with open(path, "rb") as file:
        begin = file.read(BEGIN)
    try:
        return kind_of(begin)
    except ValueError as error:
        called = "image" if os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES else "video"
        raise ValueError(f"the {called} cannot be read: {error}") from None


def kind_of(begin: bytes) -> str | None:
    """The same of a medium whose first BEGIN bytes these are."""
    if IMAGES.match(begin):
        return None
    for pattern, name in CONTAINERS:
        if pattern.match(begin):
            return name
    raise ValueError("by its content neither an image nor a video in a container that is read")


def content_hashes(paths: Iterable[str]) -> dict[str, str]:
    """path -> the SHA-256 of the file's content, "missing" for one that cannot be read."""
    from concurrent.futures import ThreadPoolExecutor

    from tqdm import tqdm

    def digest(path: str) -> str:
        try:
            return sha256_file(path) if os.path.isfile(path) else "missing"
        except OSError:
            return "missing"

    wanted = list(dict.fromkeys(paths))
    with ThreadPoolExecutor() as pool:
        hashes = tqdm(pool.map(digest, wanted), total=len(wanted), unit="file", desc="hash media", delay=2)
        return dict(zip(wanted, hashes, strict=True))


def content_hash(paths: Iterable[str], hashes: Mapping[str, str] | None = None) -> str | None:
    """One hash of what is in all of these files, each once, in this order; None where there are none.

    `hashes` are those of content_hashes, where they are known already.
    """
    wanted = list(dict.fromkeys(paths))
    hashes = content_hashes(wanted) if hashes is None else hashes
    return sha256_text("\n".join(hashes[path] for path in wanted)) if wanted else None


@contextlib.contextmanager
def open_video(path: str) -> Iterator[Any]:
    """A video file in PyAV, read as the container that it holds and nothing else; no other file is opened."""
    import av

    av.logging.set_level(av.logging.PANIC)
    if (container := check_kind(path)) is None:
        raise ValueError("the video cannot be read: it is an image")
    options = {"protocol_whitelist": "file", "format_whitelist": container}
    try:
        with av.open(path, format=container, options=options, metadata_errors="replace") as opened:
            yield opened
    except (av.error.FFmpegError, OSError) as error:
        raise ValueError(f"the video cannot be read: {error}") from None
