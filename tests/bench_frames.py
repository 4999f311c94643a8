"""What the frame cache saves: reading the frames of clips of 1280 x 720 and 5 s, decoded against cached."""

import sys
import tempfile
import time
from pathlib import Path

import decord
import numpy as np

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.sample_deeptrace import write_mp4
from swift_plugins.core.frame_cache import FrameCache
from swift_plugins.hooks.frame_cache import DECODER, CachedReader
from tests.benching import fewer

CLIPS, FPS, SECONDS, TAKEN = fewer(4), 24, 5, 10
TARGETS = {"lossless": 2, "JPEG 95": 5}  # times as fast as decoding


def make(path: Path, seed: int) -> str:
    rng = np.random.default_rng(seed)
    scene = np.kron(rng.integers(40, 216, (45, 80 + FPS * SECONDS, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    moving = [scene[:, 16 * i : 16 * i + 1280] for i in range(FPS * SECONDS)]
    write_mp4(
        path, [np.clip(frame + rng.integers(-4, 5, (720, 1280, 1)), 0, 255).astype(np.uint8) for frame in moving], FPS
    )
    return str(path)


def timed(read) -> float:
    begun = time.process_time()
    read()
    return (time.process_time() - begun) / CLIPS


def main() -> int:
    wanted = np.linspace(0, FPS * SECONDS - 1, TAKEN).round().astype(int).tolist()
    with tempfile.TemporaryDirectory() as folder:
        clips = [make(Path(folder, f"{i}.mp4"), i) for i in range(CLIPS)]
        plain = timed(lambda: [decord.VideoReader(clip).get_batch(wanted).asnumpy() for clip in clips])
        print(f"decoded: {1000 * plain:.0f} ms of CPU a clip, {TAKEN} frames of {FPS * SECONDS}")
        for quality, name in ((0, "lossless"), (95, "JPEG 95")):
            cache = FrameCache.make(Path(folder, name), quality, DECODER)
            made = timed(lambda c=cache: [CachedReader(c, clip).get_batch(wanted) for clip in clips])
            read = timed(lambda c=cache: [CachedReader(c, clip).get_batch(wanted) for clip in clips])
            size = sum(path.stat().st_size for path in cache.folder.glob("*/*.zip")) / CLIPS / 1e6
            gain = f"{plain / read:.1f} times as fast (target {TARGETS[name]})"
            cost = f"made in {1000 * made:.0f} ms"
            print(f"{name}: {1000 * read:.0f} ms, {gain}; {size:.1f} MB, {cost}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
