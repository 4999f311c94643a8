"""Convert DD-VQA to ms-swift JSONL: what people see in frames of FaceForensics++, one row per answer.

    python converters/ddvqa_to_swift.py --src DQ_FF++ --ffpp FaceForensics++ --out data/ddvqa --frame-rule first

Writes train.jsonl, test.jsonl, manifest.json and rejects.jsonl to --out; there is no validation set. Questions and
answers are kept to the letter, but that each question gets the <image> tag in front. DD-VQA publishes neither its
images nor which frame of a video each was, so --frame-rule decides; the manifest records it. The frames are those of
<compression>/frames/<video>/*.png below --ffpp where that is there, else they are cut from the video to --out/frames.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.conversion.command import argument_parser
from converters.conversion.media import check_files
from converters.conversion.output import Line, Output, write_rows
from converters.layouts import ffpp
from converters.layouts.ddvqa import (
    LICENCE,
    ODD_RULES,
    PARTS,
    PROMPTS,
    PUBLISHED,
    SPLITS,
    Item,
    Said,
    find_source,
    odd,
    read_answers,
    read_frame_file,
)
from converters.layouts.ffpp import Medium, Video
from converters.layouts.ffpp_frames import COMPRESSIONS, FaceForensics, find_root
from converters.rows.ffpp import audit_of, images_of, make_row, report_rows
from swift_plugins.core.commands import run
from swift_plugins.core.frames import FrameRule, frame_rule
from swift_plugins.core.media import Media
from swift_plugins.core.records import sha256_text, spread
from swift_plugins.core.tasks import fakevlm


def rules_of(said: list[Said], rule: FrameRule, frames: Mapping[str, int] | None) -> dict[Video, FrameRule]:
    """video -> which of its frames are meant; without those that the frame file does not name."""
    if frames is None:
        return dict.fromkeys((one.video for one in said), rule)
    return {one.video: FrameRule("index", frames[one.key]) for one in said if one.key in frames}


def rows_of(
    items: list[Item],
    found: Mapping[Video, list[Medium] | str],
    media: Mapping[str, Media | str],
    drop: set[str],
    several: bool,
) -> Iterator[Line]:
    """Yield place, split, id, and row or the reason why there is none, for each answer or, if `several`, each frame."""
    for one in items:
        if not isinstance(one, Said):
            yield one[0], "", one[1], one[2]
            continue
        mediums: list[Medium] | str = found.get(one.video, f"frame: the frame file has none for {one.key}")
        if dropped := sorted(odd(one.text, one.video.label) & drop):
            mediums = f"dropped: {', '.join(dropped)}: {one.text[:120]!r}"
        if isinstance(mediums, str):
            yield one.where, one.split, one.id, mediums
            continue
        for medium in mediums:
            row_id = f"{one.id}/f{medium.number}" if several else one.id
            try:
                yield (
                    one.where,
                    one.split,
                    row_id,
                    make_row(
                        row_id,
                        one.split,
                        one.video,
                        medium,
                        media,
                        f"<image>{one.question}",
                        one.text,
                        dataset="ddvqa",
                        part=PARTS[one.question],
                        key=one.key,
                    ),
                )
            except ValueError as error:
                yield one.where, one.split, row_id, str(error)


def facts_of(said: list[Said], splits: ffpp.Splits) -> dict[str, Any]:
    """What the manifest tells of the annotations: counts, odd answers, videos that are not of their split."""
    counts = {
        split: {
            "images": len({one.key for one in of}),
            "questions": len({(one.key, one.question) for one in of}),
            "answers": len(of),
        }
        for split in SPLITS
        for of in [[one for one in said if one.split == split]]
    }
    kinds = [(one, odd(one.text, one.video.label)) for one in said]
    ids = {split: {part for pair in pairs for part in pair} for split, pairs in splits.items()}
    pairs = {split: {*pairs, *(pair[::-1] for pair in pairs)} for split, pairs in splits.items()}
    videos = sorted({(one.split, one.video) for one in said})
    return {
        "annotated": counts,
        "published_counts": PUBLISHED,
        "odd_answers": {
            kind: {
                "rule": rule,
                "count": sum(kind in of for _, of in kinds),
                "where": [one.where for one, of in kinds if kind in of],
            }
            for kind, rule in ODD_RULES.items()
        },
        "leakage": {
            "videos": len(videos),
            "outside_their_split": [
                f"{split}: {video.name}" for split, video in videos if not {*video.id.split("_")} <= ids[split]
            ],
            "not_an_official_pair": [
                f"{split}: {video.name}"
                for split, video in videos
                if video.label == "fake" and tuple(video.id.split("_")) not in pairs[split]
            ],
            "ids_in_several_splits": ffpp.identities_in_several(splits),
        },
    }


def convert(args: argparse.Namespace) -> None:
    if (args.frame_rule.kind == "file") != (args.frame_file is not None):
        raise ValueError("--frame-rule file and --frame-file FILE go together")
    source = FaceForensics(find_root(args.ffpp, args.check), args.compression)
    files = find_source(args.src)
    folder = next(iter(files.values())).parents[2] / "split"
    splits = ffpp.read_splits(folder)
    items: list[Item] = []
    for name, path in files.items():
        of_file = [*read_answers(name, path)]
        items += [of_file[i] for i in spread(len(of_file), args.limit)]
    said = [one for one in items if isinstance(one, Said)]
    numbers = read_frame_file(args.frame_file) if args.frame_file else None
    rules = rules_of(said, args.frame_rule, numbers)
    found = source.frames(rules, args.out, args.workers, nominal=args.check == "none")
    images = images_of(((one.split, one.video) for one in said), found)
    checked = {} if args.check == "none" else check_files(sorted(images), args.check, args.workers)
    output = Output(args.out, SPLITS)
    with output.open():
        write_rows(output, rows_of(items, found, checked, {*args.drop}, args.frame_rule.kind == "uniform"))
    options = {k: v for k, v in vars(args).items() if k not in ("src", "out", "workers")}
    manifest = output.manifest(
        files
        | {f"split/{split}.json": folder / f"{split}.json" for split in ffpp.SPLITS}
        | ({args.frame_file.name: args.frame_file} if args.frame_file else {}),
        options | {"frame_rule": str(args.frame_rule)},
        task=fakevlm.NAME,
        task_version=fakevlm.VERSION,
        prompt=PROMPTS,
        prompt_sha256=sha256_text("\n".join(PROMPTS.values())),
        media_checked=args.check,
        media_missing=len(source.missing),
        compression=args.compression,
        frame_rule=str(args.frame_rule),
        frame_rule_is="this project's choice: DD-VQA does not tell which frame was annotated, nor how it was cropped",
        frame_file_keys_not_used=len({*numbers} - {one.key for one in said}) if numbers is not None else None,
        frames_from=dict(source.origins),
        image_audit=audit_of(images, checked),
        licence=LICENCE,
        **facts_of(said, splits),
    )
    report(args, manifest)


def report(args: argparse.Namespace, manifest: dict[str, Any]) -> None:
    """Print what was written, and what deserves a look."""
    report_rows(args, manifest)
    for split, counts in manifest["annotated"].items():
        print(f"  {split:5} annotated: " + ", ".join(f"{n} {name}" for name, n in counts.items()))
        for name, published in PUBLISHED[split].items():
            if not args.limit and counts[name] != published and 10 * abs(counts[name] - published) <= published:
                print(f"  count differs: {split} has {counts[name]} {name}, published are {published}")
    for kind, of in manifest["odd_answers"].items():
        print(f"  {kind}: {of['count']} answers" + ("" if kind in args.drop else f" are kept (--drop {kind})"))
    for fault in ("outside_their_split", "not_an_official_pair", "ids_in_several_splits"):
        if of := manifest["leakage"][fault]:
            print(f"  leakage: {len(of)} {fault.replace('_', ' ')}, {of[0]} among them")


def main(argv: list[str] | None = None) -> int:
    parser = argument_parser(__doc__, "data/DQ_FF++", "data/ddvqa", check="header")
    parser.add_argument(
        "--ffpp",
        type=Path,
        default=Path("data/FaceForensics++"),
        help="folder of FaceForensics++ (default data/FaceForensics++)",
    )
    parser.add_argument(
        "--compression", choices=COMPRESSIONS, default="c23", help="which of its videos or frames (default c23)"
    )
    parser.add_argument(
        "--frame-rule",
        type=frame_rule,
        default=FrameRule("first"),
        metavar="RULE",
        help="first; index:N: frame N of the video, from 0, or the nearest extracted before it; "
        "uniform:N: N evenly spread frames, each a row of its own; file: as --frame-file says "
        "(default first)",
    )
    parser.add_argument(
        "--frame-file",
        type=Path,
        help="CSV or JSON lines of key and frame: the frame of each image by its key (default none)",
    )
    parser.add_argument(
        "--drop",
        action="append",
        choices=tuple(ODD_RULES),
        default=[],
        help="leave out answers that contradict their verdict, or that say nothing; may be repeated "
        "(default all are kept)",
    )
    return run(convert, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
