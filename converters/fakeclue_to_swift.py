"""Convert FakeClue to ms-swift JSONL: one row per image, its question and its answer kept to the letter.

    python converters/fakeclue_to_swift.py --src FakeClue --out data/fakeclue

--src holds data_json/train.json and data_json/test.json, or one of them, and the images of train.zip and test.zip,
unpacked in that folder; where their paths begin (train/, test/test/, ...) is found out by itself. Writes train.jsonl,
test.jsonl, rejects.jsonl and manifest.json to --out. The frames of one FaceForensics++ video share their media_id.
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
from converters.conversion.reporting import (
    report_audit,
    report_counts,
    report_differences,
    report_leakage,
    report_missing,
)
from converters.conversion.sources import Row, Sourced, read_list, usable
from converters.layouts import fakeclue
from converters.layouts.fakeclue import Raw
from converters.rows.fakeclue import make_row
from swift_plugins.core.commands import run
from swift_plugins.core.media import Media
from swift_plugins.core.printable import say
from swift_plugins.core.records import sha256_text
from swift_plugins.core.tasks import fakevlm


class FakeClue(Conversion[Raw]):
    """Images with what FakeClue asks and answers about them."""

    def read(self) -> list[Sourced[Raw]]:
        files = fakeclue.find_files(self.args.src)
        self.splits, self.sources = tuple(files), {f"data_json/{split}.json": file for split, file in files.items()}
        self.folders: dict[str, MediaFolders] = {}
        self.roots: dict[str, str | None] = {}  # split -> the folder that its images were found in
        self.published: dict[str, dict[str, Any]] = {}
        self.written: list[tuple[str, dict[str, Any]]] = []  # (path, meta)
        self.questions: Counter[str] = Counter()
        items: list[Sourced[Raw]] = []
        for split, file in files.items():
            rows = read_list(file, Raw, split, self.args.limit)
            images = [item.row.image for item in usable(rows)]
            self.folders[split], there = fakeclue.find_images(self.args.src, split, images)
            self.roots[split] = self.folders[split].root if there else None
            self.published |= {} if self.args.limit else fakeclue.published_counts(split, rows)
            items += rows
        return items

    def locate(self, items: list[Sourced[Raw]]) -> list[Sourced[Raw]]:
        return locate(items, lambda item: self.folders[item.split].path(item.row.image))

    def row(self, item: Sourced[Raw]) -> Row:
        return make_row(item, self.media)

    def wrote(self, item: Sourced[Raw], row: Row) -> None:
        self.written.append((item.path, row["meta"]))
        self.questions[row["messages"][0]["content"]] += 1

    def hint(self) -> str:
        if any(self.roots.values()) or not any(folders.missing for folders in self.folders.values()):
            return ""
        return ". Unpack the images in --src, or convert with --check none"

    def images(self, items: list[Sourced[Raw]]) -> dict[str, Pictured]:
        """An image that is in both splits counts for its first."""
        images = reversed(self.written)
        return {path: Pictured(meta["label"], meta["split"] == "train", size_of(meta)) for path, meta in images}

    def facts(self, items: list[Sourced[Raw]], output: Output, audit: dict[str, Any] | None) -> dict[str, Any]:
        questions, metas = self.questions, [meta for _, meta in self.written]
        return {
            "task": fakevlm.NAME,
            "task_version": fakevlm.VERSION,
            "media_checked": self.args.check,
            "image_folders": self.roots,
            "media_missing": sum(len(folders.missing) for folders in self.folders.values()),
            "prompt": next(iter(questions)) if len(questions) == 1 else None,
            "prompts": dict(questions.most_common(20)),
            "prompt_sha256": sha256_text("\n".join(sorted(questions))),
            "images": len({path for path, _ in self.written}),
            "sizes_that_differ_from_the_file": sum(differs(self.media.get(path), meta) for path, meta in self.written),
            "unknown_categories": fakeclue.unknown_categories(meta["category"] for meta in metas),
            "leakage": fakeclue.leakage(metas),
            "image_audit": audit,
            "published_counts": self.published,
            "licence": fakeclue.LICENCE,
        }

    def report(self, manifest: dict[str, Any]) -> None:
        report_counts(self.args, manifest)
        report_missing(manifest)
        for split, root in manifest["image_folders"].items():
            cure = f"not found; unpack them: cd {self.args.src} && unzip -q {split}.zip"
            say(f"  images of {split}: {root or cure}")
        if n := manifest["sizes_that_differ_from_the_file"]:
            say(f"  note: {n} images have another size than annotated")
        for name, n in manifest["unknown_categories"].items():
            say(f"  note: {n} rows are of the unknown category {name[:40]!r}")
        leaked = manifest["leakage"]
        report_leakage(leaked, "image", "video")
        if n := leaked["test_rows_with_a_person_in_train"]:
            of = leaked["test_rows_of_a_video"]
            say(f"  leakage: {n} of {of} test rows of FF++ show a person who is in train")
        report_audit(manifest["image_audit"])
        report_differences(manifest["published_counts"])


def size_of(meta: dict[str, Any]) -> tuple[int, int] | None:
    """The annotated width and height in px."""
    return (meta["width"], meta["height"]) if meta["width"] and meta["height"] else None


def differs(found: Media | str | None, meta: dict[str, Any]) -> bool:
    """Whether the file has another size than the annotation, which nothing depends on."""
    return isinstance(found, Media) and size_of(meta) not in (None, (found.width, found.height))


def main(argv: list[str] | None = None) -> int:
    parser = argument_parser(__doc__, "data/FakeClue", "data/fakeclue", check="header")
    return run(FakeClue.convert, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
