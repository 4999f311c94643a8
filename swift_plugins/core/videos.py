"""A video as it is seen: one of its streams, upright, each of its frames at its second after the first."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from swift_plugins.core.images import check_image, rgb
from swift_plugins.core.media import MAX_SECONDS, Media, check_area, check_kind, open_video

if TYPE_CHECKING:
    from PIL import Image

TIME_BASE = 1_000_000  # of a container's duration (av.time_base)
# Where a moment is sought by its time stamp; elsewhere the search often lands behind it, or time stamps are made up.
SOUGHT = ("mov", "matroska")
# How far at most from its place at a constant rate a frame of such a clip is shown, in frames.
STEADY = 1.5
VARIABLE = "the frame rate varies: a Qwen-VL model is shown frames at even numbers, not at even seconds"
SMALL = (32, 32)  # px of a picture that is compared


def seen_stream(container: Any) -> Any:
    """The stream that is seen: the largest, as decord and ffmpeg choose it; a cover is none."""
    from av.stream import Disposition

    streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not streams:
        raise ValueError("the file has no video stream")
    known = [stream for stream in streams if stream.codec_context is not None]
    if not known:
        raise ValueError("there is no decoder for its video stream")
    stream = max(known, key=lambda stream: stream.width * stream.height)
    stream.codec_context.thread_count = 1  # files are read side by side, each in a process of its own
    return stream


def turn_of(frame: Any) -> int:
    """By how many degrees, 0, 90, 180 or 270 to the left, a coded frame is turned to be upright."""
    return round(frame.rotation / 90) % 4 * 90


def is_mirrored(frame: Any) -> bool:
    """Whether a coded frame is to be shown as in a mirror, which neither `upright` nor a reader does."""
    if (matrix := frame.side_data.get("DISPLAYMATRIX")) is None:
        return False
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix))
    return a * d < b * c


def upright(frame: Any) -> Image.Image:
    """A coded frame as it is seen."""
    image = frame.to_image(threads=1)
    return image.rotate(turn, expand=True) if (turn := turn_of(frame)) else image


def seen_size(path: str) -> tuple[int, int]:
    """(width, height) in px of a video's frames as they are seen."""
    media = check_header(path)
    return media.width, media.height


class Timeline(NamedTuple):
    """When the frames of a stream are shown: `seconds` after the first, ascending; `stamps` are the time stamps.

    Where a packet has no time stamp there are no `stamps`, and the frames keep to the stated rate.
    """

    seconds: Sequence[float]
    stamps: Sequence[int] | None

    def rate(self) -> float | None:
        return (len(self.seconds) - 1) / self.seconds[-1] if self.seconds[-1] > 0 else None


def read_timeline(container: Any, stream: Any) -> Timeline:
    """The timeline of a container that was not read from yet; ValueError if it holds less than its header says."""
    stamps, count, end, last = [], 0, 0.0, 0.0  # `end` of the stream, `last` of all
    for packet in container.demux():
        if not packet.size:
            continue
        if packet.pts is not None:
            until = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            last = max(last, until)
            end = max(end, until) if packet.stream_index == stream.index else end
        if packet.stream_index == stream.index:
            count += 1
            # A clip that was cut without encoding it anew still holds frames before the cut, which are not shown.
            stamps += [] if packet.is_discard else [packet.pts]
    _check_whole(container, stream, count, end, last)
    if not stamps or None in stamps:
        rate = stream.average_rate or stream.guessed_rate or 1
        return Timeline([float(number / rate) for number in range(len(stamps))], None)
    stamps.sort()
    return Timeline([float((stamp - stamps[0]) * stream.time_base) for stamp in stamps], stamps)


def _check_whole(container: Any, stream: Any, count: int, end: float, last: float) -> None:
    """ValueError where the stream has fewer packets than the header says.

    A clip that was cut holds fewer than its header says too, but reaches its stated end. Where the header has no frame
    count (WebM, Matroska) all streams together must reach its duration.
    """
    if stream.frames or not count:
        stated = float(((stream.start_time or 0) + (stream.duration or 0)) * stream.time_base)
        if not count or (count < stream.frames and end < stated):
            raise ValueError(f"truncated: the header says {stream.frames} frames, the file holds {count}")
    else:
        stated = container.duration / TIME_BASE
        if last < stated - max(0.5, 2 / (stream.average_rate or 4)):
            raise ValueError(f"truncated: the header says {stated:.2f} s, the file ends at {last:.2f} s")


def places(count: int) -> list[int]:
    """The numbers of the first, the middle and the last of that many frames."""
    return sorted({0, count // 2, count - 1})


def frames_of(path: str, timeline: Timeline, numbers: Sequence[int]) -> list[Any]:
    """The coded frames of these numbers, ascending, by the timeline; ValueError where one cannot be decoded."""
    if timeline.stamps and check_kind(path) in SOUGHT:
        with open_video(path) as container:
            stream = seen_stream(container)
            return [_sought(container, stream, timeline.stamps[number]) for number in numbers]
    found = {}
    with open_video(path) as container:
        for number, frame in enumerate(container.decode(seen_stream(container))):
            if number in numbers:
                found[number] = frame
            if number == numbers[-1]:
                break
    for number in numbers:
        if number not in found:
            raise ValueError(f"the frame at {timeline.seconds[number]:.2f} s cannot be decoded")
    return [found[number] for number in numbers]


def _sought(container: Any, stream: Any, stamp: int) -> Any:
    container.seek(stamp, stream=stream)
    for frame in container.decode(stream):
        if frame.pts is not None and frame.pts >= stamp:
            return frame
    raise ValueError(f"the frame at {float(stamp * stream.time_base):.2f} s cannot be decoded")


class Seen(NamedTuple):
    """What a look into a video finds: its facts, its codec, how many video streams it has, how its frames are turned
    and mirrored to be upright, and its first, middle and last frame, small and grey."""

    media: Media
    codec: str
    streams: int
    turn: int
    mirrored: bool
    pictures: Sequence[Image.Image]


def small(image: Image.Image) -> Image.Image:
    """A picture as it is compared with another."""
    from PIL import Image

    return image.convert("L").resize(SMALL, Image.Resampling.BOX)


def check_header(path: str) -> Media:
    """What a video's header and first frame tell; ValueError says what is wrong with it."""
    with open_video(path) as container:
        stream = seen_stream(container)
        media = _facts(container, stream)
        frame = next(container.decode(stream), None)
    if frame is None:
        raise ValueError("the video holds no frame that decodes")
    return _turned(media, frame)


def _facts(container: Any, stream: Any) -> Media:
    """What the header alone tells, which is not how the frames are turned."""
    seconds = float(container.duration or 0) / TIME_BASE
    if not 0 < seconds <= MAX_SECONDS:
        raise ValueError(f"the video lasts {seconds:.1f} s; up to {MAX_SECONDS:.0f} s are allowed")
    check_area(stream.width, stream.height)
    return Media(
        stream.width,
        stream.height,
        seconds,
        stream.frames or None,
        bool(container.streams.audio),
        float(stream.duration * stream.time_base) if stream.duration else None,
        float(stream.average_rate) if stream.average_rate else None,
    )


def _turned(media: Media, frame: Any) -> Media:
    return replace(media, width=media.height, height=media.width) if turn_of(frame) in (90, 270) else media


def see(path: str) -> Seen:
    """Hold a video's packets against its header, then decode the first, the middle and the last frame."""
    with open_video(path) as container:
        stream = seen_stream(container)
        media = _facts(container, stream)
        timeline = read_timeline(container, stream)
        codec = f"{stream.codec_context.codec.canonical_name} in {container.format.name}"
        streams = len(container.streams.video)
    count, rate = len(timeline.seconds), timeline.rate() or media.rate
    frames = frames_of(path, timeline, places(count))
    media = _turned(replace(media, frames=count, rate=rate, length=count / rate if rate else media.length), frames[0])
    if rate and any(abs(second * rate - number) > STEADY for number, second in enumerate(timeline.seconds)):
        media = replace(media, times=tuple(timeline.seconds), notes=(VARIABLE,))
    pictures = [small(upright(frame)) for frame in frames]
    return Seen(media, codec, streams, turn_of(frames[0]), is_mirrored(frames[0]), pictures)


def frame_at(path: str, second: float) -> tuple[Image.Image, float]:
    """(the frame that is seen at `second` after the first, its own second); an image file is its own only frame.

    ValueError says why there is none. A time past the end gives the last frame.
    """
    if check_kind(path) is None:
        from PIL import Image

        check_image(path, "header")
        with Image.open(path) as image:
            return rgb(image), 0.0
    with open_video(path) as container:
        stream = seen_stream(container)
        _facts(container, stream)
        timeline = read_timeline(container, stream)
    number = max(0, bisect_right(timeline.seconds, second + 1e-3) - 1)
    (frame,) = frames_of(path, timeline, [number])
    return upright(frame), timeline.seconds[number]
