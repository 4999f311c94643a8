"""Ways in which a video changes on its way from hand to hand, each in five graded strengths.

Every copy is H.264 in MP4, written by the same settings whatever the source was, upright, of even sides (an odd last
column or row is left out) and without sound; what is lost besides the kind's own loss is that of CRF 12. So h264 at
strength 1 is a canonical encoding of all clips. Each frame is shown at the second at which it was, after the first.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from eval.perturbing.kinds import KINDS, Size, chance, down_and_up, scaled, shown_on
from eval.perturbing.moire import filmed
from swift_plugins.core import boxes
from swift_plugins.core.media import MAX_PIXELS, open_video
from swift_plugins.core.records import atomic_write
from swift_plugins.core.videos import Timeline, read_timeline, seen_stream, upright

CRF = 12  # of kinds whose loss is another than the encoder's
ENCODER = {"preset": "veryfast", "bf": "0", "threads": "1"}  # one thread: the same frames give the same bytes
TICKS = 90_000  # of a second: time stamps of all usual frame rates are whole
MIN_SIDE = 16  # px: no decoder is sure to take less

Draw = Callable[[Image.Image], Image.Image]
Shown = list[tuple[int, float]]  # numbers of the source's frames, ascending, and the seconds at which they are shown


class Recording(NamedTuple):
    """A recording of a screen by a camera: the long side in px, frames/s, gamma, CRF, and how deep its moiré is."""

    side: int
    rate: int
    gamma: float
    crf: int
    moire: float


class Part(NamedTuple):
    """The part (x0, y0, x1, y1) of a source frame, in px, that a copy shows, and the size of the copy's frame."""

    window: boxes.Box
    size: Size

    def moved(self, box: boxes.Box) -> tuple[boxes.Box | None, float]:
        """(where a box of the source frame lies in the copy's, what share of its area is left of it)."""
        left, top, right, bottom = self.window
        (width, height), (x0, y0, x1, y1) = self.size, box
        sx, sy = width / (right - left), height / (bottom - top)
        whole = (x0 - left) * sx, (y0 - top) * sy, (x1 - left) * sx, (y1 - top) * sy
        if (inside := boxes.clip(whole, width, height)) is None:
            return None, 0.0
        areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (inside, whole)]
        return inside, areas[0] / areas[1]


def even(width: float, height: float) -> Size:
    return int(width) // 2 * 2, int(height) // 2 * 2


def whole(_: Any, width: int, height: int) -> Part:
    size = even(width, height)
    return Part((0, 0, *size), size)


def middle(share: float, width: int, height: int) -> Part:
    size = even(*scaled(share, width, height))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    return Part((left, top, left + size[0], top + size[1]), size)


def recorded(level: Recording, width: int, height: int) -> Part:
    """The whole frame, resampled from half a pixel further in: a display's pixels do not lie on the video's."""
    return Part((0.5, 0.5, width, height), even(*shown_on(level, width, height)))  # type: ignore[arg-type]


def recording(level: Recording, size: Size, rng: np.random.Generator) -> Draw:
    film = filmed(size, level.moire, rng)
    curve = [round(255 * (value / 255) ** level.gamma) for value in range(256)] * 3
    return lambda image: film(image).point(curve)


def all_of(seconds: Sequence[float], _end: float, _: Any) -> Shown:
    return list(enumerate(seconds))


def one_of(seconds: Sequence[float], _end: float, step: int) -> Shown:
    """Every step-th frame, from the first; ValueError where one alone would be left of several."""
    if 1 < len(seconds) <= step:
        raise ValueError(f"too short: one frame of {step} leaves 1 of {len(seconds)}")
    return list(enumerate(seconds))[::step]


def captured(seconds: Sequence[float], end: float, level: Recording) -> Shown:
    """At each 1/rate s before the end the frame that is shown then."""
    moments = [tick / level.rate for tick in range(max(1, int(end * level.rate + 1e-6)))]
    return [(bisect_right(seconds, moment + 1e-6) - 1, moment) for moment in moments]


@dataclass(frozen=True)
class ClipKind:
    """A perturbation of videos: which frames are shown when, what part of them, what is done to it, and the CRF.

    `draw(level, size, rng)` is what is done to each frame of a clip.
    """

    levels: tuple[Any, Any, Any, Any, Any]
    text: str
    shown: Callable[[Sequence[float], float, Any], Shown] = all_of
    part: Callable[[Any, int, int], Part] = whole
    draw: Callable[[Any, Size, np.random.Generator], Draw] = lambda *_: lambda image: image
    crf: Callable[[Any], int] = lambda _: CRF


CLIP_KINDS = {
    "downscale": ClipKind(
        KINDS["downscale"].levels,
        KINDS["downscale"].text,
        draw=lambda factor, _, rng: lambda image: down_and_up(image, factor, rng),
    ),
    "crop": ClipKind(KINDS["crop"].levels, KINDS["crop"].text, part=middle),
    "h264": ClipKind((18, 23, 28, 35, 42), "H.264, CRF {}", crf=lambda level: level),
    "frame_rate": ClipKind((2, 3, 4, 6, 8), "one frame of {}", one_of),
    "screen": ClipKind(
        (
            Recording(1280, 30, 1.05, 20, 0.03),
            Recording(1080, 30, 1.1, 24, 0.06),
            Recording(800, 24, 1.15, 28, 0.1),
            Recording(640, 20, 1.2, 32, 0.15),
            Recording(480, 15, 1.3, 36, 0.2),
        ),
        "long side {0.side} px, {0.rate} frames/s, gamma {0.gamma}, CRF {0.crf}, moiré {0.moire} deep",
        captured,
        recorded,
        recording,
        lambda level: level.crf,
    ),
}


NAMES = tuple(KINDS | CLIP_KINDS)  # of the kinds of all media, in the order in which they are done


def part_shown(kind: str, strength: int, width: int, height: int) -> Part:
    """What a copy shows of frames of that size; ValueError where it is too small or too large to be written."""
    part = CLIP_KINDS[kind].part(CLIP_KINDS[kind].levels[strength - 1], width, height)
    if min(part.size) < MIN_SIDE or part.size[0] * part.size[1] > MAX_PIXELS:
        raise ValueError(
            f"bad size: {kind}/{strength} gives {part.size[0]}x{part.size[1]}; sides of at least {MIN_SIDE} and up to "
            f"{MAX_PIXELS} pixels are written"
        )
    return part


def read_frames(path: str, numbers: Sequence[int], timeline: Timeline) -> Iterator[Any]:
    """The coded frames of these numbers, ascending, by the timeline; one that stands twice is given twice."""
    wanted = iter(numbers)
    number = next(wanted, None)
    with open_video(path) as container:
        for at, frame in enumerate(container.decode(seen_stream(container))):
            if timeline.stamps and frame.pts is not None:
                at = bisect_right(timeline.stamps, frame.pts) - 1  # a frame that cannot be decoded is passed over
            while number is not None and number <= at:
                if number < at:
                    raise ValueError(f"the frame at {timeline.seconds[number]:.2f} s cannot be decoded")
                yield frame
                number = next(wanted, None)
            if number is None:
                return
    raise ValueError(f"the frame at {timeline.seconds[number or 0]:.2f} s cannot be decoded")


def span_of(path: str) -> tuple[Timeline, float]:
    """(the timeline of a video, when its last frame ends, in s after the first is shown)."""
    with open_video(path) as container:
        stream = seen_stream(container)
        length = float(stream.duration * stream.time_base) if stream.duration else 0.0
        rate = float(stream.average_rate or stream.guessed_rate or 1)
        timeline = read_timeline(container, stream)
    last = timeline.seconds[-1]
    # A stream that was cut may state less, and one without a stated length ends a frame's time after its last.
    return timeline, length if length > last else last + 1 / (timeline.rate() or rate)


def perturbed_frames(
    path: str, kind: str, strength: int, rng: np.random.Generator
) -> tuple[Size, list[int], Iterator[Image.Image]]:
    """(size, time stamps in ticks and that of the end, upright pictures) of a perturbed copy."""
    one = CLIP_KINDS[kind]
    level = one.levels[strength - 1]
    timeline, end = span_of(path)
    shown = one.shown(timeline.seconds, end, level)
    # No two frames at one tick: only the later of two with the same time would be seen.
    last_at = {round(second * TICKS): number for number, second in shown}
    frames = read_frames(path, list(last_at.values()), timeline)
    first = next(frames)
    part = part_shown(kind, strength, *upright(first).size)
    draw = one.draw(level, part.size, rng)

    def pictures() -> Iterator[Image.Image]:
        for frame in chain([first], frames):
            if (size := (frame.width, frame.height)) != (first.width, first.height):
                raise ValueError(f"the size changes: from {first.width}x{first.height} to {size[0]}x{size[1]}")
            picture = upright(frame).resize(part.size, Image.Resampling.BICUBIC, box=part.window)
            yield draw(picture)

    return part.size, [*last_at, max(round(end * TICKS), [*last_at][-1] + 1)], pictures()


def encode(file: BinaryIO, size: Size, ticks: Sequence[int], pictures: Iterable[Image.Image], crf: int) -> None:
    """Write pictures as H.264 in MP4, each at its tick; the last tick is the end. Colours are stated to be BT.601."""
    import av
    from av.video.reformatter import ColorRange, Colorspace

    ends = dict(pairwise(ticks))
    with av.open(file, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=30, options={**ENCODER, "crf": str(crf)})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        context = stream.codec_context
        context.time_base = Fraction(1, TICKS)
        context.colorspace, context.color_range = int(Colorspace.ITU601), int(ColorRange.MPEG)

        def write(frame: Any) -> None:
            for packet in stream.encode(frame):
                packet.duration = ends[packet.pts] - packet.pts
                container.mux(packet)

        for tick, picture in zip(ticks, pictures, strict=False):
            frame = av.VideoFrame.from_image(picture).reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.MPEG
            )
            frame.pts, frame.time_base = tick, Fraction(1, TICKS)
            write(frame)
        write(None)


def write_clip(source: str, target: str, kind: str, strength: int, seed: int, name: str) -> OSError | None:
    """Perturb one video file; what is random follows from all but the paths.

    A full or failing disk is returned, not raised: that is not the video's fault.
    """
    from av.error import FFmpegError

    size, ticks, pictures = perturbed_frames(source, kind, strength, chance(seed, name, kind, strength))
    one = CLIP_KINDS[kind]
    try:
        with atomic_write(target) as file:
            encode(file, size, ticks, pictures, one.crf(one.levels[strength - 1]))
    except FFmpegError:  # of which some are an OSError too
        raise
    except OSError as error:
        return error
    return None
