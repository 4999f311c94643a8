"""Files that are no JSONL: one line says what they are and what to do."""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile

import pytest

from eval import score
from swift_plugins.core.records import read_rows

ROW = {"id": "a", "response": "Fake", "meta": {"label": "fake", "x": [1, 2]}}


def zipped(name):
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        archive.writestr(name, "x")
    return file.getvalue()


def dumped(value, **options):
    return json.dumps(value, **options).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(dumped(ROW), mtime=0), "not JSONL but gzip-compressed: unpack it, gunzip -k"),
        (zipped("xl/workbook.xml"), "an Excel workbook: write it as JSONL, python -c .*read_excel"),
        (zipped("rows.jsonl"), "a ZIP archive: unzip"),
        (b"PAR1\0\0\0PAR1", "a Parquet table: .*read_parquet"),
        (b"\x80\x04\x95x.", "a Python pickle, which is never opened"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (json.dumps(ROW).encode("utf-16"), "text in UTF-16: iconv -f UTF-16"),
        (json.dumps(ROW).encode("utf-16-be"), "text in UTF-16: iconv -f UTF-16"),
        (b"<!DOCTYPE html>\n<html></html>", "an HTML or XML page"),
        (b"id,response,label\n1,fake,fake\n", "a table with columns: .*read_csv"),
        (b"\tid\tresponse\n0\t1\tfake\n", "a table with columns: .*read_csv"),
        (dumped([ROW, ROW]), r"one JSON list, not one object a line: jq -c '\.\[\]'"),
        (dumped([ROW], indent=2), r"one JSON list, not one object a line: jq -c '\.\[\]'"),
        (dumped(ROW, indent=2), r"goes over several lines, not one object a line: jq -c \. "),
        (dumped(ROW | {"p_fake": float("nan")}), ":1: not JSON: .*: NaN is no JSON; write null"),
        (b"{}\n" + dumped(ROW | {"p_fake": -float("inf")}), ":2: not JSON: .*: Infinity is no JSON; write null"),
        (repr(ROW).encode(), ":1: not JSON: .*the text of a Python dict"),
        (dumped(ROW) + b"," + dumped(ROW), ":1: not JSON: .*more than one object"),
        (json.dumps({"id": "\xe9"}, ensure_ascii=False).encode("latin-1"), ":1: not JSON: .*it is not in UTF-8; iconv"),
        (b"hello\n", ":1: not JSON: "),
        (b'{"id": "a", "resp', r":1: not JSON: .*a torn last line\?"),
    ],
)
def test_what_a_file_is_and_what_to_do(tmp_path, content, said):
    path = tmp_path / "my rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said) as error:
        list(read_rows(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf" + dumped(ROW) + b"\r\n\n" + dumped(ROW), dumped(ROW)])
def test_jsonl_is_taken_for_no_other_file(tmp_path, content):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    assert [row for _, row in read_rows(path)] == [ROW] * len(content.splitlines()[::2])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            dumped({"response": "FAKE", "labels": "FAKE", "messages": []}),
            "a plain result of swift infer.*eval/exchange.py --pred .*out.jsonl --gold .*eval/predict.py",
        ),
        (b"", "no rows: the file is empty"),
        (None, "is a folder: name the JSONL in it"),
    ],
)
def test_what_score_is_given_in_place_of_predictions(tmp_path, capsys, content, said):
    path = tmp_path / "out.jsonl"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    assert score.main(["--pred", str(path)]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert re.search(said, message)
