"""Training rows of DeepTraceReward."""

from __future__ import annotations

import argparse
import functools
import math
from typing import Any

from converters.conversion.media import MediaFolders
from converters.conversion.sources import worded
from converters.layouts.rewarddata import Raw, bad_number, parent_of
from converters.rows.explanations import agreeing
from swift_plugins.core import boxes
from swift_plugins.core.media import Media
from swift_plugins.core.records import check_row
from swift_plugins.core.settings import vision_settings
from swift_plugins.core.tasks import deeptrace
from swift_plugins.core.tasks.deeptrace_answer import Answer
from swift_plugins.core.vision import Vision

_REAL = Answer("real")


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
        if raw.faketrace_bbox is None or raw.faketrace_first_frame is None:
            raise ValueError("no trace: a fake row needs faketrace_bbox and faketrace_first_frame")
        b, w, h = raw.faketrace_bbox, raw.video_width, raw.video_height
        exact = (b.left, b.top, b.left + b.width, b.top + b.height)
        box = boxes.clip(exact, w, h)
        if box is None:
            raise ValueError(f"bbox outside the frame: {exact} in {w}x{h}")
        if box != exact:
            if not all(map(math.isfinite, exact)):
                raise ValueError(f"bad numbers: faketrace_bbox is {exact}, it must be finite")
            self.clipped += 1
        try:
            start = raw.faketrace_first_frame / raw.video_frame_rate
        except OverflowError:
            start = math.inf
        if not 0 <= start <= raw.video_duration + 1 / raw.video_frame_rate:
            raise ValueError(f"onset outside the video: {start:.2f} s of {raw.video_duration} s")
        explanation = agreeing(raw.faketrace_explanations, "fake")
        answer = Answer(
            "fake",
            boxes.from_pixels(box, w, h, *span) if self.with_box else None,
            round(start, 2) if self.with_time else None,
            explanation if explanation and self.with_explanation else None,
        )
        return answer, list(box), start

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
        check_row(row)
        return row


def check_video(raw: Raw, found: Media | str) -> None:
    """ValueError unless the file is a video of the annotated size; `found` is what its check found."""
    if isinstance(found, str):
        raise ValueError(f"media: {found}")
    if (found.width, found.height) != (raw.video_width, raw.video_height):
        raise ValueError(
            f"size differs: the file has {found.width}x{found.height}, "
            f"the annotation {raw.video_width}x{raw.video_height}"
        )


@functools.lru_cache(maxsize=4096)
def _categories(tags: tuple[str, ...]) -> list[str]:
    found = {name for tag in tags for name in deeptrace.categories_in(tag)}
    return [name for name in deeptrace.CATEGORIES if name in found]
