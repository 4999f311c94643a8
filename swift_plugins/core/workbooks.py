"""XLSX workbooks: the texts and numbers of a sheet, read without trusting the file, and written.

A formula counts by the value that was saved with it; it is never computed. What is written are values alone.
"""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any
from xml.sax.saxutils import escape, quoteattr

from swift_plugins.core.markup import Begun, read_xml

MAX_CELL = 32_767  # characters that Excel holds in a cell
MAX_COLUMNS = 16_384
MAX_STRINGS = 128 << 20  # characters of all shared strings
_COLUMN = re.compile(r"([A-Z]{1,3})[0-9]{0,7}")
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_CODED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_SHEET, _RELATED = "xl/worksheets/sheet1.xml", "http://schemas.openxmlformats.org"
_FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError)


@contextmanager
def _opened(path: str | os.PathLike) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _FAULTS as error:
        raise ValueError(f"{path}: not an XLSX workbook that can be read: {error}") from None


def read_sheet(path: str | os.PathLike) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """(the names of the sheets, (number, cells) of each row of the first sheet that has a value); a cell is its text.

    ValueError for what is no workbook, or unpacks to more than it may.
    """
    with _opened(path) as archive:
        names = {name.lower(): name for name in archive.namelist()}
        sheets, file = _first_sheet(archive, names, str(path))
        strings = _strings(archive, names, str(path))
        with archive.open(names[file.lower()]) as content:
            rows = [(number, cells) for number, cells in _rows(content, strings, str(path)) if any(cells)]
    return sheets, rows


def _first_sheet(archive: zipfile.ZipFile, names: dict[str, str], path: str) -> tuple[list[str], str]:
    """(the names of the sheets, the file of the first)."""
    sheets: list[tuple[str, str]] = []
    with archive.open(names["xl/workbook.xml"]) as file:
        for part in read_xml(file, path):
            if isinstance(part, Begun) and part.name == "sheet":
                related = next((value for key, value in part.attributes.items() if key.endswith(":id")), "")
                sheets.append((part.attributes.get("name", ""), related))
    if not sheets:
        raise ValueError(f"{path}: the workbook has no sheet")
    with archive.open(names["xl/_rels/workbook.xml.rels"]) as file:
        targets = {
            part.attributes.get("Id", ""): part.attributes.get("Target", "")
            for part in read_xml(file, path)
            if isinstance(part, Begun) and part.name == "Relationship"
        }
    target = targets.get(sheets[0][1], _SHEET)
    return [name for name, _ in sheets], target.lstrip("/") if target.startswith("/") else f"xl/{target}"


def _strings(archive: zipfile.ZipFile, names: dict[str, str], path: str) -> list[str]:
    """The strings that cells name by their number."""
    if (name := names.get("xl/sharedstrings.xml")) is None:
        return []
    found, parts, size = [], [], 0
    with archive.open(name) as file:
        for part in read_xml(file, path):
            if isinstance(part, Begun):
                continue
            if part.name == "t" and "rPh" not in part.above:
                parts.append(part.text)
                size += len(part.text)
            elif part.name == "si":
                found.append(_decoded("".join(parts)))
                parts = []
            if size > MAX_STRINGS:
                raise ValueError(f"{path}: its texts have more than {MAX_STRINGS} characters")
    return found


def _rows(file: IO[bytes], strings: Sequence[str], path: str) -> Iterator[tuple[int, list[str]]]:
    cells: list[str] = []
    value, number, at = "", 0, -1
    for part in read_xml(file, path):
        if isinstance(part, Begun):
            if part.name == "row":
                cells, at = [], -1
                number = _whole(part.attributes.get("r", "")) or number + 1
            elif part.name == "c":
                value, at = "", _column(part.attributes.get("r", ""), at, path)
        elif part.name in ("v", "t") and "rPh" not in part.above:
            value += part.text
        elif part.name == "c":
            if text := _text(value, part.attributes.get("t", "n"), strings, path):
                cells += [""] * (at + 1 - len(cells))
                cells[at] = text
        elif part.name == "row":
            yield number, cells


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0


def _column(address: str, before: int, path: str) -> int:
    """The place of a cell in its row, from its address, or else behind the one before."""
    match = _COLUMN.fullmatch(address)
    at = before + 1
    if match:
        at = -1
        for letter in match[1]:
            at = 26 * (at + 1) + ord(letter) - ord("A")
    if at >= MAX_COLUMNS:
        raise ValueError(f"{path}: a row has more than {MAX_COLUMNS} columns")
    return at


def _text(value: str, kind: str, strings: Sequence[str], path: str) -> str:
    if kind == "s":
        if not value.isdigit() or (at := _whole(value)) >= len(strings):
            raise ValueError(f"{path}: a cell names the string {value[:20]!r}, there are {len(strings)}")
        return strings[at]
    if kind == "b":
        return {"1": "True", "0": "False"}.get(value, value)
    if kind != "n" or not value:
        return _decoded(value)
    try:
        number = float(value)
    except ValueError:
        return value
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def _decoded(text: str) -> str:
    return _CODED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


# ------------------------------------------------------------------------------------------------------------- writing


def _cell(value: Any) -> str:
    if value is None or value != value:  # nor NaN
        return "<c/>"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"<c><v>{value!r}</v></c>"
    text = str(value)
    if len(text) > MAX_CELL:
        raise ValueError(f"a cell of a workbook holds {MAX_CELL} characters, this text has {len(text)}: {text[:60]!r}")
    coded = _NO_XML.sub(lambda match: f"_x{ord(match[0]):04X}_", text)
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(coded)}</t></is></c>'


def write_sheet(file: IO[bytes], columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "Sheet1") -> None:
    """Write a workbook of one sheet; ValueError for a text that no cell holds. The same rows give the same bytes."""
    spreadsheet = f"{_RELATED}/spreadsheetml/2006/main"
    office, package = f"{_RELATED}/officeDocument/2006/relationships", f"{_RELATED}/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/{_SHEET}" ContentType="{kind}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="rId1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="rId1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{spreadsheet}" xmlns:r="{office}"><sheets>'
        f'<sheet name={quoteattr(title)} sheetId="1" r:id="rId1"/></sheets></workbook>',
    }
    lines = ["<row>" + "".join(map(_cell, row)) + "</row>" for row in (columns, *rows)]
    parts[_SHEET] = f'<worksheet xmlns="{spreadsheet}"><sheetData>{"".join(lines)}</sheetData></worksheet>'
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name), f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode())
