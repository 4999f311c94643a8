"""People's own annotations, whatever they keep them in: what is said of an image, or of one trace in a video."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from converters.conversion.sources import Sourced, unusable
from converters.layouts.folder_names import SPLIT_OF
from converters.layouts.tables import label_hint
from swift_plugins.core.boxes import Box
from swift_plugins.core.label_maps import meaning
from swift_plugins.core.tables import Table, in_our_names, text_of, worded

CORNERS = ("x0", "y0", "x1", "y1")
SIZES = ("width", "height", "fps", "duration")
WORDS = ("reason", "source", "category", "group")
COLUMNS = ("path", "label", "box", *CORNERS, "start", "end", "split", *WORDS, *SIZES)
ALIASES = {"image": "path", "video": "path", "bbox": "box", "explanation": "reason"}
BOX_FORMS = ("xyxy", "xywh")
UNITS = {"px": math.inf, "percent": 100.0, "ratio": 1.0, "norm1000": 1000.0}  # and how far a side reaches
TIMES = ("seconds", "mm:ss", "frames")
_OVER = 0.01  # of a side, by which a box may reach over its frame: what rounding makes
_NUMBER = re.compile(r"[-+]?\d{1,15}(?:\.\d{1,20})?(?:[eE][-+]?\d{1,3})?")
_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):([0-5]?\d(?:\.\d{1,9})?)")
_BETWEEN = re.compile(r"[\s,;]+")


class Form(NamedTuple):
    """How boxes and times are written: one of BOX_FORMS, UNITS and TIMES."""

    box: str = "xyxy"
    unit: str = "px"
    time: str = "seconds"


class Annotation(msgspec.Struct):
    """What is said of an image or of a trace; the sizes where the source tells them, px, frames/s and s.

    `box` is xyxy in the unit of the source, `start` and `end` are seconds or frames as it has them. `meta` is what a
    source knows beside that, the same keys in every row of it.
    """

    path: str
    label: str
    box: Box | None = None
    start: float | None = None
    end: float | None = None
    reason: str = ""
    source: str = ""
    category: str = ""
    group: str = ""
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    duration: float | None = None
    meta: dict[str, Any] = {}

    @property
    def trace(self) -> tuple[Any, ...]:
        """What tells it from the others of its file."""
        return self.path, self.label, self.box, self.start, self.end, self.reason


class Reader:
    """Reads a table's rows by its columns, in our names, and its forms; `used` are the labels of a map that stood."""

    def __init__(self, table: Table, names: Mapping[str, str], labels: Mapping[str, str], form: Form, where: str):
        self.table, self.labels, self.form = table, labels, form
        self.columns, self.unused = in_our_names(table.columns, names, COLUMNS, where)
        self.used: set[str] = set()
        if "box" in self.columns and {*CORNERS} & {*self.columns}:
            raise ValueError(f"{where} the box stands in one column or in four, {', '.join(CORNERS)}, not in both")
        if 0 < len(lacking := {*CORNERS} - {*self.columns}) < 4:
            raise ValueError(f"{where} there is no column {' and no column '.join(sorted(lacking))}")
        self.has = {name for name in self.columns if name} | ({"box"} if not lacking else set())

    def read(self, split: str) -> list[Sourced[Annotation]]:
        """Its rows; `split` is that of rows that state none. ValueError where all boxes are plainly of another unit."""
        items = [self._item(where, row, split) for where, row in self.table.rows]
        boxes = [item.row.box for item in items if not item.reason and item.row.box]
        if self.form.unit == "px" and boxes and all(max(box) <= 1 for box in boxes):
            raise ValueError(
                f"{items[0].where}: no box reaches beyond 1: are these shares of the frame? Say --box-unit ratio"
            )
        return items

    def _item(self, where: str, row: Mapping[str, Any] | str, split: str) -> Sourced[Annotation]:
        if isinstance(row, str):
            return unusable(where, None, "", row)
        path = ""
        try:
            columns = zip(self.table.columns, self.columns, strict=True)
            cells = {our: worded(text_of(row.get(name))) for name, our in columns}
            path = cells["path"]
            stated = cells.get("split", "")
            if stated and stated.lower() not in SPLIT_OF:
                raise ValueError(f"split: must be train, val or test, got {stated[:40]!r}")
            return Sourced(where, path, SPLIT_OF.get(stated.lower(), split), self._annotation(cells))
        except ValueError as error:
            return unusable(where, path or None, "", str(error))

    def _annotation(self, cells: Mapping[str, str]) -> Annotation:
        if not cells["path"]:
            raise ValueError("path: the row has none")
        key = meaning(cells["label"], self.labels)
        self.used.add(key)
        if not (label := self.labels.get(key, "")):
            stated = cells["label"]
            raise ValueError(f"label: must be real or fake, got {stated[:40]!r}{label_hint(stated)}")
        sizes = {name: _positive(name, cells.get(name, "")) for name in SIZES}
        return Annotation(
            cells["path"],
            label,
            read_box(cells.get("box") or " ".join(cells.get(name, "") for name in CORNERS), self.form),
            read_time("start", cells.get("start", ""), self.form.time),
            read_time("end", cells.get("end", ""), self.form.time),
            cells.get("reason", ""),
            cells.get("source", ""),
            cells.get("category", ""),
            cells.get("group", ""),
            width=int(sizes["width"]) if sizes["width"] else None,
            height=int(sizes["height"]) if sizes["height"] else None,
            fps=sizes["fps"],
            duration=sizes["duration"],
        )


def _number(name: str, text: str) -> float:
    if not _NUMBER.fullmatch(text):
        hint = "; write 1.5, not 1,5" if _NUMBER.fullmatch(text.replace(",", ".")) else ""
        raise ValueError(f"{name}: {text[:40]!r} is no number{hint}")
    return float(text)


def _positive(name: str, text: str) -> float | None:
    if not text:
        return None
    if (number := _number(name, text)) <= 0 or not math.isfinite(number):
        raise ValueError(f"{name}: must be above 0, got {text[:40]!r}")
    return number


def read_box(text: str, form: Form) -> Box | None:
    """A box as xyxy in its own unit, None where there is none; ValueError for one that contradicts the form."""
    if not (text := text.strip()):
        return None
    parts = [part for part in _BETWEEN.split(text.strip("[](){} ")) if part]
    if len(parts) != 4:
        raise ValueError(f"box: must be four numbers, got {text[:60]!r}")
    x0, y0, x1, y1 = (_number("box", part) for part in parts)
    if form.box == "xywh":
        if x1 <= 0 or y1 <= 0:
            raise ValueError(f"box: width and height must be above 0, got {text[:60]!r}; --box-form xyxy reads corners")
        x1, y1 = x0 + x1, y0 + y1
    elif x1 <= x0 or y1 <= y0:
        raise ValueError(f"box: x1 and y1 must be beyond x0 and y0, got {text[:60]!r}; --box-form xywh reads sizes")
    limit = UNITS[form.unit]
    if min(x0, y0) < -_OVER * limit or max(x1, y1) > limit * (1 + _OVER):
        other = "; --box-unit px reads pixels" if max(x1, y1) > limit else ""
        raise ValueError(f"box: {text[:60]!r} leaves 0..{limit:g}, all that {form.unit} goes to{other}")
    return x0, y0, x1, y1


def read_time(name: str, text: str, form: str) -> float | None:
    """A time in seconds, or as the number of a frame; None where there is none."""
    if not text:
        return None
    if form == "mm:ss":
        if not (clock := _CLOCK.fullmatch(text)):
            hint = "; a spreadsheet may keep times as shares of a day: make the cells text" if "." in text else ""
            raise ValueError(f"{name}: {text[:40]!r} is not mm:ss{hint}")
        return 3600.0 * int(clock[1] or 0) + 60.0 * int(clock[2]) + float(clock[3])
    if _CLOCK.fullmatch(text):
        raise ValueError(f"{name}: {text[:40]!r} is no number of {form}; --time-form mm:ss reads it")
    number = _number(name, text)
    if number < 0 or not math.isfinite(number) or (form == "frames" and not number.is_integer()):
        raise ValueError(f"{name}: {text[:40]!r} is no {'number of a frame' if form == 'frames' else 'time'}")
    return number


def in_pixels(box: Box, unit: str, width: int, height: int) -> Box:
    """A box in px; ValueError for one that goes over its frame by more than rounding does."""
    limit = UNITS[unit]
    sx, sy = (1.0, 1.0) if unit == "px" else (width / limit, height / limit)
    x0, y0, x1, y1 = (round(side * scale, 6) for side, scale in zip(box, (sx, sy, sx, sy), strict=True))
    dx, dy = _OVER * width, _OVER * height
    if x0 < -dx or y0 < -dy or x1 > width + dx or y1 > height + dy:
        raise ValueError(f"box: {[round(n, 2) for n in (x0, y0, x1, y1)]} px go over the frame, {width}x{height}")
    return max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))


def leakage(items: Iterable[Sourced[Annotation]], alike: Mapping[str, str]) -> dict[str, int]:
    """How many test rows have their file, by its bytes, or their group in train; `alike` as Conversion has it."""
    rows = [*items]
    trained = [item for item in rows if item.split == "train"]
    tested = [item for item in rows if item.split == "test"]
    files = {alike.get(item.path, item.path) for item in trained}
    groups = {item.row.group for item in trained} - {""}
    return {
        "test_rows": len(tested),
        "test_rows_whose_file_is_in_train": sum(alike.get(item.path, item.path) in files for item in tested),
        "test_rows_whose_group_is_in_train": sum(item.row.group in groups for item in tested),
    }


def one_split(items: Sequence[Sourced[Annotation]], medium: str) -> None:
    """Give a reason to a row that states another split than an earlier one of its file."""
    first: dict[str, str] = {}
    for item in items:
        if not item.reason and first.setdefault(item.path, item.split) != item.split:
            item.reason = f"contradiction: an earlier row has this {medium} in {first[item.path]}, this in {item.split}"
