"""XLSX workbooks: what is written is read back, and what is hostile in one costs the file, not the machine."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from swift_plugins.core import markup, workbooks
from swift_plugins.core.workbooks import MAX_CELL, read_sheet, write_sheet

HEAD = '<?xml version="1.0"?>'
RELATED = (
    "<Relationships xmlns='http://schemas.openxmlformats.org/package/2006/relationships'>"
    "<Relationship Id='r1' Target='/xl/worksheets/first.xml'/></Relationships>"
)
BOOK = (
    "<x:workbook xmlns:x='m' xmlns:r='o'><x:sheets><x:sheet name='Eins' r:id='r1'/><x:sheet name='Zwei' r:id='r2'/>"
    "</x:sheets></x:workbook>"
)
STRINGS = "<sst><si><t>path</t></si><si><r><t>a</t></r><r><t>b.png</t></r><rPh><t>x</t></rPh></si></sst>"


def workbook(path: Path, sheet: str, strings: str = STRINGS, book: str = BOOK) -> Path:
    """A workbook as Excel makes it, with these cells in its first sheet."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", HEAD + book)
        archive.writestr("xl/_rels/workbook.xml.rels", HEAD + RELATED)
        archive.writestr("xl/sharedStrings.xml", HEAD + strings)
        archive.writestr("xl/worksheets/first.xml", f"{HEAD}<worksheet><sheetData>{sheet}</sheetData></worksheet>")
    return path


def test_a_sheet_is_read_as_excel_writes_it(tmp_path):
    sheet = (
        '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1" t="inlineStr"><is><t>n</t></is></c></row>'
        '<row r="3"><c r="A3" t="s"><v>1</v></c><c r="B3" t="b"><v>1</v></c><c r="C3"><v>0.10000000000000001</v></c>'
        '<c r="D3" t="e"><v>#N/A</v></c><c r="E3" t="str"><f>1+1</f><v>2</v></c><c r="F3"><f>1+1</f></c></row>'
        '<row r="4"><c><v>5.0</v></c><c><v>1e3</v></c></row><row r="9"><c r="A9"/></row>'
    )
    assert read_sheet(workbook(tmp_path / "a.xlsx", sheet)) == (
        ["Eins", "Zwei"],
        [(1, ["path", "", "n"]), (3, ["ab.png", "True", "0.1", "#N/A", "2"]), (4, ["5", "1000"])],
    )


def test_what_is_written_is_read_back_and_no_text_becomes_a_formula(tmp_path):
    rows = [["=1+1", 1.5, 3], ["<a & b>\n\x01 _x0041_ ü🙂", None, float("nan")], ["x" * MAX_CELL, 2, -0.25]]
    content = io.BytesIO()
    write_sheet(content, ["t", "n", "m"], rows)
    path = tmp_path / "a.xlsx"
    path.write_bytes(content.getvalue())
    assert read_sheet(path)[1] == [
        (1, ["t", "n", "m"]),
        (2, ["=1+1", "1.5", "3"]),
        (3, ["<a & b>\n\x01 _x0041_ ü🙂"]),
        (4, ["x" * MAX_CELL, "2", "-0.25"]),
    ]
    with zipfile.ZipFile(path) as archive:
        assert b"<f>" not in archive.read("xl/worksheets/sheet1.xml")
    again = io.BytesIO()
    write_sheet(again, ["t", "n", "m"], rows)
    assert again.getvalue() == content.getvalue()
    with pytest.raises(ValueError, match="a cell of a workbook holds 32767 characters, this text has 32768"):
        write_sheet(io.BytesIO(), ["t"], [["x" * (MAX_CELL + 1)]])


ENTITY = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]>'


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"sheet": "", "book": ENTITY + BOOK}, "a document type, which is not read"),
        ({"sheet": "", "book": BOOK.replace("Eins", "&a;")}, "not the XML that is read: undefined entity"),
        ({"sheet": '<row><c t="s"><v>7</v></c></row>'}, "a cell names the string '7', there are 2"),
        ({"sheet": '<row><c t="s"><v>-1</v></c></row>'}, "a cell names the string '-1', there are 2"),
        ({"sheet": '<row><c r="ZZZ1"><v>7</v></c></row>'}, "a row has more than 16384 columns"),
        ({"sheet": "<a>" * 100}, "elements are nested more than 64 deep"),
        ({"sheet": "<row><c>"}, "not the XML that is read: "),
        ({"sheet": "", "book": "<workbook/>"}, "the workbook has no sheet"),
    ],
)
def test_a_workbook_that_is_none_is_refused(tmp_path, parts, said):
    with pytest.raises(ValueError, match=said) as error:
        read_sheet(workbook(tmp_path / "a.xlsx", **parts))
    assert str(error.value).startswith(str(tmp_path / "a.xlsx"))


def test_a_workbook_that_unpacks_to_more_than_it_may_is_refused_before_it_does(tmp_path, monkeypatch):
    monkeypatch.setattr(markup, "MAX_BYTES", 1 << 20)
    monkeypatch.setattr(workbooks, "MAX_STRINGS", 1000)
    bomb = workbook(tmp_path / "a.xlsx", "<row><c><v>1</v></c></row>" * 80_000)
    assert bomb.stat().st_size < 40_000
    with pytest.raises(ValueError, match="more than 1 MB of it"):
        read_sheet(bomb)
    with pytest.raises(ValueError, match="its texts have more than 1000 characters"):
        read_sheet(workbook(tmp_path / "b.xlsx", "", f"<sst>{'<si><t>abcdefghij</t></si>' * 101}</sst>"))


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "a.xlsx").write_text("path,label\n")
    (tmp_path / "b.xlsx").write_bytes(workbook(tmp_path / "c.xlsx", "").read_bytes()[:-40])
    with zipfile.ZipFile(tmp_path / "d.xlsx", "w") as archive:
        archive.writestr("word/document.xml", "<a/>")
    for name in "abd":
        with pytest.raises(ValueError, match=f"{name}.xlsx: not an XLSX workbook that can be read"):
            read_sheet(tmp_path / f"{name}.xlsx")
