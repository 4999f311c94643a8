"""Convert DeepTraceReward (RewardData) to ms-swift JSONL: one row per trace of a fake video, one per real video.

    python converters/deeptrace_to_swift.py --src RewardData --out data/deeptrace

--src holds all_data.json, videos/ and real_videos/. The videos come as zip parts; unpack them in that folder with
    cat videos.zip.00* > videos.zip && unzip -q videos.zip && unzip -q real_videos.zip
Writes train.jsonl, val.jsonl, test.jsonl, rejects.jsonl and manifest.json to --out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.conversion.audit import one_variable_rule
from converters.conversion.command import argument_parser
from converters.conversion.media import check_files
from converters.conversion.output import Output
from converters.layouts.rewarddata import (
    NEARLY_FULL,
    SPLITS,
    UNPACK,
    Malformed,
    Raw,
    assign_splits,
    check_source,
    download,
    parent_of,
    published_counts,
    read_raw,
)
from converters.rows.deeptrace import Converter
from swift_plugins.core import boxes
from swift_plugins.core.commands import run, whole_number
from swift_plugins.core.media import Media
from swift_plugins.core.records import sha256_text
from swift_plugins.core.tasks import deeptrace

LICENCE = (
    "DeepTraceReward, Hugging Face DeepTraceReward/RewardData: see the terms on its page; the real clips come from "
    "LLaVA-Video-178K and keep the terms of their sources, the generated ones those of their generators."
)


def media_problem(raw: Raw, media: Media | str) -> str | None:
    if isinstance(media, str):
        return f"media: {media}"
    if (media.width, media.height) != (raw.video_width, raw.video_height):
        return (
            f"size differs: the file has {media.width}x{media.height}, "
            f"the annotation {raw.video_width}x{raw.video_height}"
        )
    return None


def findings(rows: list[Raw], splits: Mapping[str, str | None], media: dict[str, Media | str]) -> dict[str, Any]:
    """Leakage (parents that stand in several splits) and shortcuts (single variables that tell real from fake)."""
    videos = list({raw.video_id: raw for raw in rows}.values())
    homes: dict[str, str | None] = {}  # the first split of each parent
    several, trained, tested = set(), set(), []
    for raw in videos:
        parent, split = parent_of(raw), splits[raw.video_id]
        if homes.setdefault(parent, split) != split:
            several.add(parent)
        if split == "train":
            trained.add(parent)
        elif split == "test":
            tested.append(parent)
    labels = [raw.video_type for raw in videos]
    train = [splits[raw.video_id] == "train" for raw in videos]
    audio = [getattr(media.get(raw.video_path), "has_audio", None) for raw in videos]
    return {
        "leakage": {
            "parents": len(homes),
            "parents_in_several_splits": len(several),
            "test_videos": len(tested),
            "test_videos_whose_parent_is_in_train": sum(parent in trained for parent in tested),
        },
        "shortcuts": {
            "resolution": one_variable_rule([f"{r.video_width}x{r.video_height}" for r in videos], labels, train),
            "audio": one_variable_rule(audio, labels, train),
            "duration": one_variable_rule([round(r.video_duration, 1) for r in videos], labels, train),
            "frame_rate": one_variable_rule([round(r.video_frame_rate, 2) for r in videos], labels, train),
        },
    }


def convert(args: argparse.Namespace) -> None:
    data = check_source(args.src)
    boxes.span(args.box_space, 1280, 720, args.min_pixels, args.max_pixels)  # refuses impossible limits at once
    items = read_raw(data, args.limit)
    rows = [raw for raw in items.values() if isinstance(raw, Raw)]
    if isinstance(first := next(iter(items.values())), Malformed) and not rows:
        raise ValueError(f"{data}: no usable row; the first one: {first.reason}")
    splits: Mapping[str, str | None]
    if args.split_by == "published":
        splits = {raw.video_id: raw.split for raw in reversed(rows)}  # a video stays where its first row puts it
        if set(splits.values()) == {None}:
            raise ValueError(f"{data} has no splits: choose --split-by parent or --split-by video")
    else:
        splits = assign_splits(rows, args.split_by, args.seed)
    converter = Converter(args)
    media = _check_media(args, converter, rows)
    output = Output(args.out, SPLITS)
    with output.open():
        for index, raw in items.items():
            if isinstance(raw, Malformed):
                output.reject(f"{data.name}[{index}]", *raw)
                continue
            try:
                if (split := splits[raw.video_id]) not in SPLITS:
                    raise ValueError(f"unknown split: {split!r}; expected one of {', '.join(SPLITS)}")
                if args.split_by == "published" and raw.split != split:
                    raise ValueError(
                        f"contradiction: an earlier row has this video in {split}, this one in {raw.split}"
                    )
                if args.check != "none" and (problem := media_problem(raw, media[raw.video_path])):
                    raise ValueError(problem)
                output.row(split, converter.row(raw, split))
            except ValueError as error:
                output.reject(f"{data.name}[{index}]", raw.video_id, str(error))
    options = {k: v for k, v in vars(args).items() if k not in ("src", "out", "workers")}
    sections = findings([r for r in rows if splits[r.video_id] in SPLITS], splits, media)
    if len(items) >= NEARLY_FULL and len(items) != args.limit:
        sections["published_counts"] = published_counts(rows)
    manifest = output.manifest(
        {data.name: data},
        options,
        task=deeptrace.NAME,
        task_version=deeptrace.VERSION,
        media_checked=args.check,
        prompt=converter.question,
        prompt_sha256=sha256_text(converter.question),
        setting=args.setting,
        box_space=args.box_space,
        pixel_limits=[args.min_pixels, args.max_pixels] if args.box_space == "resized" else None,
        boxes_clipped_to_the_frame=converter.clipped,
        videos=len(splits),
        media_missing=media_missing(converter, rows),
        licence=LICENCE,
        **sections,
    )
    report(args, manifest)
    report_missing(args.src, manifest, converter.media.missing)


def media_missing(converter: Converter, rows: list[Raw]) -> int:
    """The number of videos whose file is not there."""
    missing = converter.media.missing
    return len({raw.video_id for raw in rows if raw.video_path in missing}) if missing else 0


def _check_media(args: argparse.Namespace, converter: Converter, rows: list[Raw]) -> dict[str, Media | str]:
    """video_path -> what its check found; a path that leaves --src is not opened."""
    if args.check == "none":
        return {}
    found: dict[str, Media | str] = {}
    paths: dict[str, str] = {}
    for relative in {raw.video_path for raw in rows}:
        try:
            paths[relative] = converter.media.path(relative)
        except ValueError as error:
            found[relative] = str(error)
    checked = check_files(sorted(set(paths.values())), args.check, args.workers)
    return found | {relative: checked[path] for relative, path in paths.items()}


def report(args: argparse.Namespace, manifest: dict[str, Any]) -> None:
    """Print what was written, and what deserves a look."""
    print(
        f"{manifest['rows_out']} rows to {args.out}, {manifest['rows_rejected']} rejected "
        f"(of {manifest['rows_in']}); media checked: {args.check}"
    )
    for split, counts in manifest["counts"].items():
        print(f"  {split:5} " + ", ".join(f"{n} {label}" for label, n in counts.items()))
    for reason, n in manifest["reject_reasons"].items():
        print(f"  rejected {n}: {reason}")
    if leaked := manifest["leakage"]["test_videos_whose_parent_is_in_train"]:
        print(f"  leakage: {leaked} test videos have clips of the same parent in train (--split-by parent avoids it)")
    for name, rule in manifest["shortcuts"].items():
        if rule["accuracy"] is not None and rule["accuracy"] > rule["majority"] + 10:
            print(f"  shortcut: {name} alone gives {rule['accuracy']} % (majority {rule['majority']} %)")
    for name, count in manifest.get("published_counts", {}).items():
        if not count["ok"]:
            print(f"  count differs: {name} is {count['found']}, published {count['published']}")


def report_missing(src: Path, manifest: dict[str, Any], missing: set[str]) -> None:
    """Annotations may be converted without the videos, so this is no error."""
    if not missing:
        return
    print(f"note: {manifest['media_missing']} of {manifest['videos']} videos are not there")
    for folder, unpack in UNPACK.items():
        if not (src / folder).is_dir() and any(path.startswith(f"{folder}/") for path in missing):
            print(f"note: there is no {src / folder}. Get it with: {download(src)} && cd {src} && {unpack}")


def main(argv: list[str] | None = None) -> int:
    parser = argument_parser(__doc__, "data/RewardData", "data/deeptrace")
    parser.add_argument(
        "--setting",
        choices=deeptrace.SETTINGS,
        default="full",
        help="what the answers are supervised with (default full)",
    )
    parser.add_argument(
        "--box-space",
        choices=boxes.SPACES,
        default="pixel",
        help="coordinates of the boxes in the answers (default pixel, as in the paper)",
    )
    parser.add_argument(
        "--min-pixels",
        type=whole_number(),
        default=boxes.VIDEO_MIN_PIXELS,
        help=f"VIDEO_MIN_PIXELS of --box-space resized (default {boxes.VIDEO_MIN_PIXELS})",
    )
    parser.add_argument(
        "--max-pixels",
        type=whole_number(),
        default=boxes.VIDEO_MAX_PIXELS,
        help=f"VIDEO_MAX_PIXELS of --box-space resized (default {boxes.VIDEO_MAX_PIXELS})",
    )
    parser.add_argument(
        "--split-by",
        choices=("published", "parent", "video"),
        default="published",
        help="published: the dataset's own; parent: 8:1:1 with all clips of a parent together; video: "
        "8:1:1 by video (default published)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of --split-by parent|video (default 0)")
    return run(convert, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
