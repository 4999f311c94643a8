"""Convert DeepTraceReward (RewardData) to ms-swift JSONL: one row per trace of a fake video, one per real video.

    python converters/deeptrace_to_swift.py --src RewardData --out data/deeptrace

--src holds all_data.json, videos/ and real_videos/. The videos come as zip parts; unpack them in that folder with
    cat videos.zip.00* > videos.zip && unzip -q videos.zip && unzip -q real_videos.zip
Writes train.jsonl, val.jsonl, test.jsonl, rejects.jsonl and manifest.json to --out.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.conversion.command import Conversion, add_leave_out, argument_parser
from converters.conversion.output import Output
from converters.conversion.reporting import report_counts, report_differences
from converters.conversion.sources import Row, Sourced, usable
from converters.layouts import rewarddata
from converters.layouts.rewarddata import SPLITS, Raw
from converters.rows.deeptrace import Converter, add_options, check_pixel_limits, check_video
from swift_plugins.core.commands import run
from swift_plugins.core.printable import say
from swift_plugins.core.records import sha256_text
from swift_plugins.core.tasks import deeptrace


class DeepTrace(Conversion[Raw]):
    """Traces of fake videos and real videos; a video stays in the split where its first row puts it."""

    splits = SPLITS

    def read(self) -> list[Sourced[Raw]]:
        args, data = self.args, rewarddata.check_source(self.args.src)
        check_pixel_limits(args)
        self.sources = {data.name: data}
        items = rewarddata.read_raw(data, args.limit)
        self.rows = [item.row for item in usable(items)]
        self.split_of: Mapping[str, str | None]
        if args.split_by == "published":
            self.split_of = rewarddata.published_splits(self.rows)
            if {*self.split_of.values()} == {None}:
                raise ValueError(f"{data} has no splits: choose --split-by parent or --split-by video")
        else:
            self.split_of = rewarddata.assign_splits(self.rows, args.split_by, args.seed)
        for item in usable(items):
            item.split = self.split_of[item.row.video_id] or ""
        self.converter = Converter(args)
        self.differing: dict[str, set[str]] = {}  # what is not as annotated, and does no harm -> in which videos
        return items

    def locate(self, items: list[Sourced[Raw]]) -> list[Sourced[Raw]]:
        """For --check alone: a row's split is looked at before its path."""
        self.faults: dict[str, str] = {}
        for item in usable(items) if self.args.check != "none" else ():
            try:
                item.path = self.converter.media.path(item.row.video_path)
            except ValueError as error:
                self.faults[item.row.video_path] = str(error)
        return items

    def generator(self, item: Sourced[Raw]) -> str | None:
        return item.row.video_source if item.row.video_type == "fake_video" else None

    def row(self, item: Sourced[Raw]) -> Row:
        raw, split = item.row, item.split
        if split not in SPLITS:
            stated = self.split_of[raw.video_id]
            raise ValueError(f"unknown split: {stated!r}; expected one of {', '.join(SPLITS)}")
        if self.args.split_by == "published" and raw.split != split and not self.left_out(item):
            raise ValueError(f"contradiction: an earlier row has this video in {split}, this one in {raw.split}")
        differs = []
        if self.args.check != "none":
            differs = check_video(raw, self.faults.get(raw.video_path) or self.media[item.path])
        row = self.converter.row(raw, split)
        for what in differs:
            self.differing.setdefault(what, set()).add(raw.video_id)
        return row

    def left_out(self, item: Sourced[Raw]) -> bool:
        return self.args.leave_out is not None and self.generator(item) == self.args.leave_out

    def hint(self) -> str:
        return "".join(f"; {cure}" for cure in rewarddata.cures(self.args.src, self.converter.media.missing))

    def facts(self, items: list[Sourced[Raw]], output: Output, audit: dict[str, Any] | None) -> dict[str, Any]:
        args, missing = self.args, self.converter.media.missing
        split_of = {**self.split_of} | {item.row.video_id: "test" for item in usable(items) if self.left_out(item)}
        used = [raw for raw in self.rows if (split_of[raw.video_id] or "") in SPLITS]
        audio = {i.row.video_path: getattr(self.media.get(i.path), "has_audio", None) for i in usable(items)}
        found = {
            "task": deeptrace.NAME,
            "task_version": deeptrace.VERSION,
            "media_checked": args.check,
            "prompt": self.converter.question,
            "prompt_sha256": sha256_text(self.converter.question),
            "setting": args.setting,
            "box_space": args.box_space,
            "pixel_limits": [args.min_pixels, args.max_pixels] if args.box_space == "resized" else None,
            "vision": self.converter.settings if args.box_space == "resized" else None,
            "boxes_clipped_to_the_frame": self.converter.clipped,
            "videos": len(self.split_of),
            "not_as_annotated": {what: len(videos) for what, videos in sorted(self.differing.items())},
            "media_missing": len({raw.video_id for raw in self.rows if raw.video_path in missing}),
            "licence": rewarddata.LICENCE,
            "leakage": rewarddata.leakage(used, split_of),
            "shortcuts": rewarddata.shortcuts(used, split_of, audio),
        }
        if len(items) >= rewarddata.NEARLY_FULL and len(items) != args.limit:
            found["published_counts"] = rewarddata.published_counts(self.rows)
        return found

    def report(self, manifest: dict[str, Any]) -> None:
        report_counts(self.args, manifest, none="")
        if manifest["vision"]:
            stated = ", ".join(f"{key}={value}" for key, value in manifest["vision"].items())
            say(f"  boxes are stated on frames as a Qwen2.5-VL model sees them by {stated}: train with the same")
        for what, n in manifest["not_as_annotated"].items():
            say(f"  note: {n} videos have another {what} than annotated; no onset is moved by it")
        if n := manifest["leakage"]["test_videos_whose_parent_is_in_train"]:
            say(f"  leakage: {n} test videos have clips of the same parent in train (--split-by parent avoids it)")
        for name, rule in manifest["shortcuts"].items():
            if rule["accuracy"] is not None and rule["accuracy"] > rule["majority"] + 10:
                say(f"  shortcut: {name} alone gives {rule['accuracy']} % (majority {rule['majority']} %)")
        report_differences(manifest.get("published_counts", {}))
        if missing := self.converter.media.missing:  # annotations may be converted without the videos
            say(f"note: {manifest['media_missing']} of {manifest['videos']} videos are not there")
            for cure in rewarddata.cures(self.args.src, missing):
                say(f"note: {cure}")


def main(argv: list[str] | None = None) -> int:
    parser = argument_parser(__doc__, "data/RewardData", "data/deeptrace")
    add_options(parser, "full")
    parser.add_argument(
        "--split-by",
        choices=("published", "parent", "video"),
        default="published",
        help="published: the dataset's own; parent: 8:1:1 with all clips of a parent together; video: "
        "8:1:1 by video (default published)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of --split-by parent|video (default 0)")
    add_leave_out(parser)
    return run(DeepTrace.convert, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
