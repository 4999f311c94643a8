"""Clips whose frames tell their number, as cameras, editors and muxers make them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

WIDTH, HEIGHT, RATE, FRAMES = 96, 64, 10, 20


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Dark, with a white patch in the upper left; the bits of the number stand below, the lowest first."""
    image = np.full((height, width, 3), 40, np.uint8)
    image[: height // 4, : width // 4] = 255
    for bit in range(5):
        image[height // 2 :, bit * width // 5 : (bit + 1) * width // 5] = 220 if number >> bit & 1 else 20
    return image


def number_of(image: Any) -> int:
    """The number that an upright picture shows."""
    grey = np.asarray(image.convert("L"))
    height, width = grey.shape
    return sum(1 << bit for bit in range(5) if grey[height * 3 // 4, (2 * bit + 1) * width // 10] > 120)


def write_clip(
    path: Path,
    codec: str = "libx264",
    turn: int = 0,
    mirrored: bool = False,
    start: float = 0,
    times: Sequence[float] = (),
    sizes: Sequence[tuple[int, int]] = ((WIDTH, HEIGHT),),
    frames: int = FRAMES,
    muxer: str | None = None,
) -> str:
    """A clip of one video stream for each of `sizes`; `turn` is in degrees to the left, `start` and `times` in s."""
    times = [start + second for second in times or [number / RATE for number in range(frames)]]
    with av.open(str(path), "w", format=muxer, options={"avoid_negative_ts": "disabled"}) as container:
        streams = []
        for width, height in sizes:
            stream = container.add_stream(codec, rate=RATE, options={"bf": "0", "g": "10"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.time_base = Fraction(1, 1000 if start or times[-1] != (frames - 1) / RATE else RATE)
            if turn or mirrored:
                stream.set_display_rotation(turn, hflip=mirrored)
            streams.append(stream)
        for number, second in enumerate(times):
            for stream, size in zip(streams, sizes, strict=True):
                frame = av.VideoFrame.from_ndarray(picture(number, *size), format="rgb24")
                frame.time_base = stream.codec_context.time_base
                frame.pts = round(second / frame.time_base)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode())
    return str(path)
