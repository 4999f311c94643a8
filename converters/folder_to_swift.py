"""Convert a folder of real and fake images to ms-swift JSONL for FakeVLM: GenImage, CNNDetection, Chameleon, your own.

    python converters/folder_to_swift.py --src GenImage --out data/genimage
    python converters/folder_to_swift.py --src photos --csv photos.csv --out data/photos --split 8:1:1
    python converters/folder_to_swift.py --src CASIA2 --label-map Au=real,Tp=fake --out data/casia

What an image is follows from the names of the folders above it, in any case:
  real, authentic, genuine, original, natural …    the image is real
  fake, ai, generated, synthetic, tampered …       the image is fake
  train, val, valid, validation, dev, test …       its split; val above GenImage's ai and nature is its test set
A name that says more (Fake_Images, AI_SD_baroque) counts where a folder of the other class lies beside it, nature where
ai does; 0_real, fake or ai may stand alone. A name with both classes (real_vs_ai) says nothing. In DMimage, where
nothing is called fake, its real_… and the generators beside them tell. Else the source is the first folder that says
none of this: the generator.
Set aside with a reason are images whose folders say both, nothing or only what they are not (not_fake), and what goes
with images: folders called masks, thumbs, groundtruth, edges and the like, files called so (7_mask.png beside 7.png),
and, unless --check is none, black-and-white images of the names and sizes of others. --label-map says what a folder
holds, by its name (Tp=fake), the end of its path (real/masks=real) or a pattern (AI_*=fake); what was taken for what is
printed, with an example.
With --csv a table says it: columns path (below --src) and label (real or fake) and, if wanted, split, category, source,
manipulation, video (the video that the image is a frame of) and explanation; --columns names them where they are called
otherwise. An explanation that states the other verdict than the label sets its row aside.
--split 8:1:1 splits what has no splits of its own into train, val and test, each class in these shares. Together stay:
the same bytes or pixels; the same video; one name, in whatever folder, but for words such as real, fake, edited, copy
(img_001.png, img_001_fake.png) and for what follows "frame"; all of a folder below real or fake that holds no more than
the smallest part, and no more than 1,000, such as a clip's frames, with those of that name below the other class.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.conversion.audit import Pictured
from converters.conversion.command import Conversion, add_leave_out, argument_parser
from converters.conversion.media import MediaFolders, locate
from converters.conversion.output import Output
from converters.conversion.reporting import report_audit, report_counts, report_leakage, report_missing
from converters.conversion.sources import Row, Sourced, usable
from converters.conversion.splitting import PARTS, Shares, split_or_shares
from converters.layouts.folders import Item, contradicted, label_by_folders, leakage, understood, unlabelled, walk
from converters.layouts.grouping import RULE, set_masks_aside, split_items
from converters.layouts.tables import COLUMNS, Table
from converters.rows.folders import make_row
from swift_plugins.core.commands import run
from swift_plugins.core.label_maps import label_map
from swift_plugins.core.names import few
from swift_plugins.core.printable import say
from swift_plugins.core.records import sha256_text, spread
from swift_plugins.core.tables import column_map
from swift_plugins.core.tasks import fakevlm
from swift_plugins.core.tasks.verdicts import VERDICTS

SHOWN = 40  # places of a kind that are printed each by itself
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
        self.unused: dict[str, list[str]] = {}
        self.contradicted: dict[str, Any] = {"images": 0}
        if not args.src.is_dir():
            raise ValueError(f"{args.src} is no folder: name the folder that holds the images with --src")
        if args.columns and not args.csv:
            raise ValueError("--columns are those of --csv")
        items = self.read_table() if args.csv else self.read_folders()
        if not items:
            found = others_told(dict(self.others.most_common(5)))
            raise ValueError(f"{args.csv or args.src} holds no images{f', only other files: {found}' if found else ''}")
        return [items[i] for i in spread(len(items), args.limit)]

    def read_table(self) -> list[Sourced[Item]]:
        args = self.args
        table = Table(args.csv, {verdict: verdict for verdict in VERDICTS} | args.label_map, args.columns)
        items = list(table.read(self.dataset, self.split))
        self.contradicted = contradicted(items)
        self.unused = {"columns": table.unused, "labels of --label-map": sorted({*args.label_map} - table.used)}
        return items

    def read_folders(self) -> list[Sourced[Item]]:
        items = list(walk(self.args.src, self.others))
        unused = label_by_folders(items, self.args.label_map, self.dataset, self.split)
        self.unused = {"folders of --label-map": sorted(unused)}
        return items

    @property
    def split(self) -> str:
        """The split of what has none, "" where it is to be split."""
        return "" if isinstance(self.args.split, Shares) else self.args.split

    def locate(self, items: list[Sourced[Item]]) -> list[Sourced[Item]]:
        args = self.args
        seen: set[tuple[str, str]] = set()
        for item in usable(locate(items, lambda item: self.folders.path(item.row.image))):
            if (key := (item.path, item.row.label)) in seen:
                item.reason = "duplicate: an earlier row has this image"
            seen.add(key)
        if not args.csv and args.check != "none":
            set_masks_aside(items)
        self.groups = None
        if isinstance(args.split, Shares):
            self.groups = split_items(items, args.split, args.seed, args.workers)
        self.splits = [split for split in PARTS if any(item.split == split for item in usable(items))]
        self.unlabelled = [] if args.csv else unlabelled(items)
        return items

    def generator(self, item: Sourced[Item]) -> str | None:
        return item.row.source if item.row.label == "fake" else None

    def row(self, item: Sourced[Item]) -> Row:
        return make_row(item, self.media, self.dataset)

    def wrote(self, item: Sourced[Item], row: Row) -> None:
        self.written.append(item)

    def hint(self) -> str:
        return f". {self.asked()}; not used: {few(self.unlabelled)}" if self.unlabelled else ""

    def asked(self) -> str:
        """What to do where folders say nothing."""
        name = self.unlabelled[0].rpartition("/")[2]
        return f"Say what folders hold, if it is images of one class, such as --label-map {name}=fake"

    def options(self) -> dict[str, Any]:
        if isinstance(self.args.split, Shares):
            return super().options() | {"split": str(self.args.split)}
        return {name: value for name, value in super().options().items() if name != "seed"}

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
            "not_used": self.unused,
            "in_folders_that_contradict": self.contradicted,
            "split": None if self.groups is None else {"groups": self.groups, "kept_together": RULE},
            "images_sha256": sha256_text("\n".join(item.row.image for item in items)),
            "leakage": leakage(self.written, self.alike),
            "licence": LICENCE,
            "image_audit": audit,
        }

    def report(self, manifest: dict[str, Any]) -> None:
        for row in [row for of in (True, False) for row in shown(manifest["understood"], of)]:
            what = f"{row['label']}, {row['split']}" if row["label"] else f"not used ({row['problem']})"
            say(f"  {row['place']}: {what}, {row['images']} images, such as {row['such_as']}")
        if self.unlabelled:
            say(f"  {self.asked()}")
        report_counts(self.args, manifest)
        report_missing(manifest)
        if n := sum(manifest["other_files"].values()):
            say(f"  note: {n} files are no images: {others_told(manifest['other_files'])}")
        for what, names in manifest["not_used"].items():
            if names:
                say(f"  note: {what} not used: {few(names)}")
        if n := (against := manifest["in_folders_that_contradict"])["images"]:
            hint = "; is the label map the wrong way round?" if self.args.label_map else ""
            say(f"  note: {n} images lie in folders that say otherwise, such as {against['such_as']}{hint}")
        if split := manifest["split"]:
            say(f"  split {self.args.split} by {split['groups']} groups, seed {self.args.seed}")
        report_leakage(manifest["leakage"], "image", "video")
        report_audit(manifest["image_audit"])


def shown(places: list[dict[str, Any]], labelled: bool) -> list[dict[str, Any]]:
    """The places that have a label, or those that have none; where they are many, those of one folder's name as one."""
    some = [row for row in places if bool(row["label"]) == labelled]
    if len(some) <= SHOWN:
        return some
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in some:
        key = (name := row["place"].rpartition("/")[2], row["label"], row["split"], row["problem"])
        images = found[key]["images"] if key in found else 0
        found[key] = found.get(key, row | {"place": f"…/{name}"}) | {"images": images + row["images"]}
    return [*found.values()]


def others_told(others: Mapping[str, int]) -> str:
    """3 .txt, 2 without a suffix"""
    return ", ".join(f"{n} {suffix or 'without a suffix'}" for suffix, n in others.items())


def main(argv: list[str] | None = None) -> int:
    parser = argument_parser(__doc__, "data/images", "data/folder", check="header")
    parser.add_argument("--csv", type=Path, help="table of the images; without it their folders say what they are")
    parser.add_argument(
        "--columns",
        type=partial(column_map, columns=COLUMNS, aliases={"image": "path"}),
        default={},
        metavar="image=filename,label=typ",
        help="names of columns of --csv that are called otherwise; what is not named is passed over (default none)",
    )
    parser.add_argument(
        "--label-map",
        type=label_map,
        default={},
        metavar="0=fake,1=real",
        help="what other labels of --csv, or other names of folders, mean; 1.0 is read as 1, True and yes too "
        "(default: what stands above, of --csv only the words real and fake)",
    )
    parser.add_argument(
        "--dataset",
        help="name of the dataset in the rows; one called dmimage is scored beside the "
        "paper's table of DMimage (default the name of --src in lower case)",
    )
    parser.add_argument(
        "--split",
        type=split_or_shares,
        default="test",
        metavar="train|val|test|8:1:1",
        help="split of the images of which nothing says it, or the shares of train, val and test into which a source "
        "without splits is split (default test)",
    )
    add_leave_out(parser)
    parser.add_argument("--seed", type=int, default=0, help="seed of --split 8:1:1 (default 0)")
    return run(Folder.convert, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
