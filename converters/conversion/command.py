"""What every converter is: its command line, and the one story of a conversion."""

from __future__ import annotations

import argparse
import os
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from converters.conversion.audit import Pictured, audit_images
from converters.conversion.contents import twins
from converters.conversion.media import check_files, notes_on
from converters.conversion.output import Output
from converters.conversion.reporting import report_called_both, report_notes
from converters.conversion.sources import Row, Sourced, made, usable
from converters.conversion.splitting import leave_out
from swift_plugins.core import next_steps
from swift_plugins.core.commands import whole_number
from swift_plugins.core.locks import held
from swift_plugins.core.media import LEVELS, Media
from swift_plugins.core.tasks.verdicts import FOLD

T = TypeVar("T")


def argument_parser(doc: str, src: str, out: str, check: str = "none") -> argparse.ArgumentParser:
    """The options that all converters have; each adds its own."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--src", type=Path, default=Path(src), help=f"folder of the raw dataset (default {src})")
    parser.add_argument("--out", type=Path, default=Path(out), help=f"folder to write (default {out})")
    parser.add_argument(
        "--limit",
        type=whole_number(),
        help="convert only this many rows of each source file, from all over it (default all)",
    )
    parser.add_argument(
        "--check",
        choices=LEVELS,
        default=check,
        help="look at the media: none, they may be absent; header: each file opens; decode: its first, "
        "middle and last frame decode too, a video's also by the reader of training and prediction, "
        f"FORCE_QWENVL_VIDEO_READER or else decord (default {check})",
    )
    parser.add_argument(
        "--workers", type=whole_number(), default=os.cpu_count() or 1, help="processes for --check (default all)"
    )
    return parser


def add_leave_out(parser: argparse.ArgumentParser) -> None:
    """The option of converters whose rows name what made them (`Conversion.generator`)."""
    parser.add_argument(
        "--leave-out",
        metavar="GENERATOR",
        help="put all fakes of this one into test, and so none into train and val, to see how what is trained on the "
        "others does on it; the reals and the other fakes stay where they are (default none)",
    )


class Conversion(ABC, Generic[T]):
    """A conversion, of which a converter gives the parts that are its own; `convert` tells the whole.

    `read` sets `splits`, the files to write, and `sources`, those of the source by the names that the manifest records.
    `media` is what --check found of each file, empty without it; `alike` tells of each
    with the bytes of others the first of those. ValueError in `read` and `locate` ends the conversion, in `row` it is
    why there is no row.
    """

    unit = "row"  # what the source holds, where none of it is usable
    hidden: tuple[str, ...] = ("src", "out", "workers")  # options that change nothing in the rows
    splits: Sequence[str]
    sources: Mapping[str, Path]

    def __init__(self, args: argparse.Namespace):
        self.args = args
        self.media: dict[str, Media | str] = {}
        self.alike: dict[str, str] = {}
        self.called: dict[str, str] = {}  # what each medium is, by its first row

    @classmethod
    def convert(cls, args: argparse.Namespace) -> None:
        """Read, locate, check, write, audit, put the manifest beside the files, report."""
        self = cls(args)
        items = self.read()
        with held(args.out):
            items = self.locate(items)
            if (name := getattr(args, "leave_out", None)) is not None:
                leave_out(usable(items), self.generator, name)
                self.splits = [*self.splits, *({"test"} - {*self.splits})]
            self.media = check_files(sorted(self.paths(items)), args.check, args.workers)
            self.alike = twins(path for path, found in self.media.items() if isinstance(found, Media))
            output = Output(args.out, self.splits)
            with output.open():
                output.write(made(items, self.agreed), self.unit, self.hint())
            images = self.images(items)
            audit = None if images is None else audit_images(images, self.media)
            sections = self.facts(items, output, audit) | {
                "called_both": self.called_both(),
                "media_notes": notes_on(self.media),
            }
            manifest = output.manifest(self.sources, self.options(), **sections)
        self.report(manifest)
        report_called_both(manifest)
        report_notes(manifest["media_notes"])
        next_steps.say(next_steps.after_conversion(args.out, manifest["counts"]))

    @abstractmethod
    def read(self) -> list[Sourced[T]]:
        """The rows of the source, those of --limit, in the order in which they are written."""

    def locate(self, items: list[Sourced[T]]) -> list[Sourced[T]]:
        """The items with the path of each one's medium, or why it cannot be used."""
        return items

    def generator(self, item: Sourced[T]) -> str | None:
        """What made the medium of an item that has a row of the source, None for a real one or where it is not told."""
        return None

    def paths(self, items: list[Sourced[T]]) -> Collection[str]:
        """The absolute paths of the files that --check looks at."""
        return {item.path for item in items if item.path}

    @abstractmethod
    def row(self, item: Sourced[T]) -> Row:
        """The training row of an item that has a row of the source."""

    def agreed(self, item: Sourced[T]) -> Row:
        """The training row; ValueError also where an earlier one calls the same file otherwise, real or fake."""
        row = self.row(item)
        media = [*row.get("images", ()), *row.get("videos", ())]
        if len(media) == 1:
            label, medium = FOLD[row["meta"]["label"]], "image" if "images" in row else "video"
            if (earlier := self.called.setdefault(media[0], label)) != label:
                raise ValueError(f"contradiction: an earlier row says {earlier} of this {medium}")
        self.wrote(item, row)
        return row

    def called_both(self) -> dict[str, Any]:
        """How many contents of several files, as far as --check looks at them, are called real and fake; the first."""
        found: dict[str, dict[str, str]] = {}
        for path, label in self.called.items():
            found.setdefault(self.alike.get(path, path), {}).setdefault(label, path)
        both = [paths for paths in found.values() if len(paths) > 1]
        root = os.path.realpath(self.args.src)
        such = {label: os.path.relpath(path, root) for label, path in sorted(both[0].items())} if both else {}
        return {"contents": len(both), "such_as": such}

    def wrote(self, item: Sourced[T], row: Row) -> None:
        """Take note of a row that is written."""

    def hint(self) -> str:
        """What to do where no row is usable."""
        return ""

    def images(self, items: list[Sourced[T]]) -> Mapping[str, Pictured] | None:
        """What is audited for what the files alone tell, by absolute path; None where there is no image."""
        return None

    def options(self) -> dict[str, Any]:
        """The options as the manifest records them."""
        return {name: value for name, value in vars(self.args).items() if name not in self.hidden}

    @abstractmethod
    def facts(self, items: list[Sourced[T]], output: Output, audit: dict[str, Any] | None) -> dict[str, Any]:
        """The dataset's own sections of the manifest."""

    @abstractmethod
    def report(self, manifest: dict[str, Any]) -> None:
        """Print what was written, and what deserves a look."""
