"""Convert DD-VQA to ms-swift JSONL: what people see in frames of FaceForensics++, one row per answer.

    python converters/ddvqa_to_swift.py --src DQ_FF++ --ffpp FaceForensics++ --out data/ddvqa --frame-rule first

Writes train.jsonl, test.jsonl, manifest.json and rejects.jsonl to --out; there is no validation set. Questions and
answers are kept to the letter, but that each question gets the <image> tag in front. DD-VQA publishes neither its
images nor which frame of a video each was, so --frame-rule decides; the manifest records it. The frames are those of
<compression>/frames/<video>/*.png below --ffpp where that is there, else they are cut from the video to --out/frames.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.conversion.audit import Pictured
from converters.conversion.command import Conversion, argument_parser
from converters.conversion.output import Output
from converters.conversion.reporting import counted, report_audit, report_counts, report_published
from converters.conversion.sources import Row, Sourced, usable
from converters.layouts import ddvqa, ffpp
from converters.layouts.ddvqa import PARTS, PROMPTS, PUBLISHED, Said, odd
from converters.layouts.ffpp import Medium
from converters.layouts.ffpp_frames import COMPRESSIONS, FaceForensics, find_root, report_media, taken
from converters.rows.ffpp import make_row
from swift_plugins.core.commands import run
from swift_plugins.core.frames import FrameRule, frame_rule
from swift_plugins.core.printable import say
from swift_plugins.core.records import sha256_text
from swift_plugins.core.tasks import fakevlm


class DdVqa(Conversion[Any]):
    """What people say of frames whose numbers DD-VQA does not tell."""

    splits = ddvqa.SPLITS

    def read(self) -> list[Sourced[Said]]:
        args = self.args
        if (args.frame_rule.kind == "file") != (args.frame_file is not None):
            raise ValueError("--frame-rule file and --frame-file FILE go together")
        self.source = FaceForensics(find_root(args.ffpp, args.check), args.compression)
        files = ddvqa.find_source(args.src)
        folder = next(iter(files.values())).parents[2] / "split"
        self.official = ffpp.read_splits(folder)
        self.sources = files | {f"split/{split}.json": folder / f"{split}.json" for split in ffpp.SPLITS}
        if args.frame_file:
            self.sources[args.frame_file.name] = args.frame_file
        self.numbers = ddvqa.read_frame_file(args.frame_file) if args.frame_file else None
        items = ddvqa.read_files(files, args.limit)
        self.said = list(usable(items))
        return items

    def locate(self, items: list[Sourced[Said]]) -> list[Sourced[tuple[Said, Medium]]]:
        args = self.args
        rules = ddvqa.rules_of([item.row for item in self.said], args.frame_rule, self.numbers)
        self.found = self.source.frames(rules, args.out, args.workers, nominal=args.check == "none")
        mark = "/f" if args.frame_rule.kind == "uniform" else None
        return [one for item in items for one in taken(item, item.reason or self.frames(item.row), mark)]

    def frames(self, one: Said) -> list[Medium] | str:
        """The frames that an answer is about, or why it is left out."""
        if dropped := sorted(odd(one.text, one.video.label) & {*self.args.drop}):
            return f"dropped: {', '.join(dropped)}: {one.text[:120]!r}"
        return self.found.get(one.video, f"frame: the frame file has none for {one.key}")

    def images(self, items: list[Sourced[Any]]) -> dict[str, Pictured]:
        """The frames of all answers, those that are left out among them."""
        of_videos = ((item.row.video, item.split) for item in self.said)
        return {
            medium.path: Pictured(video.label, split == "train")
            for video, split in of_videos
            if not isinstance(mediums := self.found.get(video, ""), str)
            for medium in mediums
        }

    def paths(self, items: list[Sourced[Any]]) -> set[str]:
        return {*self.images(items)}

    def row(self, item: Sourced[tuple[Said, Medium]]) -> Row:
        one, medium = item.row
        own = {"dataset": "ddvqa", "part": PARTS[one.question], "key": one.key}
        return make_row(item, one.video, medium, self.media, f"<image>{one.question}", one.text, **own)

    def options(self) -> dict[str, Any]:
        return super().options() | {"frame_rule": str(self.args.frame_rule)}

    def facts(self, items: list[Sourced[Any]], output: Output, audit: dict[str, Any] | None) -> dict[str, Any]:
        keys = {item.row.key for item in self.said}
        return {
            "task": fakevlm.NAME,
            "task_version": fakevlm.VERSION,
            "prompt": PROMPTS,
            "prompt_sha256": sha256_text("\n".join(PROMPTS.values())),
            "media_checked": self.args.check,
            "media_missing": len(self.source.missing),
            "compression": self.args.compression,
            "frame_rule": str(self.args.frame_rule),
            "frame_rule_is": ddvqa.FRAME_RULE_IS,
            "frame_file_keys_not_used": None if self.numbers is None else len({*self.numbers} - keys),
            "frames_from": dict(self.source.origins),
            "image_audit": audit,
            "licence": ddvqa.LICENCE,
            "annotated": ddvqa.annotated(self.said),
            "published_counts": PUBLISHED,
            "odd_answers": ddvqa.odd_answers(self.said),
            "leakage": ddvqa.leakage(self.said, self.official),
        }

    def report(self, manifest: dict[str, Any]) -> None:
        report_counts(self.args, manifest)
        report_media(manifest)
        report_audit(manifest["image_audit"])
        for split, counts in manifest["annotated"].items():
            say(f"  {split:5} annotated: {counted(counts)}")
            for name, published in PUBLISHED[split].items() if not self.args.limit else ():
                report_published(split, counts[name], published, name)
        for kind, of in manifest["odd_answers"].items():
            kept = "" if kind in self.args.drop else f" are kept (--drop {kind})"
            say(f"  {kind}: {of['count']} answers{kept}")
        for fault in ("outside_their_split", "not_an_official_pair", "ids_in_several_splits"):
            if of := manifest["leakage"][fault]:
                say(f"  leakage: {len(of)} {fault.replace('_', ' ')}, {of[0]} among them")


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
        choices=tuple(ddvqa.ODD_RULES),
        default=[],
        help="leave out answers that contradict their verdict, or that say nothing; may be repeated "
        "(default all are kept)",
    )
    return run(DdVqa.convert, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
