"""Check image and video files without trusting them: each in a worker process that is killed when it takes too long."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from swift_plugins.core import boxes
from swift_plugins.core.guarded import TIME_LIMIT, Stopped, run_guarded
from swift_plugins.core.images import check_image
from swift_plugins.core.media import MAX_BYTES, Media, check_kind
from swift_plugins.core.readers import CURE, check_reader
from swift_plugins.core.videos import check_header, see

CHUNK = 64  # files whose headers a worker reads at a time


def check_media(path: str, level: str, reader: str | None = None) -> Media:
    """Read a file's header and, at level "decode", its pictures; ValueError says what is wrong with it.

    What it is follows from its content, whatever its name. A `reader` is tried on a video at level "decode".
    """
    if not os.path.isfile(path):
        raise ValueError("the file does not exist")
    if (size := os.path.getsize(path)) > MAX_BYTES or size == 0:
        raise ValueError(f"the file has {size} bytes; 1 to {MAX_BYTES} are allowed")
    if check_kind(path) is None:
        media = check_image(path, level)
    elif level == "decode":
        seen = see(path)
        media = seen.media
    else:
        media = check_header(path)
    if level == "decode":
        boxes.smart_resize(media.width, media.height, boxes.VIDEO_MIN_PIXELS, boxes.VIDEO_MAX_PIXELS)  # or its error
    if level == "decode" and reader and media.is_video:
        media = replace(media, notes=media.notes + check_reader(path, seen, reader))
    return media


def check_many(
    paths: Iterable[str],
    level: str,
    workers: int = 2,
    time_limit: float = TIME_LIMIT,
    check: Callable[[str, str, str | None], Media] = check_media,
    reader: str | None = None,
) -> Iterator[tuple[str, Media | str]]:
    """Yield (path, Media) or (path, reason) in order."""
    paths = list(paths)
    # Decoding takes longer than it costs to send a file to a worker; a header does not.
    chunk = 1 if level == "decode" else max(1, min(CHUNK, len(paths) // (4 * max(1, workers))))
    jobs = [(path, level, reader) for path in paths]
    for path, found in zip(paths, run_guarded(check, jobs, workers, time_limit, chunk), strict=True):
        yield path, f"{found}; where a player shows it, {CURE}" if isinstance(found, Stopped) else found
