"""Check image and video files without trusting them: each in a worker process that is killed when it takes too long."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swift_plugins.core.guarded import TIME_LIMIT, run_guarded
from swift_plugins.core.records import sha256_file, sha256_text

LEVELS = ("none", "header", "decode")
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".jfif", ".png", ".avif", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
# Pillow's names of what may be in a file of such a suffix; it would hand some others, as EPS, to another program.
IMAGE_FORMATS = {"JPEG", "MPO", "PNG", "AVIF", "WEBP", "BMP", "GIF", "TIFF"}
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
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF.{4}WEBP|BM|GIF8[79]a|II\*\x00|MM\x00\*|.{4}ftyp(avif|avis|mif1)", re.S
)
CHUNK = 64  # files whose headers a worker reads at a time


@dataclass(frozen=True)
class Media:
    """What a file's header says. `duration` (s), `frames` and `has_audio` are None for an image.

    `format` is Pillow's name of an image's format and `quantisation` tells apart how JPEGs were saved: a hash of the
    tables in the header. Both are None for a video.
    """

    width: int
    height: int
    duration: float | None = None
    frames: int | None = None
    has_audio: bool | None = None
    format: str | None = None
    quantisation: str | None = None


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
        return kind_of(file.read(BEGIN))


def kind_of(begin: bytes) -> str | None:
    """The same of a medium's first BEGIN bytes."""
    if IMAGES.match(begin):
        return None
    for pattern, name in CONTAINERS:
        if pattern.match(begin):
            return name
    raise ValueError("by its content neither an image nor a video in a container that is read")


def no_media(paths: Iterable[str]) -> dict[str, str]:
    """path -> what is wrong, of the files that are there and are, by how they begin, no media."""
    found = {}
    for path in filter(os.path.isfile, paths):
        try:
            check_kind(path)
        except (ValueError, OSError) as error:
            found[path] = str(error)
    return found


def content_hash(paths: Iterable[str]) -> str:
    """One hash of what is in all of these files, in this order; one that cannot be read counts as missing."""
    from concurrent.futures import ThreadPoolExecutor

    from tqdm import tqdm

    paths = list(paths)

    def digest(path: str) -> str:
        try:
            return sha256_file(path) if os.path.isfile(path) else "missing"
        except OSError:
            return "missing"

    with ThreadPoolExecutor() as pool:
        hashes = tqdm(pool.map(digest, paths), total=len(paths), unit="file", desc="hash media", delay=2)
        return sha256_text("\n".join(hashes))


@contextlib.contextmanager
def open_video(path: str) -> Iterator[Any]:
    """A video file in PyAV, read as the container that it holds and nothing else; no other file is opened."""
    import av

    av.logging.set_level(av.logging.PANIC)
    try:
        if (container := check_kind(path)) is None:
            raise ValueError("it is an image")
    except (ValueError, OSError) as error:
        raise ValueError(f"the video cannot be read: {error}") from None
    options = {"protocol_whitelist": "file", "format_whitelist": container}
    try:
        with av.open(path, format=container, options=options, metadata_errors="replace") as opened:
            yield opened
    except (av.error.FFmpegError, OSError) as error:
        raise ValueError(f"the video cannot be read: {error}") from None


def check_media(path: str, level: str) -> Media:
    """Read a file's header and, at level "decode", its pictures; ValueError says what is wrong with it."""
    if not os.path.isfile(path):
        raise ValueError("the file does not exist")
    if (size := os.path.getsize(path)) > MAX_BYTES or size == 0:
        raise ValueError(f"the file has {size} bytes; 1 to {MAX_BYTES} are allowed")
    check = _check_image if Path(path).suffix.lower() in IMAGE_SUFFIXES else _check_video
    media = check(path, level)
    if media.width * media.height > MAX_PIXELS:
        raise ValueError(f"a frame of {media.width}x{media.height} exceeds {MAX_PIXELS} pixels")
    return media


def _check_image(path: str, level: str) -> Media:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        with Image.open(path) as image:
            if image.format not in IMAGE_FORMATS:
                raise ValueError(f"{image.format} is none of the formats {', '.join(sorted(IMAGE_FORMATS))}")
            if level == "decode" and image.width * image.height <= MAX_PIXELS:
                image.load()  # a truncated file passes the header and verify(); only decoding finds it out
            return Media(image.width, image.height, format=image.format, quantisation=_tables(image))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"the image cannot be read: {error}") from None


def _tables(image) -> str | None:
    """A short hash of a JPEG's quantisation tables, which give away its encoder and quality; None for other formats."""
    tables = getattr(image, "quantization", None)
    return hashlib.sha256(repr(sorted(tables.items())).encode()).hexdigest()[:12] if tables else None


def _check_video(path: str, level: str) -> Media:
    with open_video(path) as container:
        if not container.streams.video:
            raise ValueError("the file has no video stream")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise ValueError("there is no decoder for its video stream")
        seconds = float(container.duration or 0) / 1_000_000  # av.time_base
        media = Media(stream.width, stream.height, seconds, stream.frames or None, bool(container.streams.audio))
        if not 0 < seconds <= MAX_SECONDS:
            raise ValueError(f"the video lasts {seconds:.1f} s; up to {MAX_SECONDS:.0f} s are allowed")
        if level == "decode" and media.width * media.height <= MAX_PIXELS:
            _decode_three(container, stream, media)
        return media


def _decode_three(container, stream, media: Media) -> None:
    """Hold the packets against the header, then decode the first, the middle and the last frame."""
    times = _packet_times(container, stream, media) if media.frames else _packet_times_by_duration(container, stream)
    for pts in (times[0], times[len(times) // 2], times[-1]):
        container.seek(pts, stream=stream)
        if not any(frame.pts is not None and frame.pts >= pts for frame in container.decode(stream)):
            raise ValueError(f"the frame at {float(pts * stream.time_base):.2f} s cannot be decoded")


def _packet_times(container, stream, media: Media) -> list[int]:
    """When the stream's packets are shown; ValueError if there are fewer than the header says.

    A clip that was cut without encoding it anew holds fewer packets than its header says, but reaches its stated end.
    """
    packets = [
        (packet.pts, packet.duration or 0)
        for packet in container.demux(stream)
        if packet.size and packet.pts is not None
    ]
    end = (stream.start_time or 0) + (stream.duration or 0)
    if not packets or (len(packets) < (media.frames or 0) and max(map(sum, packets)) < end):
        raise ValueError(f"truncated: the header says {media.frames} frames, the file holds {len(packets)}")
    return sorted(pts for pts, _ in packets)


def _packet_times_by_duration(container, stream) -> list[int]:
    """The same where the header has no frame count (WebM, Matroska): all streams together must reach its duration."""
    times, end = [], 0.0
    for packet in container.demux():
        if packet.size and packet.pts is not None:
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.stream_index == stream.index:
                times.append(packet.pts)
    stated = container.duration / 1_000_000  # av.time_base
    if not times or end < stated - max(0.5, 2 / (stream.average_rate or 4)):
        raise ValueError(f"truncated: the header says {stated:.2f} s, the file ends at {end:.2f} s")
    return sorted(times)


def check_many(
    paths: Iterable[str],
    level: str,
    workers: int = 2,
    time_limit: float = TIME_LIMIT,
    check: Callable[[str, str], Media] = check_media,
) -> Iterator[tuple[str, Media | str]]:
    """Yield (path, Media) or (path, reason) in order."""
    paths = list(paths)
    # Decoding takes longer than it costs to send a file to a worker; a header does not.
    chunk = 1 if level == "decode" else max(1, min(CHUNK, len(paths) // (4 * max(1, workers))))
    jobs = [(path, level) for path in paths]
    yield from zip(paths, run_guarded(check, jobs, workers, time_limit, chunk), strict=True)


def frame_at(path: str, second: float) -> tuple[Any, float]:
    """(the frame shown at `second` as a PIL image, its own time in s); an image file is its own only frame.

    ValueError says why there is none. A time past the end gives the last frame.
    """
    media = check_media(path, "header")
    if media.duration is None:
        from PIL import Image

        with Image.open(path) as image:
            return image.copy(), 0.0
    with open_video(path) as container:
        stream = container.streams.video[0]
        container.seek(int(max(0.0, second) / stream.time_base), stream=stream)
        last = None
        for frame in container.decode(stream):
            if last is not None and frame.time is not None and frame.time > second + 1e-3:
                break
            last = frame
    if last is None:
        raise ValueError("the video holds no frame that decodes")
    return last.to_image(), float(last.time or 0.0)
