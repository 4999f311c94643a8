"""Tables in every form that is read: the same rows, each with its place, and a clear line for what is no table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swift_plugins.core.tables import READERS, read_table, text_of
from swift_plugins.core.workbooks import write_sheet

COLUMNS, ROWS = ["path", "label", "n"], [["ä.png", "fake", 1.5], ["b;c.png", "real", None]]


def write(path: Path) -> Path:
    """The same two rows in the form that a name's suffix says."""
    named = [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]
    marks = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
    if path.suffix in marks:
        lines = [marks[path.suffix].join("" if cell is None else str(cell) for cell in row) for row in (COLUMNS, *ROWS)]
        path.write_text("\n".join(lines), encoding="utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(named))
    elif path.suffix in (".jsonl", ".ndjson"):
        path.write_text("\n".join(map(json.dumps, named)))
    elif path.suffix == ".parquet":
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pyarrow.Table.from_pylist(named), path)
    else:
        with open(path, "wb") as file:
            write_sheet(file, COLUMNS, ROWS)
    return path


@pytest.mark.parametrize("suffix", READERS)
def test_every_form_holds_the_same(tmp_path, suffix):
    table = read_table(write(tmp_path / f"t{suffix}"))
    assert table.columns == COLUMNS
    assert [[text_of(row[name]) for name in COLUMNS] for _, row in table.rows] == [
        ["ä.png", "fake", "1.5"],
        ["b;c.png", "real", ""],
    ]
    assert len({where for where, _ in table.rows}) == 2
    assert all(where.startswith(f"t{suffix}") for where, _ in table.rows)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_a_csv_is_read_however_a_spreadsheet_writes_it(tmp_path, encoding, mark):
    (tmp_path / "t.csv").write_text(f'path{mark}label\r\n"a{mark}\nü"{mark}fake\r\n', encoding=encoding, newline="")
    assert read_table(tmp_path / "t.csv").rows == [("t.csv:3", {"path": f"a{mark}\nü", "label": "fake"})]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.txt", b"", "a table's name must end in .csv, .tsv"),
        ("t.csv", "path,label\nü,fake\n".encode("latin-1"), "t.csv:2: not in UTF-8: iconv -f WINDOWS-1252 -t UTF-8"),
        ("t.csv", b"path,path\n", "the column 'path' is there twice"),
        ("t.csv", b"path,label\n" + b"x" * 200_000, "t.csv:2: not a table of values: field larger than field limit"),
        ("t.csv", b'path,label\n"a,fake\n', "not a table of values: unexpected end of data"),
        ("t.json", b'{"path": 1}', "expected a list of rows, got dict"),
        ("t.json", b'[{"a": 1, "a": 2}]', "the key 'a' stands twice"),
        ("t.json", b"[" * 100_000, "nested too deeply"),
        ("t.parquet", b"PAR1", "not a Parquet table"),
        ("t.xlsx", b"PK", "not an XLSX workbook"),
    ],
)
def test_what_is_no_table_is_said(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=said.replace(".", r"\.")):
        read_table(tmp_path / name)


def test_a_row_that_cannot_be_read_costs_itself(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1\n1,2\n1,2,3\n")
    reasons = [row if isinstance(row, str) else "" for _, row in read_table(tmp_path / "t.csv").rows]
    assert [reason.partition(":")[0] for reason in reasons] == ["columns", "", "columns"]
    (tmp_path / "t.jsonl").write_text('{"a": NaN}\n[1]\n{"a": 1}\n')
    reasons = [row if isinstance(row, str) else "" for _, row in read_table(tmp_path / "t.jsonl").rows]
    assert reasons[0].startswith("row: not JSON: ")
    assert reasons[1:] == ["row: expected a JSON object, got list", ""]
