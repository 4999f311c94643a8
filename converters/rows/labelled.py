"""The conversion of videos that people have labelled in an annotation tool, perhaps several people each."""

from __future__ import annotations

import argparse
from abc import abstractmethod
from pathlib import Path
from typing import Any

from converters.conversion.media import MediaFolders
from converters.conversion.output import Output
from converters.conversion.sources import Row, Sourced, unusable
from converters.layouts.annotations import Annotation, Form
from converters.layouts.consensus import Marked, agreed, summary
from converters.rows.annotated import Annotated, add_annotation_options
from swift_plugins.core.commands import whole_number
from swift_plugins.core.label_maps import label_map
from swift_plugins.core.names import few
from swift_plugins.core.printable import say
from swift_plugins.core.tasks.verdicts import VERDICTS


def add_label_options(parser: argparse.ArgumentParser, what: str) -> None:
    """The options of every converter of an annotation tool's export, which is `what`."""
    parser.add_argument("--export", type=Path, help=f"{what} (default the only one in --src)")
    parser.add_argument(
        "--label-map",
        type=label_map,
        default={},
        metavar="KI=fake,echt=real",
        help="what other words of a verdict mean (default only the words real and fake)",
    )
    parser.add_argument(
        "--untraced",
        choices=VERDICTS,
        default="",
        help="what a label says that holds neither a trace nor a verdict (default none: its video is set aside)",
    )
    parser.add_argument(
        "--agree",
        type=whole_number(),
        help="how many people must mark a trace; the earliest onset by which as many had begun counts (default half)",
    )
    add_annotation_options(parser)


class Labelled(Annotated):
    """Videos with the labels of people, which `marked` reads from the export's files."""

    unit = "video"
    hidden = (*Annotated.hidden, "export")
    form = Form("xyxy", "px", "frames")
    medium = "video"
    suffixes: tuple[str, ...]

    @abstractmethod
    def marked(self, path: Path, labels: dict[str, str]) -> list[Sourced[Marked]]:
        """The videos of one of the export's files; `labels` say what words of a verdict mean."""

    def read(self) -> list[Sourced[Annotation]]:
        args = self.args
        if not args.src.is_dir():
            raise ValueError(f"{args.src} is no folder: name the folder that holds the videos with --src")
        files = exports(args.export or args.src, args.export is None, self.suffixes)
        self.sources = {file.name: file for file in files}
        self.said = {"box", "start", "reason"}
        labels = {verdict: verdict for verdict in VERDICTS} | args.label_map
        items: list[Sourced[Annotation]] = []
        for path, item in self.named([one for file in files for one in self.marked(file, labels)]):
            items += [item] if item.reason else agreed(item, path, args.untraced, args.agree)
        for item in items:
            item.split = item.split or (args.split if isinstance(args.split, str) else "")
        self.consensus = summary(items)
        return self.taken(items)

    def named(self, marks: list[Sourced[Marked]]) -> list[tuple[str, Sourced[Any]]]:
        """Each video with the name below --src by which it is there, else its first; all labels of one together."""
        folders = MediaFolders(self.args.src)
        found: dict[tuple[str, str], Sourced[Any]] = {}
        for item in marks:
            if item.reason:
                found["", item.where] = item
                continue
            path = next((name for name in item.row.names if is_there(folders, name)), item.row.names[0])
            earlier = found.setdefault((path, ""), item)
            differs = [key for key in ("width", "height", "fps") if getattr(earlier.row, key) != getattr(item.row, key)]
            if differs:
                reason = f"contradiction: {earlier.where} states another {differs[0]} of this video"
                found["", item.where] = unusable(item.where, path, "", reason)
            elif earlier is not item:
                earlier.row.labels += item.row.labels
        return [(path, item) for (path, _), item in found.items()]

    def trace_row(self, item: Sourced[Annotation]) -> Row:
        row = super().trace_row(item)
        if (spread := item.row.meta["onset_spread"]) is not None:
            row["meta"]["onset_spread"] = round(self.seconds(spread, row["meta"]["fps"]), 6)
        return row

    def facts(self, items: list[Sourced[Annotation]], output: Output, audit: dict[str, Any] | None) -> dict[str, Any]:
        return super().facts(items, output, audit) | {"consensus": self.consensus}

    def report(self, manifest: dict[str, Any]) -> None:
        super().report(manifest)
        told = manifest["consensus"]
        if n := told["videos_of_several_people"]:
            say(
                f"  {n} of {told['videos']} videos have labels of several people: mean IoU of their boxes "
                f"{told['mean_box_iou']}, {told['rows_disagreed_on']} traces or videos disagreed on"
            )


def is_there(folders: MediaFolders, name: str) -> bool:
    try:
        folders.path(name)
    except ValueError:
        return False
    return name not in folders.missing


def exports(place: Path, only: bool, suffixes: tuple[str, ...]) -> list[Path]:
    """The files of an export: a file, or all that lie in a folder; with `only` there must be one."""
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise ValueError(f"{place} is not there: name the export with --export")
    found = sorted(path for path in place.iterdir() if path.suffix.lower() in suffixes and path.is_file())
    if not found or (only and len(found) > 1):
        names = f": there are {few([path.name for path in found])}" if found else f", a {' or '.join(suffixes)} file"
        raise ValueError(f"name the export with --export{names}")
    return found
