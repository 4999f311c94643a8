"""The reader by which training and prediction take the frames of a video: whether it shows what is seen."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from swift_plugins.core.names import unknown
from swift_plugins.core.videos import Seen, places, small

if TYPE_CHECKING:
    from PIL import Image

SETTING, PINNED = "FORCE_QWENVL_VIDEO_READER", "decord"  # of qwen-vl-utils; what the recipes set
MIN_FRAMES = 2  # that qwen-vl-utils takes of a video
UNLIKE = 24  # of 255: a difference anywhere in two small pictures that no way of decoding makes
WHOSE = "by which training and prediction read videos"
CURE = "encode it anew as H.264: ffmpeg -i OLD -c:v libx264 -pix_fmt yuv420p NEW.mp4"


class Given(NamedTuple):
    """What a reader gives of a video: the (width, height) of its frames, and its first, middle and last, small."""

    size: tuple[int, int]
    pictures: list[Image.Image]


def _given(arrays: Any) -> Given:
    """Of frames as an array (frame, height, width, 3)."""
    from PIL import Image

    return Given(arrays.shape[2:0:-1], [small(Image.fromarray(array)) for array in arrays])


def _decord(path: str) -> Given:
    import decord
    from decord.base import DECORDError

    decord.logging.set_level(decord.logging.QUIET)
    try:
        video = decord.VideoReader(path)
        return _given(video.get_batch(places(len(video))).asnumpy())
    except (DECORDError, RuntimeError, AssertionError) as error:
        raise ValueError(str(error)) from None


def _torchcodec(path: str) -> Given:
    from torchcodec.decoders import VideoDecoder

    try:
        video = VideoDecoder(path, dimension_order="NHWC")
        return _given(video.get_frames_at(places(len(video))).data.numpy())
    except (RuntimeError, IndexError) as error:
        raise ValueError(str(error)) from None


# torchvision, the third that qwen-vl-utils knows, reads no videos any more.
READERS: dict[str, Callable[[str], Given]] = {"decord": _decord, "torchcodec": _torchcodec}


def reader_in_force() -> str:
    """The reader that the environment names, else the recipes'; ValueError for one that reads nothing."""
    name = os.environ.get(SETTING) or PINNED
    if name not in READERS:
        raise ValueError(unknown(f"video reader ({SETTING})", name, READERS))
    return name


def check_reader(path: str, seen: Seen, reader: str) -> tuple[str, ...]:
    """What is to be noted of a video in the hands of a reader; ValueError if it cannot be used, with the cure."""
    if find_spec(reader) is None:
        raise ValueError(f"{reader}, {WHOSE}, is not installed here")
    if len(seen.pictures) < MIN_FRAMES:
        raise ValueError(f"the video has 1 frame; training and prediction need {MIN_FRAMES}")
    try:
        given = READERS[reader](path)
    except ValueError as error:
        raise ValueError(f"{reader}, {WHOSE}, cannot read it ({seen.codec}): {_told(str(error))}; {CURE}") from None
    if why := _seen_otherwise(given, seen):
        raise ValueError(f"{reader}, {WHOSE}, shows {why}; {CURE}")
    if len(given.pictures) == len(seen.pictures) and not any(map(_unlike, given.pictures, seen.pictures)):
        return ()
    return (f"{reader}, {WHOSE}, gives other frames than are seen at the same place; {CURE}",)


def _seen_otherwise(given: Given, seen: Seen) -> str:
    """What a reader shows instead of the upright picture of the stream that is seen; nothing where it shows that."""
    size = seen.media.width, seen.media.height
    if seen.mirrored:
        return "it as it is coded, where it is to be shown as in a mirror"
    turned_back = seen.turn == 180 and not _unlike(given.pictures[0], seen.pictures[0].rotate(180))
    if given.size == size and not turned_back:
        return ""
    why = "not turned upright" if seen.turn else f"another of its {seen.streams} video streams"
    told, wanted = (f"{width}x{height}" for width, height in (given.size, size))
    return f"{told}, {why}, where {wanted} is seen"


def _told(error: str) -> str:
    """The point of a reader's message, without where in its code it arose, the file's path and a stack."""
    line = (error.strip().splitlines() or ["it does not say why"])[0]
    return re.sub(r"^(\[[^]]*\]|\S+\.cc:[0-9]+:|\s)+", "", line)[:160]


def _unlike(one: Image.Image, other: Image.Image) -> bool:
    """Whether two small pictures show different things."""
    from PIL import ImageChops

    _, most = ImageChops.difference(one, other).getextrema()
    return most > UNLIKE  # type: ignore[operator]
