"""A file with what a model says of it drawn in: the verdict, the box, and in a video from when on it shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from eval.reporting.explained import Explained
from swift_plugins.core.media import check_kind, open_video
from swift_plugins.core.records import atomic_write
from swift_plugins.core.videos import frame_at, seen_stream, upright

if TYPE_CHECKING:
    from PIL.Image import Image

COLOUR, PAPER, INK = (255, 96, 32), (0, 0, 0), (255, 255, 255)
IMAGES, VIDEOS, PAGES = (".png", ".jpg", ".jpeg", ".webp"), (".mp4",), (".html",)
_TICK = Fraction(1, 1000)  # s, of the time stamps of a video that is written


def drawn(image: Image, one: Explained, second: float | None = None) -> Image:
    """A frame with the verdict above and the box in it, from its onset on; below a video's time line up to `second`."""
    from PIL import Image as images
    from PIL import ImageDraw, ImageFont

    line = max(12, min(image.size) // 24)
    bar = 0 if second is None else line
    font = ImageFont.load_default(line)
    width = max(image.width, math.ceil(font.getlength(one.said)) + line)  # of a small frame the headline is wider
    height = image.height + 2 * line + bar
    canvas = images.new("RGB", (width + width % 2, height + height % 2), PAPER)  # an encoder takes even sizes alone
    canvas.paste(image, (0, 2 * line))
    draw = ImageDraw.Draw(canvas)
    draw.text((line // 2, line // 3), one.said, INK, font)
    if one.box and (second is None or second >= (one.start or 0.0)):
        x0, y0, x1, y1 = one.box
        corners = [min(max(x0, 0), x1), min(max(y0, 0), y1) + 2 * line, max(x1, x0), max(y1, y0) + 2 * line]
        draw.rectangle(corners, outline=COLOUR, width=max(2, line // 6))
    if second is not None:
        _time_line(draw, one, second, (image.width, 2 * line + image.height, bar))
    return canvas


def _time_line(draw, one: Explained, second: float, place: tuple[int, int, int]) -> None:
    width, top, height = place
    whole = one.row["meta"].get("duration") or 1.0
    draw.rectangle([0, top + height // 2, min(1.0, second / whole) * width, top + height], fill=INK)
    if one.start is not None:
        at = min(1.0, one.start / whole) * width
        draw.rectangle([at - 2, top, at + 2, top + height], fill=COLOUR)


def write_image(one: Explained, out: Path) -> None:
    """Write the image, or a video's frame at its onset, with what is said of it."""
    image, _ = frame_at(one.path, one.start or 0.0)
    picture = drawn(image, one)
    kind = {".jpg": "JPEG", ".jpeg": "JPEG"}.get(out.suffix.lower(), out.suffix[1:].upper())
    with atomic_write(out) as file:
        picture.save(file, kind)


def write_video(one: Explained, out: Path) -> None:
    """Write the video, without its sound, with what is said of it; every frame keeps its time."""
    import av

    with open_video(one.path) as source, atomic_write(out) as file, av.open(file, "w", format="mp4") as made:
        seen = seen_stream(source)
        first, stream = None, None
        for frame in source.decode(seen):
            time = frame.time if frame.time is not None else 0.0
            first = time if first is None else first
            image = drawn(upright(frame), one, time - first)
            if stream is None:
                stream = made.add_stream("libx264", rate=seen.average_rate or 25)
                stream.width, stream.height, stream.pix_fmt = *image.size, "yuv420p"
                stream.codec_context.time_base = _TICK
            encoded = av.VideoFrame.from_image(image)
            encoded.time_base, encoded.pts = _TICK, round((time - first) / _TICK)
            made.mux(stream.encode(encoded))
        if stream is None:
            raise ValueError(f"{one.path}: no frame of the video decodes")
        made.mux(stream.encode())


def check_out(paths: Sequence[str], out: Path) -> None:
    """ValueError where `out` cannot show the answers about these files."""
    kind = out.suffix.lower()
    if kind in (*IMAGES, *VIDEOS):
        if len(paths) > 1:
            raise ValueError(
                f"{out} holds one answer, these are {len(paths)} files: name a folder, or a {PAGES[0]} page"
            )
        if kind in VIDEOS and check_kind(paths[0]) is None:
            raise ValueError(f"{out}: {paths[0]} is an image: name a file that ends with {', '.join(IMAGES)}")
    elif kind not in PAGES and (kind or out.is_file()):
        raise ValueError(f"{out}: name a file that ends with {', '.join((*VIDEOS, *IMAGES, *PAGES))}, or a folder")


def write(one: Explained, out: Path, number: int = 1) -> Path:
    """Write what shows the answer to the file `out`, or into it where it is a folder; returns the file."""
    if not out.suffix:
        out = out / f"{number:03d} {Path(one.path).stem}{(VIDEOS if one.is_video else IMAGES)[0]}"
    out.parent.mkdir(parents=True, exist_ok=True)
    (write_video if out.suffix.lower() in VIDEOS else write_image)(one, out)
    return out
