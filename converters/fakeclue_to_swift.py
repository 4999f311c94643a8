"""Convert FakeClue to ms-swift JSONL: one row per image, its question and its answer kept to the letter.

    python converters/fakeclue_to_swift.py --src FakeClue --out data/fakeclue

--src holds data_json/train.json and data_json/test.json, or one of them, and the images of train.zip and test.zip,
unpacked in that folder; where their paths begin (train/, test/test/, ...) is found out by itself. Writes train.jsonl,
test.jsonl, rejects.jsonl and manifest.json to --out. The frames of one FaceForensics++ video share their media_id.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import msgspec

from converters.conversion.audit import audit_images, audit_lines
from converters.conversion.command import argument_parser, report_counts
from converters.conversion.media import MediaFolders, check_files, image_size
from converters.conversion.output import Output
from converters.conversion.sources import read_list
from converters.layouts.fakeclue import (
    CATEGORIES,
    LABELS,
    LICENCE,
    Raw,
    find_files,
    find_images,
    origin_of,
    people_in,
    published_counts,
)
from converters.rows.fakevlm import fakevlm_row
from swift_plugins.core.commands import run
from swift_plugins.core.media import Media
from swift_plugins.core.records import sha256_text
from swift_plugins.core.tasks import fakevlm


class Located(msgspec.Struct, gc=False):
    """A source row, or why there is none, and the absolute path of its image."""

    split: str
    place: int  # in its file's list
    raw: Raw | str
    path: str


# ------------------------------------------------------------------------------------------------------------- the rows


def make_row(at: Located, media: dict[str, Media | str]) -> dict[str, Any]:
    """One training row; ValueError says why a raw row cannot become one."""
    split, raw, path = at.split, at.raw, at.path
    if isinstance(raw, str):
        raise ValueError(raw)
    if (label := LABELS.get(raw.label)) is None:
        raise ValueError(f"label: must be 0 (fake) or 1 (real), got {raw.label}")
    image_size(media.get(path), raw.image)  # refuses what is no image
    question, answer = raw.conversations
    if (question.sender, answer.sender) != ("human", "gpt"):
        raise ValueError(f"conversations: must be human, then gpt, got {question.sender!r:.40}, {answer.sender!r:.40}")
    origin = origin_of(raw.image.rpartition("/")[0], label)
    tag = "" if "<image>" in question.value else "<image>"
    return fakevlm_row(
        f"{split}/{at.place}",
        tag + question.value,
        answer.value,
        path,
        {
            "media_id": origin.video or raw.image.removeprefix("./"),
            "image": raw.image,
            "split": split,
            "source": origin.source,
            "label": label,
            "dataset": "fakeclue",
            "category": raw.cate,
            "manipulation": origin.manipulation,
            "video": origin.video,
            "width": raw.width,
            "height": raw.height,
        },
    )


# ---------------------------------------------------------------------------------------------------------- what is odd


def leakage(rows: list[dict[str, Any]]) -> dict[str, int]:
    """How many test rows have their image, their FF++ video or a person of it in train; `rows` are meta."""
    train = [meta for meta in rows if meta["split"] == "train"]
    tested = [meta for meta in rows if meta["split"] == "test"]
    images, videos = ({meta[key] for meta in train} for key in ("image", "video"))
    people = {person for video in videos for person in people_in(video)}
    of_video = [meta["video"] for meta in tested if meta["video"]]
    return {
        "test_rows": len(tested),
        "test_rows_whose_image_is_in_train": sum(meta["image"] in images for meta in tested),
        "test_rows_of_a_video": len(of_video),
        "test_rows_whose_video_is_in_train": sum(video in videos for video in of_video),
        "test_rows_with_a_person_in_train": sum(not people.isdisjoint(people_in(video)) for video in of_video),
    }


def audit(written: list[tuple[str, dict[str, Any]]], media: dict[str, Media | str]) -> dict[str, Any]:
    images = dict(reversed(written))  # path -> meta; an image that is in both splits counts for its first
    metas = images.values()
    labels, train = [meta["label"] for meta in metas], [meta["split"] == "train" for meta in metas]
    return audit_images(list(images), labels, train, media, [size_of(meta) for meta in metas])


def size_of(meta: dict[str, Any]) -> tuple[int, int] | None:
    """The annotated width and height in px."""
    return (meta["width"], meta["height"]) if meta["width"] and meta["height"] else None


# ------------------------------------------------------------------------------------------------------ the conversion


def locate(folders: MediaFolders, split: str, rows: dict[int, Raw | str]) -> list[Located]:
    located = []
    for index, raw in rows.items():
        try:
            path = folders.path(raw.image) if isinstance(raw, Raw) else ""
        except ValueError as error:
            raw, path = f"image: {error}", ""
        located.append(Located(split, index, raw, path))
    return located


def write_rows(output: Output, located: list[Located], files: dict[str, Path], media: dict[str, Media | str]) -> tuple:
    """Write or reject each row: (path and meta of each that was written, rows by question, the first fault)."""
    written: list[tuple[str, dict[str, Any]]] = []
    questions, labels, first = Counter[str](), dict[str, str](), None
    for at in located:
        try:
            row = make_row(at, media)
            meta = row["meta"]
            if labels.setdefault(at.path, meta["label"]) != meta["label"]:
                raise ValueError(f"contradiction: an earlier row says {labels[at.path]} of this image")
            output.row(at.split, row)
        except ValueError as error:
            where = f"{files[at.split].name}[{at.place}]"
            first = first or f"{where}: {error}"
            output.reject(where, f"{at.split}/{at.place}", str(error))
            continue
        written.append((at.path, meta))
        questions[row["messages"][0]["content"]] += 1
    return written, questions, first


def convert(args: argparse.Namespace) -> None:
    files = find_files(args.src)
    located: list[Located] = []
    folders: dict[str, MediaFolders] = {}
    roots: dict[str, str | None] = {}
    counts: dict[str, dict[str, Any]] = {}
    for split, file in files.items():
        rows = read_list(file, Raw, args.limit)
        folders[split], there = find_images(args.src, split, [r.image for r in rows.values() if isinstance(r, Raw)])
        roots[split] = folders[split].root if there else None
        counts |= {} if args.limit else published_counts(split, rows.values())
        located += locate(folders[split], split, rows)
    media: dict[str, Media | str] = {}
    if args.check != "none":
        media = check_files(sorted({at.path for at in located if at.path}), args.check, args.workers)
    output = Output(args.out, tuple(files))
    with output.open():
        written, questions, first = write_rows(output, located, files, media)
        if not written:
            unpack = "" if any(roots.values()) else ". Unpack the images in --src, or convert with --check none"
            raise ValueError(f"no usable row; the first one: {first}{unpack}")
    metas = [meta for _, meta in written]
    unknown = Counter(meta["category"] for meta in metas if meta["category"] not in CATEGORIES)
    manifest = output.manifest(
        {f"data_json/{split}.json": file for split, file in files.items()},
        {k: v for k, v in vars(args).items() if k not in ("src", "out", "workers")},
        task=fakevlm.NAME,
        task_version=fakevlm.VERSION,
        media_checked=args.check,
        image_folders=roots,
        media_missing=sum(len(folders[split].missing) for split in files),
        prompt=next(iter(questions)) if len(questions) == 1 else None,
        prompts=dict(questions.most_common(20)),
        prompt_sha256=sha256_text("\n".join(sorted(questions))),
        images=len({path for path, _ in written}),
        sizes_that_differ_from_the_file=sum(differs(media.get(path), meta) for path, meta in written),
        unknown_categories=dict(unknown.most_common(20)),
        leakage=leakage(metas),
        image_audit=audit(written, media),
        published_counts=counts,
        licence=LICENCE,
    )
    report(args, manifest)


def differs(found: Media | str | None, meta: dict[str, Any]) -> bool:
    """Whether the file has another size than the annotation, which nothing depends on."""
    return isinstance(found, Media) and size_of(meta) not in (None, (found.width, found.height))


def report(args: argparse.Namespace, manifest: dict[str, Any]) -> None:
    """Print what was written, and what deserves a look."""
    report_counts(args, manifest)
    for split, root in manifest["image_folders"].items():
        print(f"  images of {split}: {root or f'not found; unpack them: cd {args.src} && unzip -q {split}.zip'}")
    if n := manifest["sizes_that_differ_from_the_file"]:
        print(f"  note: {n} images have another size than annotated")
    for name, n in manifest["unknown_categories"].items():
        print(f"  note: {n} rows are of the unknown category {name[:40]!r}")
    leaked = manifest["leakage"]
    for what in ("image", "video"):
        if n := leaked[f"test_rows_whose_{what}_is_in_train"]:
            print(f"  leakage: {n} test rows have their {what} in train")
    if n := leaked["test_rows_with_a_person_in_train"]:
        print(f"  leakage: {n} of {leaked['test_rows_of_a_video']} test rows of FF++ show a person who is in train")
    for line in audit_lines(manifest["image_audit"]):
        print(f"  {line}")
    for name, count in manifest["published_counts"].items():
        if not count["ok"]:
            print(f"  count differs: {name} is {count['found']}, published {count['published']}")


def main(argv: list[str] | None = None) -> int:
    return run(convert, argument_parser(__doc__, "data/FakeClue", "data/fakeclue", check="header").parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
