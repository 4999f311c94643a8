"""Files that are no JSONL: what they are, and what to do."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import swift_plugins  # noqa: F401

_HEAD = 64 * 1024  # bytes of a file that are looked at
_MAGIC = (
    (b"\x1f\x8b", "gzip-compressed: unpack it, gunzip -k {path}"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed: unpack it, unzstd {path}"),
    (b"BZh", "bzip2-compressed: unpack it, bunzip2 -k {path}"),
    (b"\xfd7zXZ\0", "xz-compressed: unpack it, unxz -k {path}"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook or another Office file: save the sheet as CSV UTF-8, then as JSONL"),
    (b"PAR1", "a Parquet table: write it as JSONL, {read_parquet}"),
    (b"ARROW1", "an Arrow table: write it as JSONL, {read_feather}"),
    (b"SQLite format 3", "an SQLite database: write its rows as JSONL"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself: git lfs pull"),
    (tuple(b"\x80" + bytes([version]) for version in range(2, 6)), "a Python pickle, which is never opened"),
)
_UTF16 = re.compile(rb"\xff\xfe|\xfe\xff|[\x09-\x7f]\0[\x09-\x7f]\0|\0[\x09-\x7f]\0[\x09-\x7f]")
_HTML = re.compile(rb"\s*<(?:!doctype|html|\?xml|head|body)", re.I)
_COLUMNS = re.compile(rb"[ \w\"'./-]{0,80}(?:[,;\t][ \w\"'./-]{0,80}){1,200}\r?\n")
_NOT_A_NUMBER = re.compile(r"(?:[\"']\s?:|[\d\[],?)\s?[-+]?(NaN|nan|Infinity|inf)\b")


def what_it_is(path: Path) -> str | None:
    """What a file is that is not one JSON object a line, and what to do; None where it may well be JSONL."""
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    name = shlex.quote(str(path))
    for magic, said in _MAGIC:
        if head.startswith(magic):
            tables = {f"read_{kind}": _by_pandas(path, kind) for kind in ("parquet", "feather")}
            return said.format(path=name, **tables)
    if head.startswith(b"PK"):
        if b"xl/" in head or path.suffix.lower() in (".xlsx", ".xlsm"):
            return f"an Excel workbook: write it as JSONL, {_by_pandas(path, 'excel')}"
        return f"a ZIP archive: unzip {name}"
    if _UTF16.match(head):
        return f"text in UTF-16: iconv -f UTF-16 -t UTF-8 {name} > {shlex.quote(path.stem)}.utf8.jsonl"
    if _HTML.match(head):
        return "an HTML or XML page, such as a login or an error in place of a download: get the file again"
    if _COLUMNS.match(head):
        how = _by_pandas(path, "csv", ", sep=None, engine='python'")
        return f"a table with columns: write it as JSONL, {how}"
    return _of_json(head.decode("utf-8-sig", "replace").lstrip(), f"{name} > {shlex.quote(path.stem)}.lines.jsonl")


def _by_pandas(path: Path, kind: str, more: str = "") -> str:
    to = f"to_json({path.stem + '.jsonl'!r}, orient='records', lines=True)"
    return f'python -c "import pandas; pandas.read_{kind}({str(path)!r}{more}).{to}"'


def _of_json(begin: str, to_lines: str) -> str | None:
    """Of a text that is JSON, but not in lines."""
    first = begin.partition("\n")[0].rstrip()
    if begin.startswith("["):
        return f"one JSON list, not one object a line: jq -c '.[]' {to_lines}"
    if first.startswith("{") and first.endswith((",", "{", "[")) and not first.endswith("},"):
        return f"JSON that goes over several lines, not one object a line: jq -c . {to_lines}"
    return None


def why_no_json(line: bytes) -> str:
    """More on a line that is no JSON, where it is a usual one: with NaN, of a Python dict, of two objects."""
    text = line[:_HEAD].decode("utf-8", "replace").strip()
    if not line.startswith(b"\xef") and "\ufffd" in text and not _is_utf8(line):
        return ": it is not in UTF-8; iconv -f WINDOWS-1252 -t UTF-8, or whatever it is in"
    if text.startswith("{'") or (text.startswith("{") and re.search(r"[\"']\s?:\s?(?:None|True|False)\b", text)):
        return ": it is the text of a Python dict; write it with json.dumps"
    if value := _NOT_A_NUMBER.search(text):
        return f": {value[1]} is no JSON; write null in its place"
    return ": more than one object; each belongs on a line of its own" if _goes_on(text) else ""


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _goes_on(text: str) -> bool:
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return bool(text[end:].strip())
