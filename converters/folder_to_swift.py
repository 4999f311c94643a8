"""Convert a folder of real and fake images to ms-swift JSONL for FakeVLM: GenImage, CNNDetection, Chameleon, your own.

    python converters/folder_to_swift.py --src GenImage --out data/genimage
    python converters/folder_to_swift.py --src photos --csv photos.csv --out data/photos

What an image is follows from the folders above it, by their names in any case:
  real, 0_real, nature, natural, authentic, real_*    the image is real
  fake, 1_fake, ai, full_synthetic, tampered          the image is fake
  train, val, valid, validation, test                 its split; val beside ai and nature is GenImage's test set
Where no folder says fake and some are called real_*, as in DMimage, the folders beside those hold fakes and either
name is the source. Else the source is the first folder that says none of this: the generator. A real_* with "fake" in
its name (real_vs_fake) or above a plain name (real_world/fake) says nothing itself. An image whose folders say both or
nothing is rejected.
With --csv a table says it: columns path (below --src) and label (real or fake) and, if wanted, split, category, source,
manipulation, video (the video that the image is a frame of) and explanation.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.conversion.audit import Pictured
from converters.conversion.command import Conversion, argument_parser
from converters.conversion.media import MediaFolders, locate
from converters.conversion.output import Output
from converters.conversion.reporting import report_audit, report_counts, report_leakage, report_missing
from converters.conversion.sources import Row, Sourced, usable
from converters.layouts.folders import SPLITS, Item, label_by_folders, label_map, leakage, read_table, understood, walk
from converters.rows.folders import make_row
from swift_plugins.core.commands import run
from swift_plugins.core.manifests import FILE as MANIFEST
from swift_plugins.core.records import sha256_text, spread
from swift_plugins.core.tasks import fakevlm
from swift_plugins.core.tasks.verdicts import VERDICTS

SHOWN = 40  # folders that are printed
LICENCE = (
    "Not known: the images keep the terms of their sources. GenImage's are those of ImageNet and of its generators; "
    "Chameleon is for academic use only."
)


class Folder(Conversion[Item]):
    """Images of which their folders, or a table, say what they are."""

    unit = "image"
    hidden = (*Conversion.hidden, "csv")  # it is among the sources

    def read(self) -> list[Sourced[Item]]:
        args = self.args
        self.dataset = args.dataset or args.src.resolve().name.lower()
        self.folders = MediaFolders(args.src)
        self.others: Counter[str] = Counter()
        self.written: list[Sourced[Item]] = []
        self.sources = {args.csv.name: args.csv} if args.csv else {}
        if not args.src.is_dir():
            raise ValueError(f"{args.src} is no folder: name the folder that holds the images with --src")
        if args.csv:
            labels = {verdict: verdict for verdict in VERDICTS} | args.label_map
            items = list(read_table(args.csv, labels, self.dataset, args.split))
        else:
            items = list(walk(args.src, self.others))
            label_by_folders(items, self.dataset, args.split)
        if not items:
            found = ", ".join(f"{n} {suffix or 'without a suffix'}" for suffix, n in self.others.most_common(5))
            raise ValueError(f"{args.csv or args.src} holds no images{f', only other files: {found}' if found else ''}")
        return [items[i] for i in spread(len(items), args.limit)]

    def locate(self, items: list[Sourced[Item]]) -> list[Sourced[Item]]:
        seen: set[str] = set()
        for item in usable(locate(items, lambda item: self.folders.path(item.row.image))):
            if item.path in seen:
                item.reason = "duplicate: an earlier row has this image"
            seen.add(item.path)
        self.splits = [split for split in SPLITS if any(item.split == split for item in usable(items))]
        return items

    def row(self, item: Sourced[Item]) -> Row:
        row = make_row(item, self.media, self.dataset)
        self.written.append(item)
        return row

    def images(self, items: list[Sourced[Item]]) -> dict[str, Pictured]:
        return {item.path: Pictured(item.row.label, item.split == "train") for item in self.written}

    def facts(self, items: list[Sourced[Item]], output: Output, audit: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "task": fakevlm.NAME,
            "task_version": fakevlm.VERSION,
            "prompt": fakevlm.QUESTION,
            "prompt_sha256": sha256_text(fakevlm.QUESTION),
            "dataset": self.dataset,
            "media_checked": self.args.check,
            "media_missing": len(self.folders.missing),
            "other_files": dict(self.others.most_common(20)),
            "understood": understood(items),
            "images_sha256": sha256_text("\n".join(item.row.image for item in items)),
            "leakage": leakage(self.written),
            "licence": LICENCE,
            "image_audit": audit,
        }

    def report(self, manifest: dict[str, Any]) -> None:
        for row in manifest["understood"][:SHOWN]:
            taken = f"{row['label']}, {row['split']}" if row["label"] else f"not used ({row['problem']})"
            print(f"  {row['place']}: {taken}, {row['images']} images")
        if (more := len(manifest["understood"]) - SHOWN) > 0:
            print(f"  and {more} more: see {self.args.out / MANIFEST}")
        report_counts(self.args, manifest)
        report_missing(manifest)
        if n := sum(manifest["other_files"].values()):
            print(f"  note: {n} files are no images by their suffix: {', '.join(manifest['other_files'])}")
        report_leakage(manifest["leakage"], "video")
        report_audit(manifest["image_audit"])


def main(argv: list[str] | None = None) -> int:
    parser = argument_parser(__doc__, "data/images", "data/folder", check="header")
    parser.add_argument("--csv", type=Path, help="table of the images; without it their folders say what they are")
    parser.add_argument(
        "--label-map",
        type=label_map,
        default={},
        metavar="0=fake,1=real",
        help="what other labels of --csv mean (default: only the words real and fake are known)",
    )
    parser.add_argument(
        "--dataset",
        help="name of the dataset in the rows; one called dmimage is scored beside the "
        "paper's table of DMimage (default the name of --src in lower case)",
    )
    parser.add_argument(
        "--split", choices=SPLITS, default="test", help="split of the images of which nothing says it (default test)"
    )
    return run(Folder.convert, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
