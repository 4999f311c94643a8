"""Training rows of DeepTraceReward."""

from __future__ import annotations

import argparse
import functools
import math
from typing import Any

from converters.conversion.media import MediaFolders
from converters.conversion.sources import checked_row
from converters.layouts.rewarddata import Raw, bad_number, parent_of
from converters.rows.explanations import agreeing
from swift_plugins.core import boxes
from swift_plugins.core.commands import whole_number
from swift_plugins.core.media import Media
from swift_plugins.core.settings import vision_settings
from swift_plugins.core.tables import worded
from swift_plugins.core.tasks import deeptrace
from swift_plugins.core.tasks.deeptrace_answer import Answer
from swift_plugins.core.videos import STEADY
from swift_plugins.core.vision import Vision

_REAL = Answer("real")
# How far the file may be from its annotation: in share of the frame rate, in s beside 5 % of the length, in s.
RATE_TOLERANCE, LENGTH_TOLERANCE, ONSET_TOLERANCE = 0.01, 0.25, 0.1


def add_options(parser: argparse.ArgumentParser, setting: str | None) -> None:
    """What a converter of traces is told of its answers; without a `setting` the source says which it is."""
    parser.add_argument(
        "--setting",
        choices=deeptrace.SETTINGS,
        default=setting,
        help=f"what the answers are supervised with (default {setting or 'what the source holds'})",
    )
    parser.add_argument(
        "--box-space",
        choices=boxes.SPACES,
        default="pixel",
        help="coordinates of the boxes in the answers (default pixel, as in the paper, of which a recipe's BOX_SPACE "
        "makes those that its base was taught; data in another space are for a base that has it)",
    )
    for name, default in (("min", boxes.VIDEO_MIN_PIXELS), ("max", boxes.VIDEO_MAX_PIXELS)):
        parser.add_argument(
            f"--{name}-pixels",
            type=whole_number(),
            default=default,
            help=f"VIDEO_{name.upper()}_PIXELS of --box-space resized (default {default})",
        )


def check_pixel_limits(args: argparse.Namespace) -> None:
    """ValueError for limits between which no frame fits."""
    if args.box_space == "resized" and not boxes.PATCH**2 <= args.min_pixels <= args.max_pixels:
        raise ValueError(
            f"pixel limits must be {boxes.PATCH**2} <= --min-pixels <= --max-pixels, "
            f"got {args.min_pixels} and {args.max_pixels}"
        )


class Converter:
    """Turns raw rows into training rows; the options fix setting, box space and where the media lie."""

    def __init__(self, args: argparse.Namespace):
        self.args = args
        self.media = MediaFolders(args.src)
        self.question = deeptrace.QUESTIONS[args.setting]
        self.with_box = args.setting != "label_only"
        self.with_time = args.setting in ("full", "no_explanation")
        self.with_explanation = args.setting in ("full", "no_time")
        # Those of the environment too: training finds them there.
        self.settings = vision_settings() | {
            "VIDEO_MIN_PIXELS": str(args.min_pixels),
            "VIDEO_MAX_PIXELS": str(args.max_pixels),
        }
        self.vision = Vision(self.settings)
        self.traces: dict[str, int] = {}  # of each video, so far
        self.kinds: dict[str, str] = {}  # video_type of each video
        self.clipped = 0

    def answer(self, raw: Raw, span: tuple[int, int]) -> tuple[Answer, list[float], float | None]:
        """(the answer in the row's box space, the exact box in source px, the exact onset in s)."""
        if raw.video_type == "real_video":
            return _REAL, [], None
        box, start = self.box(raw), raw.onset()
        if (self.with_box and not box) or (self.with_time and start is None):
            raise ValueError(f"no trace: a fake row needs a box and an onset in the setting {self.args.setting}")
        if start is not None and not 0 <= start <= raw.video_duration + 1 / raw.video_frame_rate:
            raise ValueError(f"onset outside the video: {start:.2f} s of {raw.video_duration} s")
        explanation = agreeing(raw.faketrace_explanations, "fake")
        answer = Answer(
            "fake",
            boxes.from_pixels(box, raw.video_width, raw.video_height, *span) if box and self.with_box else None,
            round(start, 2) if start is not None and self.with_time else None,
            explanation if explanation and self.with_explanation else None,
        )
        return answer, list(box or ()), start

    def box(self, raw: Raw) -> boxes.Box | None:
        """The part of a trace's box inside the frame, in source px."""
        if (b := raw.faketrace_bbox) is None:
            return None
        exact = (b.left, b.top, b.left + b.width, b.top + b.height)
        box = boxes.clip(exact, raw.video_width, raw.video_height)
        if box is None:
            raise ValueError(f"bbox outside the frame: {exact} in {raw.video_width}x{raw.video_height}")
        if box != exact:
            if not all(map(math.isfinite, exact)):
                raise ValueError(f"bad numbers: faketrace_bbox is {exact}, it must be finite")
            self.clipped += 1
        return box

    def span(self, raw: Raw) -> tuple[int, int]:
        """How far the box space reaches over the frames of a row's video."""
        size, space = (raw.video_width, raw.video_height), self.args.box_space
        seen = self.vision.frame(*size, raw.video_duration, raw.video_frame_rate) if space == "resized" else None
        return boxes.span(space, *size, seen)

    def check(self, raw: Raw) -> str:
        """The absolute path of the video; ValueError for a row that contradicts itself or an earlier one."""
        if raw.video_type not in ("fake_video", "real_video"):
            raise ValueError(f"unknown video_type: {raw.video_type!r}")
        path = self.media.path(raw.video_path)
        if self.kinds.setdefault(raw.video_id, raw.video_type) != raw.video_type:
            raise ValueError("contradiction: an earlier row has this video as the other type")
        if not raw.plausible():
            raise ValueError(f"bad numbers: {bad_number(raw)}")
        return path

    def row(self, raw: Raw, split: str) -> dict[str, Any]:
        """One training row; ValueError says why a raw row cannot become one."""
        path, span = self.check(raw), self.span(raw)
        answer, box, start = self.answer(raw, span)
        text = deeptrace.render(answer)
        if deeptrace.parse_trained(text).answer != answer:
            raise ValueError(f"round trip: the answer does not read back as written: {text[:80]!r}")
        fake = answer.verdict == "fake"
        tags = raw.faketrace_check_applies if fake else None
        tags = (tags,) if isinstance(tags, str) else tags or ()
        number = self.traces[raw.video_id] = self.traces.get(raw.video_id, 0) + 1
        if number > 1 and not fake:
            raise ValueError("duplicate: an earlier row has this real video")
        row = {
            "id": f"{raw.video_id}/{number}" if fake else raw.video_id,
            "task": deeptrace.NAME,
            "messages": [{"role": "user", "content": self.question}, {"role": "assistant", "content": text}],
            "videos": [path],
            "meta": {
                "media_id": raw.video_id,
                "parent": parent_of(raw),
                "split": split,
                "source": raw.video_source,
                "label": answer.verdict,
                "width": raw.video_width,
                "height": raw.video_height,
                "duration": raw.video_duration,
                "fps": raw.video_frame_rate,
                "bbox": box,
                "start": start,
                "categories": _categories(tags),
                "raw_tags": tags,
                "explanation": worded(raw.faketrace_explanations) if fake else "",
                "setting": self.args.setting,
                "box_space": self.args.box_space,
                "box_width": span[0],
                "box_height": span[1],
                "task_version": deeptrace.VERSION,
            },
        }
        return checked_row(row)


def check_video(raw: Raw, found: Media | str) -> list[str]:
    """What differs between the file and its annotation and does no harm; `found` is what the file's check found.

    ValueError unless it is a video of the annotated size, in which the onset is where the annotation has it.
    """
    if isinstance(found, str):
        raise ValueError(f"media: {found}")
    if not found.is_video:
        raise ValueError(f"media: an image ({found.format}), not a video")
    if (found.width, found.height) != (raw.video_width, raw.video_height):
        raise ValueError(
            f"size differs: the file has {found.width}x{found.height}, "
            f"the annotation {raw.video_width}x{raw.video_height}"
        )
    differs = []
    if found.rate and abs(found.rate / raw.video_frame_rate - 1) > RATE_TOLERANCE:
        differs.append("frame rate")
    if found.length and abs(found.length - raw.video_duration) > LENGTH_TOLERANCE + raw.video_duration / 20:
        differs.append("length")
    if raw.video_type == "fake_video" and raw.faketrace_first_frame is not None:
        _check_onset(raw, raw.faketrace_first_frame, found, differs)
    return differs


def _check_onset(raw: Raw, frame: int, found: Media, differs: list[str]) -> None:
    """ValueError where an onset, or its share of the video, is not what the annotation makes of it."""
    stated, seen = frame / raw.video_frame_rate, found.second_of(frame)
    if seen is not None and abs(seen - stated) > max(ONSET_TOLERANCE, STEADY / raw.video_frame_rate):
        what = "frame rate varies" if found.times else "frame rate differs"
        raise ValueError(
            f"{what}: the file has {found.rate:.5g} frames/s, the annotation {raw.video_frame_rate:.5g}; frame {frame} "
            f"is seen at {seen:.2f} s, not at {stated:.2f} s"
        )
    if found.length and stated > found.length + 1 / raw.video_frame_rate:
        raise ValueError(f"onset outside the file: {stated:.2f} s of {found.length:.2f} s")
    if "length" in differs:
        raise ValueError(f"length differs: the file has {found.length:.2f} s, the annotation {raw.video_duration} s")


@functools.lru_cache(maxsize=4096)
def _categories(tags: tuple[str, ...]) -> list[str]:
    found = {name for tag in tags for name in deeptrace.categories_in(tag)}
    return [name for name in deeptrace.CATEGORIES if name in found]
