"""Rows of people's own annotations, and the conversion that all sources of them share.

Videos with boxes become traces, as DeepTraceReward has them; other videos, and images, are asked and answered as
FakeVLM is.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from converters.conversion.audit import Pictured
from converters.conversion.command import Conversion
from converters.conversion.contents import hash_pictures
from converters.conversion.media import MediaFolders, check_files, hash_files, image_size, locate
from converters.conversion.output import Output, typed_first
from converters.conversion.reporting import report_audit, report_counts, report_leakage, report_missing
from converters.conversion.sources import Row, Sourced, usable
from converters.conversion.splitting import PARTS, Shares, divided, split_or_shares
from converters.layouts import rewarddata
from converters.layouts.annotations import Annotation, Form, in_pixels, leakage, one_split
from converters.layouts.folders import Item
from converters.layouts.rewarddata import Box, Raw
from converters.rows.deeptrace import Converter, add_options, check_pixel_limits, check_video
from converters.rows.fakevlm import fakevlm_row
from converters.rows.folders import answer_of
from swift_plugins.core.media import IMAGE_SUFFIXES, Media
from swift_plugins.core.printable import say
from swift_plugins.core.records import sha256_text, spread
from swift_plugins.core.tasks import deeptrace, fakevlm

SHOWN = 3  # rows that are printed as they were read
MEDIA = ("image", "video")
_HALF = re.compile("[\ud800-\udfff]")
LICENCE = "Not known: the media and their annotations keep the terms of whoever made them."
# (whether onsets are told, whether reasons are) -> the setting that asks for both
SETTING_OF = {
    (True, True): "full",
    (False, True): "no_time",
    (True, False): "no_explanation",
    (False, False): "no_time_no_explanation",
}


class Traced(Raw):
    """A row as DeepTraceReward has it, whose onset is known in seconds."""

    start: float | None = None

    def onset(self) -> float | None:
        return self.start


def add_annotation_options(parser: argparse.ArgumentParser) -> None:
    """The options of every converter of annotations."""
    add_options(parser, None)
    parser.add_argument("--dataset", help="name of the dataset in the rows (default the name of --src in lower case)")
    parser.add_argument(
        "--split",
        type=split_or_shares,
        default="test",
        metavar="train|val|test|8:1:1",
        help="split of what states none, or the shares of train, val and test into which all is split; together stay "
        "the rows of one file, of files of the same content and of one group (default test)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of --split 8:1:1 (default 0)")


class Annotated(Conversion[Annotation]):
    """Annotations, of which `read` sets `form`, `medium`, `said`, what they tell of a trace, and `sources`."""

    form = Form()
    medium: str
    said: set[str]

    def taken(self, items: list[Sourced[Annotation]]) -> list[Sourced[Annotation]]:
        """Those of --limit, after a look at what they are; ends `read`."""
        args = self.args
        check_pixel_limits(args)
        self.dataset = args.dataset or args.src.resolve().name.lower()
        self.folders = MediaFolders(args.src)
        self.traces = self.medium == "video" and ("box" in self.said or args.setting is not None)
        if args.setting is None:
            args.setting = SETTING_OF["start" in self.said, "reason" in self.said] if self.traces else None
        self.converter = Converter(args) if self.traces else None
        self.task: Any = deeptrace if self.traces else fakevlm
        self.question = deeptrace.QUESTIONS[args.setting] if self.traces else fakevlm.QUESTIONS[self.medium]
        self.seen: set[tuple[Any, ...]] = set()
        self.number: Counter[str] = Counter()
        self.shown: list[str] = []
        self.written: list[Sourced[Annotation]] = []
        self.raws: dict[str, Raw] = {}  # of each video, for what it alone tells
        return [items[i] for i in spread(len(items), args.limit)]

    def locate(self, items: list[Sourced[Annotation]]) -> list[Sourced[Annotation]]:
        args = self.args
        for item in usable(items):
            if (kind := kind_by_name(item.row.path)) != self.medium:
                item.reason = f"media: {kind}s beside {self.medium}s; --media {kind} converts them"
        locate(items, lambda item: self.folders.path(item.row.path))
        self.groups = None
        if isinstance(args.split, Shares):
            self.groups = self.divide([*usable(items)], args.split)
        one_split(items, self.medium)
        self.sizes = self.look([*usable(items)]) if self.traces else {}
        self.splits = [split for split in PARTS if any(item.split == split for item in usable(items))]
        told = [{} if item.reason else msgspec.structs.asdict(item.row) | item.row.meta for item in items]
        return [items[i] for i in typed_first(told, [item.split for item in items])]

    def look(self, items: list[Sourced[Annotation]]) -> Mapping[str, Media | str]:
        """What the headers of files tell of which the source tells too little, where --check looks at none."""
        if self.args.check != "none":
            return {}
        told = [(item.path, item.row) for item in items]
        lacking = {path for path, of in told if not (of.width and of.height and of.fps and of.duration)}
        there = sorted(path for path in lacking if os.path.isfile(path))
        return check_files(there, "header", self.args.workers) if there else {}

    def divide(self, items: list[Sourced[Annotation]], wanted: Shares) -> int:
        """Give each item its part, those of one content or group the same; returns how many such groups there are."""
        if stated := [item for item in items if item.split]:
            raise ValueError(f"--split {wanted}: {stated[0].where} states its split, {stated[0].split}; leave it out")
        paths, hashed = sorted({item.path for item in items}), hash_pictures if self.medium == "image" else hash_files
        digests = hashed(paths, self.args.workers)
        links = [
            [f"file {digests.get(item.path, item.path)}", *([f"group {item.row.group}"] if item.row.group else [])]
            for item in items
        ]
        if not items:
            return 0
        parts, groups = divided([item.row.label for item in items], links, wanted, self.args.seed)
        for item, part in zip(items, parts, strict=True):
            item.split = part
        return groups

    def row(self, item: Sourced[Annotation]) -> Row:
        of = item.row
        if half := _HALF.search("\n".join((of.path, of.reason, of.source, of.category, of.group))):
            raise ValueError(f"text: it holds {half[0]!a}, which is no character")
        if of.trace in self.seen:
            raise ValueError(f"duplicate: an earlier row says the same of this {self.medium}")
        if of.label == "real" and (of.box or of.start is not None):
            raise ValueError("contradiction: a real row has a box or an onset")
        if of.start is not None and of.end is not None and of.end < of.start:
            raise ValueError(f"contradiction: it ends at {of.end:g}, before it starts at {of.start:g}")
        row = self.trace_row(item) if self.converter else self.plain_row(item)
        self.seen.add(of.trace)
        return row

    def plain_row(self, item: Sourced[Annotation]) -> Row:
        """A row of FakeVLM's question; a box is kept in px in its meta."""
        of, found = item.row, self.media.get(item.path)
        size = image_size(found, of.path) if self.medium == "image" else video_size(found)
        check_size(of, size)
        width, height = size.get("width", of.width), size.get("height", of.height)
        box: list[float] = []
        if of.box:
            if width is None or height is None:
                if self.form.unit != "px":
                    raise ValueError("size: not known, by which a box is read; --check header finds it")
                box = [*of.box]
            else:
                box = [*in_pixels(of.box, self.form.unit, width, height)]
        answer = answer_of(Item(of.path, of.label, explanation=of.reason))
        nth = self.number[of.path] + 1
        row = fakevlm_row(
            of.path if nth == 1 else f"{of.path}#{nth}",
            self.question,
            dataclasses.replace(answer, form=self.medium),
            item.path,
            {
                "media_id": of.group or of.path,
                self.medium: of.path,
                "split": item.split,
                "source": of.source or self.dataset,
                "label": of.label,
                "dataset": self.dataset,
                "category": of.category,
                **({"width": width, "height": height} if width and height else {}),
                "bbox": box,
                **of.meta,
            },
            self.medium,
            "reason: ",
        )
        self.number[of.path] += 1
        return row

    def trace_row(self, item: Sourced[Annotation]) -> Row:
        """A row of a trace, or of a real video, as DeepTraceReward has them."""
        assert self.converter is not None
        of, found = item.row, self.media.get(item.path)
        raw = self.raw(item, found)
        if found is not None:
            check_video(raw, found)
        end = None if of.end is None else self.seconds(of.end, raw.video_frame_rate)
        if end is not None and end > raw.video_duration + 1 / raw.video_frame_rate:
            raise ValueError(f"end outside the video: {end:.2f} s of {raw.video_duration:.2f} s")
        row = self.converter.row(raw, item.split)
        own = {"parent": of.group or of.path, "category": of.category, "end": end, "dataset": self.dataset}
        row["meta"] |= own | of.meta
        self.raws.setdefault(of.path, raw)
        return row

    def raw(self, item: Sourced[Annotation], found: Media | str | None) -> Traced:
        """The annotation as DeepTraceReward would have it; ValueError where its video is too little known."""
        of, found = item.row, found or self.sizes.get(item.path)
        known = found if isinstance(found, Media) and found.is_video else None
        width, height = of.width or (known and known.width), of.height or (known and known.height)
        fps, duration = of.fps or (known and known.rate), of.duration or (known and (known.length or known.duration))
        if not (width and height and fps and duration):
            if isinstance(found, str):
                raise ValueError(f"media: {found}")
            raise ValueError("size: width, height, fps and duration are not known, and the file is not there")
        box = in_pixels(of.box, self.form.unit, width, height) if of.box else None
        frames = self.form.time == "frames" and of.start is not None
        return Traced(
            of.path,
            f"{of.label}_video",
            of.path,
            of.source or self.dataset,
            width,
            height,
            fps,
            duration,
            item.split,
            int(of.start or 0) if frames else None,
            box and Box(box[0], box[1], box[2] - box[0], box[3] - box[1]),
            of.reason,
            tuple(part for part in of.category.split(";") if part) or None,
            start=None if of.start is None else self.seconds(of.start, fps),
        )

    def seconds(self, time: float, fps: float) -> float:
        return time / fps if self.form.time == "frames" else time

    def wrote(self, item: Sourced[Annotation], row: Row) -> None:
        self.written.append(item)
        if len(self.shown) < SHOWN:
            self.shown.append(f"{item.where}: {item.row.path}{stated(item.row)} -> {row['messages'][1]['content']}")

    def images(self, items: list[Sourced[Annotation]]) -> Mapping[str, Pictured] | None:
        if self.medium != "image":
            return None
        return {item.path: Pictured(item.row.label, item.split == "train") for item in self.written}

    def options(self) -> dict[str, Any]:
        found = super().options()
        return found | ({"split": str(found["split"])} if self.groups is not None else {})

    def facts(self, items: list[Sourced[Annotation]], output: Output, audit: dict[str, Any] | None) -> dict[str, Any]:
        args, boxed = self.args, self.converter
        splits = {item.row.path: item.split for item in self.written}
        raws = [raw for path, raw in self.raws.items() if path in splits]
        audio = {item.row.path: getattr(self.media.get(item.path), "has_audio", None) for item in self.written}
        return {
            "task": self.task.NAME,
            "task_version": self.task.VERSION,
            "prompt": self.question,
            "prompt_sha256": sha256_text(self.question),
            "dataset": self.dataset,
            "media_checked": args.check,
            "media_missing": len(self.folders.missing),
            **({"setting": args.setting, "box_space": args.box_space} if boxed else {}),
            "pixel_limits": [args.min_pixels, args.max_pixels] if boxed and args.box_space == "resized" else None,
            "vision": boxed.settings if boxed and args.box_space == "resized" else None,
            "form": self.form._asdict(),
            "first_rows": self.shown,
            "split": None if self.groups is None else {"groups": self.groups},
            "leakage": leakage(self.written, self.alike),
            "shortcuts": rewarddata.shortcuts(raws, splits, audio) if boxed else {},
            "licence": LICENCE,
            "image_audit": audit,
        }

    def report(self, manifest: dict[str, Any]) -> None:
        say(f"  how the first rows were read ({', '.join(self.form)}):" if "box" in self.said else "  the first rows:")
        for line in manifest["first_rows"]:
            say(f"    {line[:300]}")
        report_counts(self.args, manifest)
        report_missing(manifest, f"{self.medium}s are not there")
        report_leakage(manifest["leakage"], "file", "group")
        for name, rule in manifest["shortcuts"].items():
            if rule["accuracy"] is not None and rule["accuracy"] > rule["majority"] + 10:
                say(f"  shortcut: {name} alone gives {rule['accuracy']} % (majority {rule['majority']} %)")
        report_audit(manifest["image_audit"])


def stated(of: Annotation) -> str:
    """What a source states of a trace, in its own numbers, of which the first rows that are printed are made."""
    box = f", box {' '.join(f'{side:g}' for side in of.box)}" if of.box else ""
    times = [f", {name} {time:g}" for name, time in (("start", of.start), ("end", of.end)) if time is not None]
    return box + "".join(times)


def kind_by_name(path: str) -> str:
    """image or video, by the suffix of a name."""
    return "image" if os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES else "video"


def video_size(found: Media | str | None) -> dict[str, int]:
    """width and height as a video's check found them; ValueError for what is no video."""
    if isinstance(found, str) or (found and not found.is_video):
        raise ValueError(f"media: {found if isinstance(found, str) else 'an image'}")
    return {"width": found.width, "height": found.height} if found else {}


def check_size(of: Annotation, size: Mapping[str, int]) -> None:
    """ValueError where a row states another size than its file has."""
    for name, found in size.items():
        if (stated := getattr(of, name)) and stated != found:
            raise ValueError(f"size differs: the file's {name} is {found}, the row's {stated}")
