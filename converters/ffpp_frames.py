"""The videos of FaceForensics++ on disk, and the frames that are taken of them.

The download holds original_sequences/youtube/<compression>/videos/<id>.mp4 and manipulated_sequences/<manipulation>/
<compression>/videos/<target>_<source>.mp4. DeepfakeBench puts frames/<video>/<number>.png beside videos/, cropped to
the face; a frame's number counts the video's frames from 0.
"""

from __future__ import annotations

import argparse
import io
import os
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from converters.common import MediaFolders, list_folder
from converters.ffpp import DOWNLOAD, NO_FILE, Medium, Video, spelled
from swift_plugins.media import IMAGE_SUFFIXES, Media, check_media, resolve_under, run_guarded
from swift_plugins.records import atomic_write

COMPRESSIONS = ("raw", "c23", "c40")
CUT_LIMIT = 600.0  # seconds for all frames of one video
_FRAME = re.compile(r"([0-9]{1,6})\.(?:png|jpe?g)", re.I)


def find_root(folder: Path, check: str) -> Path:
    """The folder that holds the sequences: `folder` or the FaceForensics++ in it.

    Where neither does it is `folder`, if the media are not to be checked; else ValueError.
    """
    for root in (folder, folder / "FaceForensics++"):
        if any((root / name).is_dir() for name in ("original_sequences", "manipulated_sequences")):
            return root
    if check != "none":
        raise ValueError(f"{folder} holds neither original_sequences nor manipulated_sequences: {DOWNLOAD}, "
                         "or convert with --check none")  # fmt: skip
    return folder


class FrameRule(NamedTuple):
    """Which frames of a video are taken: the first, that of number `n` ("index") or `n` evenly spread ("uniform")."""

    kind: str
    n: int = 0

    def __str__(self) -> str:
        return f"{self.kind}:{self.n}" if self.kind in ("index", "uniform") else self.kind

    def pick(self, numbers: Sequence[int]) -> list[int]:
        """Those taken of the frames that there are, by number, ascending; "index" takes the nearest at or before n."""
        if self.kind == "uniform":
            count = min(self.n, len(numbers))
            return [numbers[i * len(numbers) // count] for i in range(count)]
        at = bisect_right(numbers, self.n) - 1 if self.kind == "index" else 0
        if at < 0:
            raise ValueError(f"no frame was extracted at or before number {self.n}; the first is {numbers[0]}")
        return [numbers[at]]


def frame_rule(text: str) -> FrameRule:
    """A type for argparse: first, index:N, uniform:N or file."""
    kind, colon, number = text.partition(":")
    if not colon and kind in ("first", "file"):
        return FrameRule(kind)
    if kind in ("index", "uniform") and re.fullmatch("[0-9]{1,6}", number) and (int(number) or kind == "index"):
        return FrameRule(kind, int(number))
    raise argparse.ArgumentTypeError(f"must be first, index:N, uniform:N (N > 0) or file, got {text!r:.40}")


def cut_frames(path: str, folder: str, rule: FrameRule) -> list[tuple[int, str]]:
    """Write the frames that `rule` takes of a video to `folder` as PNG: their numbers and paths.

    A frame that is there already, whole, of the video's size and not older, is kept; so a run that was stopped goes on.
    """
    import av

    media = check_media(path, "decode")
    os.makedirs(folder, exist_ok=True)
    for left in Path(folder).glob(".*.tmp"):  # of a run that was killed
        left.unlink()
    with av.open(path, options={"protocol_whitelist": "file"}, metadata_errors="replace") as container:
        count = sum(1 for packet in container.demux(container.streams.video[0]) if packet.size)
    if rule.kind == "index" and rule.n >= count:
        raise ValueError(f"there is no frame {rule.n}: the video has {count}, counted from 0")
    targets = [(number, f"{folder}/{number:03d}.png") for number in rule.pick(range(count))]
    wanted = {number: target for number, target in targets if not _is_cut(target, path, media)}
    if not wanted:
        return targets
    with av.open(path, options={"protocol_whitelist": "file"}, metadata_errors="replace") as container:
        for number, frame in enumerate(container.decode(container.streams.video[0])):
            if target := wanted.pop(number, None):
                picture = io.BytesIO()
                frame.to_image().save(picture, "PNG", compress_level=3)  # exact too: 3 times faster, an eighth larger
                with atomic_write(target) as file:
                    file.write(picture.getvalue())
            if not wanted:
                return targets
    raise ValueError(f"frame {min(wanted)} of {count} cannot be decoded")


def _is_cut(target: str, path: str, media: Media) -> bool:
    try:
        found = check_media(target, "decode")
    except ValueError:
        return False
    same_size = (found.width, found.height) == (media.width, media.height)
    return same_size and os.path.getmtime(target) >= os.path.getmtime(path)


class FaceForensics:
    """The videos and frames of one compression below a dataset's folder, which need not be there.

    `missing` collects the videos of which nothing is there; `origins` counts where the frames are from.
    """

    def __init__(self, root: Path, compression: str):
        self.compression, self.media = compression, MediaFolders(root)
        self.missing: set[Video] = set()
        self.origins: Counter[str] = Counter()
        self._spelled: dict[str, str] = {}
        sequences = Path(self.media.root) / "manipulated_sequences"
        for name in sorted(os.listdir(sequences)) if sequences.is_dir() else ():
            if manipulation := spelled(name):
                self._spelled.setdefault(manipulation, name)

    def below(self, video: Video) -> str:
        name = self._spelled.get(video.manipulation, video.manipulation)
        sequence = "original_sequences/youtube" if video.label == "real" else f"manipulated_sequences/{name}"
        return f"{sequence}/{self.compression}"

    def video(self, video: Video) -> Medium:
        """The video itself; ValueError if its path leaves the dataset."""
        relative = f"{self.below(video)}/videos/{video.id}.mp4"
        path = self.media.path(relative)
        if relative in self.media.missing:
            self.missing.add(video)
        return Medium(path, relative, None)

    def videos(self, wanted: Iterable[Video]) -> dict[Video, list[Medium] | str]:
        """video -> itself, as `frames` gives its frames."""
        found: dict[Video, list[Medium] | str] = {}
        for video in wanted:
            try:
                found[video] = [self.video(video)]
            except ValueError as error:
                found[video] = f"media: {error}"
        return found

    def extracted(self, video: Video, rule: FrameRule) -> list[Medium]:
        """The frames of the dataset's own frames folder that `rule` takes; [] where it has none of the video."""
        folder = f"{self.below(video)}/frames/{video.id}"
        listed = list_folder(resolve_under(self.media.root, folder))
        names = sorted({*listed.files, *(listed.links or ())})
        numbers = {int(match[1]): name for name in names if (match := _FRAME.fullmatch(name))}
        if not numbers and (others := [name for name in names if Path(name).suffix.lower() in IMAGE_SUFFIXES]):
            raise ValueError(f"{folder}/{others[0]} is not named as a frame is: <number>.png or .jpg, such as 000.png")
        images = [(number, f"{folder}/{numbers[number]}") for number in (rule.pick(sorted(numbers)) if numbers else ())]
        return [Medium(self.media.path(image), image, number) for number, image in images]

    def frames(
        self, wanted: Mapping[Video, FrameRule], out: Path, workers: int, nominal: bool = False
    ) -> dict[Video, list[Medium] | str]:
        """video -> its frames, or why there are none: those of a frames folder, else cut from the video to out/frames.

        With `nominal` a video of which nothing is there gives the path at which one frame would be, of evenly spread
        ones the first: how many there are, and so which are the others, only the video tells.
        """
        from tqdm import tqdm

        found: dict[Video, list[Medium] | str] = {}
        jobs: dict[Video, tuple[str, str, FrameRule]] = {}
        for video, rule in wanted.items():
            try:
                if frames := self.extracted(video, rule):
                    found[video] = frames
                    self.origins["frames folders"] += 1
                    continue
                path = self.video(video).path
                if video in self.missing:
                    found[video] = self._nominal(video, rule, nominal)
                else:
                    jobs[video] = path, os.path.abspath(out / "frames" / self.compression / video.name), rule
            except ValueError as error:
                found[video] = f"media: {error}"
        results = run_guarded(cut_frames, [*jobs.values()], workers, CUT_LIMIT)
        bar = tqdm(results, total=len(jobs), unit="video", desc="cut frames", disable=not jobs)
        for video, result in zip(jobs, bar, strict=True):
            if isinstance(result, str):
                found[video] = f"media: {result}: {self.below(video)}/videos/{video.id}.mp4"
                continue
            found[video] = [Medium(path, os.path.relpath(path, out), number) for number, path in result]
            self.origins["videos"] += 1
        return found

    def _nominal(self, video: Video, rule: FrameRule, allowed: bool) -> list[Medium] | str:
        below = self.below(video)
        if not allowed:
            return f"missing: neither {below}/frames/{video.id}/ nor {below}/videos/{video.id}.mp4 is there"
        number = rule.n if rule.kind == "index" else 0
        image = f"{below}/frames/{video.id}/{number:03d}.png"
        self.origins[NO_FILE] += 1
        return [Medium(f"{self.media.root}/{image}", image, number)]
