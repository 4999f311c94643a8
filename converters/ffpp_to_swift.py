"""Convert FaceForensics++ to ms-swift JSONL: its videos, or frames of them, with the question and answer of FakeVLM.

    python converters/ffpp_to_swift.py --src FaceForensics++ --out data/ffpp

Writes train.jsonl, val.jsonl, test.jsonl, manifest.json and rejects.jsonl to --out. The official splits are lists of
pairs of ids: a pair gives the fakes a_b and b_a of each manipulation, and both ids are reals. Frames are taken from
<compression>/frames/<video>/*.png where that is there, else cut from <compression>/videos/<video>.mp4 to --out/frames;
a run that was stopped goes on where it was. --limit counts the videos of each split.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.conversion.command import argument_parser
from converters.conversion.media import check_files
from converters.conversion.output import Line, Output, write_rows
from converters.layouts.ffpp import (
    FOUR,
    LICENCE,
    MANIPULATIONS,
    ORIGINAL,
    PUBLISHED_PAIRS,
    SPLITS,
    Medium,
    Splits,
    Video,
    identities_in_several,
    manipulation_of,
    read_splits,
    videos_of,
)
from converters.layouts.ffpp_frames import COMPRESSIONS, FaceForensics, find_root
from converters.rows.ffpp import audit_of, images_of, make_row, report_rows
from swift_plugins.core.commands import run, whole_number
from swift_plugins.core.frames import FrameRule
from swift_plugins.core.media import Media
from swift_plugins.core.records import sha256_text, spread
from swift_plugins.core.tasks import fakevlm

Wanted = dict[str, list[Video]]


def find_media(args: argparse.Namespace, source: FaceForensics, wanted: Wanted) -> dict[Video, list[Medium] | str]:
    """video -> itself or its frames, or why there is nothing of it."""
    videos = list(dict.fromkeys(video for of_split in wanted.values() for video in of_split))
    if args.media == "videos":
        return source.videos(videos)
    rule = FrameRule("uniform", args.frames_per_video)
    return source.frames(dict.fromkeys(videos, rule), args.out, args.workers, nominal=args.check == "none")


def rows_of(
    wanted: Wanted, found: dict[Video, list[Medium] | str], media: dict[str, Media | str], form: str
) -> Iterator[Line]:
    """Yield (where, split, id, row or the reason why there is none) for every video or each of its frames."""
    for split, video in ((split, video) for split, videos in wanted.items() for video in videos):
        where, row_id, mediums = f"{split}.json", f"{split}/{video.name}", found[video]
        if isinstance(mediums, str):
            yield where, split, row_id, mediums
            continue
        text = fakevlm.render(fakevlm.Answer(video.label, form=form))
        for medium in mediums:
            own_id = row_id if medium.number is None else f"{row_id}/{medium.number}"
            try:
                yield (
                    where,
                    split,
                    own_id,
                    make_row(
                        own_id, split, video, medium, media, fakevlm.QUESTIONS[form], text, dataset="ffpp", part=""
                    ),
                )
            except ValueError as error:
                yield where, split, own_id, str(error)


def facts_of(splits: Splits, manipulations: list[str], seen: set[tuple[str, str]]) -> dict[str, Any]:
    """What the manifest tells of the splits: videos per manipulation found and expected, ids that stand in several."""
    videos = Counter((split, name.split("/")[0]) for split, name in seen)
    expected = {
        split: Counter(v.manipulation for v in videos_of(pairs, manipulations)) for split, pairs in splits.items()
    }
    return {
        "videos": {
            split: {name: {"found": videos[split, name], "expected": n} for name, n in sorted(of.items())}
            for split, of in expected.items()
        },
        "pairs": {split: {"found": len(pairs), "published": PUBLISHED_PAIRS[split]} for split, pairs in splits.items()},
        "leakage": {"ids_in_several_splits": identities_in_several(splits)},
    }


def convert(args: argparse.Namespace) -> None:
    root = find_root(args.src, args.check)
    folder = args.splits or (root / "splits" if (root / "splits").is_dir() else root)
    splits, source = read_splits(folder), FaceForensics(root, args.compression)
    manipulations = list(dict.fromkeys(args.manipulations))
    wanted = {}
    for split, pairs in splits.items():
        videos = videos_of(pairs, manipulations)
        wanted[split] = [videos[i] for i in spread(len(videos), args.limit)]
    found = find_media(args, source, wanted)
    images = images_of(((split, video) for split, videos in wanted.items() for video in videos), found)
    media = {} if args.check == "none" else check_files(sorted(images), args.check, args.workers)
    form = "video" if args.media == "videos" else "image"
    output = Output(args.out, SPLITS)
    with output.open():
        seen = write_rows(output, rows_of(wanted, found, media, form))
    options = {k: v for k, v in vars(args).items() if k not in ("src", "out", "workers")}
    manifest = output.manifest(
        {f"{split}.json": folder / f"{split}.json" for split in SPLITS},
        options,
        task=fakevlm.NAME,
        task_version=fakevlm.VERSION,
        prompt=fakevlm.QUESTIONS[form],
        prompt_sha256=sha256_text(fakevlm.QUESTIONS[form]),
        media_checked=args.check,
        media_missing=len(source.missing),
        compression=args.compression,
        frame_rule=str(FrameRule("uniform", args.frames_per_video)) if form == "image" else None,
        frames_from=dict(source.origins),
        image_audit=audit_of(images, media) if form == "image" else None,
        licence=LICENCE,
        **facts_of(splits, manipulations, seen),
    )
    report(args, manifest)


def report(args: argparse.Namespace, manifest: dict[str, Any]) -> None:
    report_rows(args, manifest)
    for split, of in manifest["videos"].items():
        print(f"  {split:5} videos: " + ", ".join(f"{name} {n['found']}/{n['expected']}" for name, n in of.items()))
    for split, pairs in manifest["pairs"].items():
        if pairs["found"] != pairs["published"]:
            print(f"  count differs: {split} has {pairs['found']} pairs, published are {pairs['published']}")
    if shared := manifest["leakage"]["ids_in_several_splits"]:
        print(f"  leakage: {len(shared)} ids stand in more than one split, {shared[0]} among them")


def main(argv: list[str] | None = None) -> int:
    parser = argument_parser(__doc__, "data/FaceForensics++", "data/ffpp", check="header")
    parser.add_argument(
        "--media",
        choices=("videos", "frames"),
        default="frames",
        help="rows of whole videos or of frames (default frames)",
    )
    parser.add_argument(
        "--frames-per-video",
        type=whole_number(),
        default=32,
        help="frames of each video, evenly spread; all of a shorter one (default 32)",
    )
    parser.add_argument(
        "--compression",
        choices=COMPRESSIONS,
        default="c23",
        help="how strongly the videos are compressed (default c23, as in the paper)",
    )
    parser.add_argument(
        "--manipulations",
        nargs="+",
        default=list(FOUR),
        type=fake_of,
        metavar="NAME",
        help=f"which fakes, of {', '.join(MANIPULATIONS)} (default all but the last, as in table 5 of the paper)",
    )
    parser.add_argument(
        "--splits", type=Path, help="folder of train.json, val.json and test.json (default SRC/splits, or SRC)"
    )
    return run(convert, parser.parse_args(argv))


def fake_of(name: str) -> str:
    """A type for argparse: a manipulation in any of its spellings."""
    try:
        found = manipulation_of(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if found == ORIGINAL:
        raise argparse.ArgumentTypeError("the originals are always there, as reals")
    return found


if __name__ == "__main__":
    sys.exit(main())
