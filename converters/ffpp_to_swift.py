"""Convert FaceForensics++ to ms-swift JSONL: its videos, or frames of them, with the question and answer of FakeVLM.

    python converters/ffpp_to_swift.py --src FaceForensics++ --out data/ffpp

Writes train.jsonl, val.jsonl, test.jsonl, manifest.json and rejects.jsonl to --out. The official splits are lists of
pairs of ids: a pair gives the fakes a_b and b_a of each manipulation, and both ids are reals. Frames are taken from
<compression>/frames/<video>/*.png where that is there, else cut from <compression>/videos/<video>.mp4 to --out/frames;
a run that was stopped goes on where it was. --limit counts the videos of each split.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.conversion.audit import Pictured
from converters.conversion.command import Conversion, add_leave_out, argument_parser
from converters.conversion.output import Output
from converters.conversion.reporting import report_audit, report_counts
from converters.conversion.sources import Row, Sourced, usable
from converters.layouts import ffpp
from converters.layouts.ffpp import Medium, Video
from converters.layouts.ffpp_frames import COMPRESSIONS, FaceForensics, find_root, report_media, taken
from converters.rows.ffpp import make_row
from swift_plugins.core.commands import run, whole_number
from swift_plugins.core.frames import FrameRule
from swift_plugins.core.printable import say
from swift_plugins.core.records import sha256_text, spread
from swift_plugins.core.tasks import fakevlm


class Ffpp(Conversion[Any]):
    """The videos of the official splits, or their frames."""

    splits = ffpp.SPLITS

    def read(self) -> list[Sourced[Video]]:
        args = self.args
        self.form = "video" if args.media == "videos" else "image"
        self.rule = FrameRule("uniform", args.frames_per_video)
        self.manipulations = list(dict.fromkeys(args.manipulations))
        self.seen: set[tuple[str, Video]] = set()
        root = find_root(args.src, args.check)
        folder = args.splits or (root / "splits" if (root / "splits").is_dir() else root)
        self.official, self.source = ffpp.read_splits(folder), FaceForensics(root, args.compression)
        self.sources = {f"{split}.json": folder / f"{split}.json" for split in self.splits}
        items: list[Sourced[Video]] = []
        for split, pairs in self.official.items():
            videos = ffpp.videos_of(pairs, self.manipulations)
            some = (videos[i] for i in spread(len(videos), args.limit))
            items += [Sourced(f"{split}.json", f"{split}/{video.name}", split, video) for video in some]
        return items

    def locate(self, items: list[Sourced[Video]]) -> list[Sourced[tuple[Video, Medium]]]:
        args, videos = self.args, list(dict.fromkeys(item.row for item in items))
        if self.form == "video":
            found = self.source.videos(videos)
        else:
            rules = dict.fromkeys(videos, self.rule)
            found = self.source.frames(rules, args.out, args.workers, nominal=args.check == "none")
        mark = None if self.form == "video" else "/"
        return [one for item in items for one in taken(item, found[item.row], mark)]

    def generator(self, item: Sourced[tuple[Video, Medium]]) -> str | None:
        video = item.row[0]
        return video.manipulation if video.label == "fake" else None

    def row(self, item: Sourced[tuple[Video, Medium]]) -> Row:
        video, medium = item.row
        answer = fakevlm.Answer(video.label, form=self.form)
        question = fakevlm.QUESTIONS[self.form]
        return make_row(item, video, medium, self.media, question, answer, dataset="ffpp", part="")

    def wrote(self, item: Sourced[tuple[Video, Medium]], row: Row) -> None:
        self.seen.add((item.split, item.row[0]))

    def images(self, items: list[Sourced[tuple[Video, Medium]]]) -> dict[str, Pictured] | None:
        if self.form == "video":
            return None
        return {item.path: Pictured(item.row[0].label, item.split == "train") for item in usable(items)}

    def facts(self, items: list[Sourced[Any]], output: Output, audit: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "task": fakevlm.NAME,
            "task_version": fakevlm.VERSION,
            "prompt": fakevlm.QUESTIONS[self.form],
            "prompt_sha256": sha256_text(fakevlm.QUESTIONS[self.form]),
            "media_checked": self.args.check,
            "media_missing": len(self.source.missing),
            "compression": self.args.compression,
            "frame_rule": None if self.form == "video" else str(self.rule),
            "frames_from": dict(self.source.origins),
            "image_audit": audit,
            "licence": ffpp.LICENCE,
            **ffpp.counts(self.official, self.manipulations, self.seen),
        }

    def report(self, manifest: dict[str, Any]) -> None:
        report_counts(self.args, manifest)
        report_media(manifest)
        report_audit(manifest["image_audit"])
        for split, of in manifest["videos"].items():
            say(f"  {split:5} videos: " + ", ".join(f"{name} {n['found']}/{n['expected']}" for name, n in of.items()))
        for split, pairs in manifest["pairs"].items():
            if pairs["found"] != pairs["published"]:
                say(f"  count differs: {split} has {pairs['found']} pairs, published are {pairs['published']}")
        if shared := manifest["leakage"]["ids_in_several_splits"]:
            say(f"  leakage: {len(shared)} ids stand in more than one split, {shared[0]} among them")


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
        default=list(ffpp.FOUR),
        type=ffpp.fake_of,
        metavar="NAME",
        help=f"which fakes, of {', '.join(ffpp.MANIPULATIONS)} (default all but the last, as in table 5 of the paper)",
    )
    parser.add_argument(
        "--splits", type=Path, help="folder of train.json, val.json and test.json (default SRC/splits, or SRC)"
    )
    add_leave_out(parser)
    return run(Ffpp.convert, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
