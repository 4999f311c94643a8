"""Tables as people keep them - CSV, TSV, JSON, JSONL, Parquet, XLSX - read as rows of named values."""

from __future__ import annotations

import argparse
import codecs
import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from swift_plugins.core.names import unknown
from swift_plugins.core.records import Row, decode_json, encode, scan_rows
from swift_plugins.core.workbooks import read_sheet

DELIMITERS = ",;\t|"
MAX_BYTES = 2 << 30
_INDEX = re.compile(r"(?:Unnamed: \d{1,4})?")  # as pandas writes and reads a table's index
_NOTHING = {"", "nan", "none", "null", "nil", "n/a", "na", "<na>", "#n/a", "nat", "undefined", "-", "--", "?"}
_UNEVEN = "columns: the row has more or fewer values than the header"


class Table(NamedTuple):
    """A table's columns, in their order, its rows, each with its place in the file, and how it was read.

    A row that cannot be read is the reason why.
    """

    columns: list[str]
    rows: list[tuple[str, Row | str]]
    form: str


def read_text(path: Path) -> bytes:
    """A file's text in UTF-8 without a byte order mark; one of UTF-16 says that it is on disk."""
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return content.decode("utf-16").encode()
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: its byte order mark says UTF-16, but {error}") from None
    return content.removeprefix(codecs.BOM_UTF8)


def read_table(path: Path) -> Table:
    """The table in a file, by the suffix of its name; ValueError for a file that is no such table."""
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise ValueError(f"{path}: a table's name must end in {', '.join(READERS)}")
    if not path.is_file():
        raise ValueError(f"{path} is not there, or no file")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path}: more than {MAX_BYTES >> 30} GB")
    return READERS[suffix](path)


def worded(text: str | None) -> str:
    """A text that may be missing, without the space around it; "" where there is none, however that is written."""
    text = (text or "").strip()
    return "" if text.lower().rstrip(".") in _NOTHING else text


def text_of(value: Any) -> str:
    """A cell as text: "" for none and NaN, 1 for 1.0, JSON for lists and objects; ValueError where one is no text."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return encode(value).decode() if isinstance(value, list | dict) else str(value)


def _check_columns(path: Path, columns: list[str]) -> list[str]:
    if twice := [name for i, name in enumerate(columns) if name and name in columns[:i]]:
        raise ValueError(f"{path}: the column {twice[0][:60]!r} is there twice")
    return columns


def _read_csv(path: Path) -> Table:
    content = read_text(path)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        hint = f"iconv -f WINDOWS-1252 -t UTF-8 {path} > utf8{path.suffix}, or whatever it is in"
        raise ValueError(f"{path}:{line}: not in UTF-8: {hint}") from None
    head = text.partition("\n")[0]
    mark = "\t" if path.suffix.lower() in (".tsv", ".tab") else max(DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    rows: list[tuple[str, Row | str]] = []
    try:
        columns = _check_columns(path, [name.strip() for name in next(reader, [])])
        for cells in reader:
            if cells:
                where = f"{path.name}:{reader.line_num}"
                rows.append((where, dict(zip(columns, cells, strict=True)) if len(cells) == len(columns) else _UNEVEN))
    except csv.Error as error:
        raise ValueError(f"{path}:{reader.line_num}: not a table of values: {error}") from None
    return Table(columns, rows, f"{mark!r} between the values")


def _read_xlsx(path: Path) -> Table:
    sheets, found = read_sheet(path)
    if not found:
        raise ValueError(f"{path}: the sheet {sheets[0][:60]!r} is empty")
    columns = _check_columns(path, [name.strip() for name in found[0][1]])
    rows: list[tuple[str, Row | str]] = []
    for number, cells in found[1:]:
        row = dict(zip(columns, [*cells, *[""] * (len(columns) - len(cells))], strict=False))
        rows.append((f"{path.name}:{number}", _UNEVEN if any(cells[len(columns) :]) else row))
    rest = f", not read: {len(sheets) - 1} more" if len(sheets) > 1 else ""
    return Table(columns, rows, f"the sheet {sheets[0][:60]!r}{rest}")


def _read_parquet(path: Path) -> Table:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise ValueError(f"{path}: reading Parquet needs pyarrow: pip install pyarrow, or save it as CSV") from None
    try:
        found = parquet.read_table(path)
        rows = found.to_pylist()
    except (ArrowException, OSError, ValueError) as error:
        raise ValueError(f"{path}: not a Parquet table: {error}") from None
    return Table([*found.column_names], [(f"{path.name}[{i}]", row) for i, row in enumerate(rows)], "Parquet")


def _read_json(path: Path) -> Table:
    try:
        found = decode_json(read_text(path))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from None
    if isinstance(found, dict) and len(lists := [value for value in found.values() if isinstance(value, list)]) == 1:
        found = lists[0]
    if not isinstance(found, list):
        raise ValueError(f"{path}: expected a list of rows, got {type(found).__name__}")
    wrong = "row: expected an object with a value for each column"
    return _named(
        "JSON", [(f"{path.name}[{i}]", row if isinstance(row, dict) else wrong) for i, row in enumerate(found)]
    )


def _read_jsonl(path: Path) -> Table:
    lines = [(f"{path.name}:{line}", row if isinstance(row, dict) else f"row: {row}") for line, row in scan_rows(path)]
    return _named("JSONL", lines)


def _named(form: str, rows: list[tuple[str, Row | str]]) -> Table:
    """A table whose rows name their columns themselves."""
    columns = dict.fromkeys(key for _, row in rows if isinstance(row, dict) for key in row)
    return Table([*columns], rows, form)


READERS: Mapping[str, Callable[[Path], Table]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".tab": _read_csv,
    ".json": _read_json,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".parquet": _read_parquet,
    ".xlsx": _read_xlsx,
}


def tables_in(folder: Path) -> Iterator[Path]:
    """The tables that lie right in a folder."""
    return (path for path in sorted(folder.iterdir()) if path.suffix.lower() in READERS and path.is_file())


# ----------------------------------------------------------------------------------------------------------- columns


def column_map(text: str, columns: Sequence[str], aliases: Mapping[str, str]) -> dict[str, str]:
    """A type for argparse: image=filename,label=typ to theirs -> ours; `aliases` are other names for some of ours."""
    pairs = [[name.strip() for name in pair.split("=", 1)] for pair in text.split(",")]
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise argparse.ArgumentTypeError(f"must be like image=filename,label=typ, got {text!r}")
    found = {theirs: aliases.get(ours, ours) for ours, theirs in pairs}
    if wrong := [ours for ours in found.values() if ours not in columns]:
        raise argparse.ArgumentTypeError(unknown("column", wrong[0], (*aliases, *columns)))
    if len({*found}) < len(pairs) or len({*found.values()}) < len(pairs):
        raise argparse.ArgumentTypeError(f"names a column twice, got {text!r}")
    return found


def in_our_names(
    columns: Sequence[str], names: Mapping[str, str], known: Sequence[str], where: str, path: str = "path"
) -> tuple[list[str], list[str]]:
    """(a header in our names, "" for what is not used; what is not used).

    `names` are theirs -> ours, as the user tells them; without any a column that is none of ours is refused, as is a
    table without the first two of those that are `known`, a path, which the user may know as `path`, and a label.
    """
    if gone := [name for name in names if name not in columns]:
        raise ValueError(f"{where} {unknown('column', gone[0], columns)}")
    taken = {*names.values()}
    ours = [names.get(name, name if name in {*known} - taken else "") for name in columns]
    unused = [name for name, our in zip(columns, ours, strict=True) if not our and not _INDEX.fullmatch(name)]
    if unused and not names:
        hint = f"; or say which hold what, such as --columns {path}={unused[0]}"
        raise ValueError(f"{where} {unknown('column', unused[0], known)}{hint}")
    if missing := [name for name in known[:2] if name not in ours]:
        raise ValueError(
            f"{where} there is no column {' and no column '.join(missing)}"
            f"; of others say --columns {path}=…,{known[1]}=…: {', '.join(columns)[:160]}"
        )
    return ours, unused
