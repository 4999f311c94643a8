"""The videos of FaceForensics++ on disk, and the frames that are taken of them.

The download holds original_sequences/youtube/<compression>/videos/<id>.mp4 and manipulated_sequences/<manipulation>/
<compression>/videos/<target>_<source>.mp4. DeepfakeBench puts frames/<video>/<number>.png beside videos/, cropped to
the face; a frame's number counts the video's frames from 0.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from converters.conversion.media import MediaFolders, folder_in, list_folder
from converters.conversion.reporting import report_missing
from converters.conversion.sources import Sourced, T, unusable
from converters.layouts.ffpp import DOWNLOAD, NO_FILE, Medium, Video, spelled
from swift_plugins.core.frames import CUT_LIMIT, FrameRule, cut_frames
from swift_plugins.core.guarded import run_guarded
from swift_plugins.core.media import IMAGE_SUFFIXES, resolve_under
from swift_plugins.core.printable import say

COMPRESSIONS = ("raw", "c23", "c40")
_FRAME = re.compile(r"([0-9]{1,6})\.(?:png|jpe?g)", re.I)


def find_root(folder: Path, check: str) -> Path:
    """The folder that holds the sequences: `folder` or the FaceForensics++ in it.

    Where neither does it is `folder`, if the media are not to be checked; else ValueError.
    """
    for root in (folder, folder_in(folder, "FaceForensics++")):
        if any((root / name).is_dir() for name in ("original_sequences", "manipulated_sequences")):
            return root
    if check != "none":
        raise ValueError(
            f"{folder} holds neither original_sequences nor manipulated_sequences: {DOWNLOAD}, "
            "or convert with --check none"
        )
    return folder


def taken(item: Sourced[T], mediums: list[Medium] | str, mark: str | None) -> Iterator[Sourced[tuple[T, Medium]]]:
    """An item for each of the frames, or the one video, that was taken for one; a text says why there is none.

    With a `mark` the frame's number stands behind it in the id.
    """
    if isinstance(mediums, str):
        yield unusable(item.where, item.id, item.split, mediums)
        return
    for medium in mediums:
        name = item.id if mark is None else f"{item.id}{mark}{medium.number}"
        yield Sourced(item.where, name, item.split, (item.row, medium), path=medium.path)


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


def report_media(manifest: Mapping[str, Any]) -> None:
    """Print which videos are not there, and where frames of two kinds are mixed."""
    origins = dict(manifest["frames_from"])
    named = ", one frame of each is named as if it were extracted" if origins.pop(NO_FILE, 0) else ""
    report_missing(manifest, f"videos are not there{named}: {DOWNLOAD}")
    if len(origins) > 1:
        say(
            "  note: frames of "
            + ", ".join(f"{n} videos are from {origin}" for origin, n in origins.items())
            + ": those of frames folders may be cropped to the face, those cut from videos are not"
        )
