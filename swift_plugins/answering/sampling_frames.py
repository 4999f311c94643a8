"""Frames of a video at stated seconds, for models that are shown pictures: how many each is shown, and the pictures."""

from __future__ import annotations

import io
from bisect import bisect_right
from typing import NamedTuple

from swift_plugins.core.media import open_video
from swift_plugins.core.videos import read_timeline, seen_stream, upright


class Sampling(NamedTuple):
    """`fps` frames for each second, at most `most` of them, else evenly spread; without fps always `most`."""

    fps: float | None
    most: int

    def seconds(self, last: float) -> list[float]:
        """When the frames of a video are shown whose last one is shown at that second after the first."""
        count = self.most if self.fps is None else int(last * self.fps + 1e-6) + 1
        if self.fps is not None and count <= self.most:
            return [i / self.fps for i in range(count)]
        return [last * i / max(1, self.most - 1) for i in range(self.most)]


# DeepTraceReward, appendix E: two frames a second but for these; the cap is that of its best model (table 4).
DEFAULT = Sampling(2.0, 180)
FRAMES = {"video-llava": Sampling(None, 8), "llava-onevision": Sampling(1.0, 20)}


def sampling_of(model: str) -> Sampling:
    """That of a model, by a part of its name in any case."""
    return next((found for part, found in FRAMES.items() if part in model.lower()), DEFAULT)


def sampled(path: str, sampling: Sampling) -> list[tuple[float, bytes]]:
    """(second after the first frame, JPEG of the frame that is seen then), each frame once, in their order."""
    with open_video(path) as container:
        timeline = read_timeline(container, seen_stream(container)).seconds
    seconds = sampling.seconds(timeline[-1])
    wanted = {max(0, bisect_right(timeline, second + 1e-3) - 1) for second in seconds}
    found = []
    with open_video(path) as container:
        for number, frame in enumerate(container.decode(seen_stream(container))):
            if number in wanted:
                picture = io.BytesIO()
                upright(frame).save(picture, "JPEG", quality=95, subsampling=0)
                found.append((timeline[number], picture.getvalue()))
            if len(found) == len(wanted):
                return found
    raise ValueError(f"{path}: {len(wanted) - len(found)} of {len(wanted)} frames cannot be decoded")
