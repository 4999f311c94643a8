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

import argparse
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters.conversion.audit import audit_images, audit_lines
from converters.conversion.command import argument_parser, report_counts
from converters.conversion.media import MediaFolders, check_files, image_size
from converters.conversion.output import Output
from converters.layouts.folders import SPLITS, Item, label_by_folders, read_table, walk
from converters.rows.fakevlm import fakevlm_row
from swift_plugins.core.commands import run
from swift_plugins.core.media import Media
from swift_plugins.core.records import sha256_text, spread
from swift_plugins.core.tasks import fakevlm

SHOWN = 40  # folders that are printed
LICENCE = (
    "Not known: the images keep the terms of their sources. GenImage's are those of ImageNet and of its generators; "
    "Chameleon is for academic use only."
)


def label_map(text: str) -> dict[str, str]:
    """A type for argparse: 0=fake,1=real."""
    pairs = [pair.strip().lower().split("=") for pair in text.split(",")]
    if any(len(pair) != 2 or not pair[0] or pair[1] not in fakevlm.VERDICTS for pair in pairs):
        raise argparse.ArgumentTypeError(f"must be like 0=fake,1=real, got {text!r}")
    if len(dict(pairs)) < len(pairs):
        raise argparse.ArgumentTypeError(f"says twice what a label means, got {text!r}")
    return dict(pairs)


# ------------------------------------------------------------------------------------------------------------- the rows


def make_row(item: Item, media: dict[str, Media | str], dataset: str) -> dict[str, Any]:
    """One training row; ValueError says why an image cannot become one."""
    if item.problem:
        raise ValueError(item.problem)
    size = image_size(media.get(item.path), item.image)
    said = fakevlm.parse_trained(item.explanation).answer
    if said is None or said.form in fakevlm.PARTS:
        said = fakevlm.Answer(item.label, item.explanation or None)
    elif said.verdict != item.label:  # a whole answer, as FakeClue has them
        raise ValueError(f"contradiction: the explanation says {said.verdict}, the label is {item.label}")
    try:
        answer = fakevlm.render(fakevlm.Answer(item.label, said.explanation))
    except ValueError as error:
        raise ValueError(f"explanation: {error}") from None
    return fakevlm_row(
        item.image,
        fakevlm.QUESTION,
        answer,
        item.path,
        {
            "media_id": item.video or item.image,
            "image": item.image,
            "split": item.split,
            "source": item.source,
            "label": item.label,
            "dataset": dataset,
            "category": item.category,
            "manipulation": item.manipulation,
            "video": item.video,
            **size,
        },
    )


def locate(items: list[Item], folders: MediaFolders) -> None:
    """Fill in each image's absolute path, links resolved; an image that an earlier row has is a problem."""
    seen: set[str] = set()
    for item in items:
        if item.problem:
            continue
        try:
            item.path = folders.path(item.image)
        except ValueError as error:
            item.problem = f"image: {error}"
            continue
        if item.path in seen:
            item.problem = "duplicate: an earlier row has this image"
        seen.add(item.path)


def read_items(args: argparse.Namespace, dataset: str, others: Counter[str]) -> list[Item]:
    if not args.src.is_dir():
        raise ValueError(f"{args.src} is no folder: name the folder that holds the images with --src")
    if args.csv:
        labels = {verdict: verdict for verdict in fakevlm.VERDICTS} | args.label_map
        items = list(read_table(args.csv, labels, dataset, args.split))
    else:
        items = list(walk(args.src, others))
        label_by_folders(items, dataset, args.split)
    if not items:
        found = ", ".join(f"{n} {suffix or 'without a suffix'}" for suffix, n in others.most_common(5))
        raise ValueError(f"{args.csv or args.src} holds no images{f', only other files: {found}' if found else ''}")
    return [items[i] for i in spread(len(items), args.limit)]


def convert(args: argparse.Namespace) -> None:
    dataset = args.dataset or args.src.resolve().name.lower()
    others: Counter[str] = Counter()
    items = read_items(args, dataset, others)
    folders = MediaFolders(args.src)
    locate(items, folders)
    usable = [item for item in items if not item.problem]
    paths = [item.path for item in usable]
    media: dict[str, Media | str] = {} if args.check == "none" else check_files(paths, args.check, args.workers)
    output = Output(args.out, tuple(split for split in SPLITS if any(item.split == split for item in usable)))
    with output.open():
        for item in items:
            try:
                output.row(item.split, make_row(item, media, dataset))
            except ValueError as error:
                item.problem = str(error)
                output.reject(item.where, item.image, item.problem)
        if not output.rows:
            raise ValueError(f"no usable image; the first one: {items[0].where}: {items[0].problem}")
    written = [item for item in usable if not item.problem]
    of_train = [item.split == "train" for item in written]
    manifest = output.manifest(
        {args.csv.name: args.csv} if args.csv else {},
        {k: v for k, v in vars(args).items() if k not in ("src", "out", "workers", "csv")},
        task=fakevlm.NAME,
        task_version=fakevlm.VERSION,
        prompt=fakevlm.QUESTION,
        prompt_sha256=sha256_text(fakevlm.QUESTION),
        dataset=dataset,
        media_checked=args.check,
        media_missing=len(folders.missing),
        other_files=dict(others.most_common(20)),
        understood=understood(items),
        images_sha256=sha256_text("\n".join(item.image for item in items)),
        leakage=leakage(written),
        licence=LICENCE,
        image_audit=audit_images([i.path for i in written], [i.label for i in written], of_train, media),
    )
    report(args, manifest)


def understood(items: Iterable[Item]) -> list[dict[str, Any]]:
    """What was taken for what: each place with its label and split, or why it has none, and its number of images."""
    counts = Counter((i.place, i.label, i.split, "" if i.label else i.problem) for i in items if i.place)
    return [
        {"place": place, "label": label, "split": split, "problem": problem, "images": n}
        for (place, label, split, problem), n in sorted(counts.items())
    ]


def leakage(written: list[Item]) -> dict[str, int]:
    videos = {item.video for item in written if item.split == "train" and item.video}
    tested = [item.video for item in written if item.split == "test"]
    return {"test_rows": len(tested), "test_rows_whose_video_is_in_train": sum(video in videos for video in tested)}


def report(args: argparse.Namespace, manifest: dict[str, Any]) -> None:
    """Print what was taken for what, what was written, and what deserves a look."""
    for row in manifest["understood"][:SHOWN]:
        taken = f"{row['label']}, {row['split']}" if row["label"] else f"not used ({row['problem']})"
        print(f"  {row['place']}: {taken}, {row['images']} images")
    if (more := len(manifest["understood"]) - SHOWN) > 0:
        print(f"  and {more} more: see {args.out / 'manifest.json'}")
    report_counts(args, manifest)
    if n := sum(manifest["other_files"].values()):
        print(f"  note: {n} files are no images by their suffix: {', '.join(manifest['other_files'])}")
    if n := manifest["leakage"]["test_rows_whose_video_is_in_train"]:
        print(f"  leakage: {n} test rows have their video in train")
    for line in audit_lines(manifest["image_audit"]):
        print(f"  {line}")


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
    return run(convert, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
