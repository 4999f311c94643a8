"""A table of images: a CSV file with a line for each, and what it says of it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from converters.conversion.sources import Sourced, read_text
from converters.layouts.folder_names import SPLIT_OF
from converters.layouts.folders import Item
from swift_plugins.core.label_maps import meaning, spelled
from swift_plugins.core.tables import in_our_names, worded

COLUMNS = ("path", "label", "split", "category", "source", "manipulation", "video", "explanation")
_REST = "values without a column"


class Table:
    """A table's file, the columns that it has, by our names, and those that are `unused`.

    `names` are theirs -> ours, as the user tells them; without any a column that is none of ours is refused.
    """

    def __init__(self, file: Path, labels: Mapping[str, str], names: Mapping[str, str]):
        self.file, self.labels, self.names = file, labels, names
        self.unused: list[str] = []
        self.used: set[str] = set()  # of the labels

    def read(self, dataset: str, split: str) -> Iterator[Sourced[Item]]:
        """Its rows; ValueError where it is no CSV file or has wrong columns.

        Where a row says no source and no split they are `dataset` and `split`.
        """
        try:
            text = read_text(self.file).decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"{self.file}: not a CSV file: {error}") from None
        with io.StringIO(text, newline="") as lines:
            reader = csv.DictReader(lines, restkey=_REST, strict=True)
            try:
                reader.fieldnames = self._columns([*(reader.fieldnames or ())])
                for row in reader:
                    yield self._row(f"{self.file.name}:{reader.line_num}", row, dataset, split)
            except csv.Error as error:
                raise ValueError(f"{self.file}:{reader.line_num + 1}: not a CSV file: {error}") from None

    def _columns(self, columns: list[str]) -> list[str]:
        """The header in our names; what is not used keeps a name that is none of ours."""
        where = f"{self.file}:1:"
        if len(columns) == 1 and (mark := re.search(r"[;\t|]", columns[0])):
            raise ValueError(f"{where} the values must be separated by commas, here {mark.group()!r} stands")
        if len({*columns}) < len(columns):
            raise ValueError(f"{where} a column is there twice: {', '.join(columns)[:160]}")
        ours, self.unused = in_our_names(columns, self.names, COLUMNS, where, "image")
        return [our or f"not used: {name}" for name, our in zip(columns, ours, strict=True)]

    def _row(self, where: str, row: dict[str, Any], dataset: str, split: str) -> Sourced[Item]:
        if _REST in row or None in row.values():
            image = row["path"] or ""
            return Sourced(where, image, "", Item(image), "columns: the row has more or fewer values than the header")
        path, label = (row[name].strip() for name in COLUMNS[:2])
        stated, category, source, *others = (worded(row.get(name)) for name in COLUMNS[2:])
        key = meaning(label, self.labels)
        of = Item(path, self.labels.get(key, ""), category, source or dataset, *others)
        of.place = f"{self.file.name}, label {label[:40]}"
        item = Sourced(where, path, SPLIT_OF.get(stated.lower(), stated) or split, of)
        self.used.add(key)
        if not of.label:
            item.reason = f"label: must be real or fake, got {label[:40]!r}{label_hint(label)}"
        elif stated and stated.lower() not in SPLIT_OF:
            item.reason = f"split: must be train, val or test, got {stated[:40]!r}"
        return item


def label_hint(label: str) -> str:
    """How to say what a label means."""
    if spelled(label) in ("0", "1"):
        return "; say what it means, such as --label-map 0=fake,1=real"
    return f"; if it means fake, say --label-map {label[:40]}=fake" if worded(label) and "," not in label else ""
