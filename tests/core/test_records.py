"""Rows and files: a write is whole or not at all, and what cannot be read is named by file and line."""

from __future__ import annotations

import hashlib
import json

import pytest

from swift_plugins.core.records import (
    MAX_LINE,
    atomic_write,
    check_row,
    encode,
    read_rows,
    sha256_file,
    sha256_text,
    write_json,
)


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_atomic_write_replaces_only_when_the_block_ends(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["rows.jsonl"]


def write_half(path, error):
    with atomic_write(path) as file:
        file.write(b"half")
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_atomic_write_leaves_nothing_behind(tmp_path, error):
    (tmp_path / "kept").write_bytes(b"old")
    for name in ("kept", "new"):
        with pytest.raises(error):
            write_half(tmp_path / name, error)
    assert names(tmp_path) == ["kept"]
    assert (tmp_path / "kept").read_bytes() == b"old"


def test_write_json_reads_back(tmp_path):
    value = {"a": [1, 2.5, None], "ü": "’🙂"}
    write_json(tmp_path / "x.json", value)
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == value


def test_read_rows_gives_line_numbers_and_skips_blank_lines(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(encode({"id": "ü"}) + b"\n\n \n" + encode({"id": "b"}))
    assert list(read_rows(path)) == [(1, {"id": "ü"}), (4, {"id": "b"})]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"{]\n", "not JSON"),
        (b"[1]\n", "expected a JSON object, got list"),
        (b"null\n", "expected a JSON object, got NoneType"),
        (b'{"a": NaN}\n', "not JSON"),
        (b'{"a": "\xff"}\n', "not JSON"),
        (b'{"a": 1', "not JSON.* torn last line"),
        (b" " * MAX_LINE + b"{}\n", "the line is longer than"),
        (b"[" * 100_000 + b"\n", "not JSON"),
    ],
    ids=["broken", "list", "null", "nan", "utf8", "torn", "long", "deep"],
)
def test_read_rows_names_file_and_line(tmp_path, line, complaint):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"id": "a"}\n' + line)
    rows = read_rows(path)
    assert next(rows) == (1, {"id": "a"})
    with pytest.raises(ValueError, match=rf"rows\.jsonl:2: {complaint}"):
        next(rows)


def test_a_torn_last_line_is_named_as_such(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"id": "a"}\n{"id": "b')
    with pytest.raises(ValueError, match=r":2: not JSON: .*torn last line"):
        list(read_rows(path))


ROW = {
    "id": "a",
    "task": "deeptrace",
    "messages": [{"role": "user", "content": "<video> Real?"}, {"role": "assistant", "content": "REAL"}],
    "videos": ["/data/a.mp4"],
    "meta": {},
}


@pytest.mark.parametrize(
    "change", [{}, {"videos": ["sub/a.mp4"]}, {"videos": ["/odd/http:/a.mp4"]}, {"messages": ROW["messages"][:1]}]
)
def test_a_good_row_passes(change):
    check_row(ROW | change)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"id": 7}, "id must be a str, got 7"),
        ({"task": None}, "task must be a str"),
        ({"messages": "REAL"}, "messages must be a list"),
        ({"meta": []}, "meta must be a dict"),
        ({"messages": []}, "user and assistant"),
        ({"messages": ROW["messages"][::-1]}, "user and assistant"),
        ({"messages": ROW["messages"] * 2}, "user and assistant"),
        ({"videos": []}, "1 <video> tags but 0 videos"),
        ({"videos": ["/a.mp4", "/b.mp4"]}, "1 <video> tags but 2 videos"),
        ({"images": ["/a.png"]}, "0 <image> tags but 1 images"),
        ({"videos": ["https://example.org/a.mp4"]}, "a URL is never opened"),
        ({"videos": ["file:/etc/passwd"]}, "a URL is never opened"),
        ({"videos": ["data:video/mp4;base64,AAAA"]}, "a URL is never opened"),
        ({"messages": ["x"]}, r"a message must be a dict of role and content, both str, got \['x'\]"),
        ({"messages": [None]}, "a message must be a dict"),
        ({"messages": [{"role": "user"}]}, "a message must be a dict"),
        ({"messages": [{"content": "<video>"}]}, "a message must be a dict"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "a message must be a dict"),
        ({"messages": [ROW["messages"][0], {"role": "assistant", "content": None}]}, "a message must be a dict"),
        ({"messages": [{"role": r, "content": ["<video>"]} for r in ("user", "assistant")]}, "a message must be"),
        ({"videos": [["a"]]}, r"videos must hold paths, got \['a'\]"),
        ({"videos": [None]}, "videos must hold paths, got None"),
        ({"videos": "/data/a.mp4"}, "videos must be a list, got '/data/a.mp4'"),
        ({"videos": None}, "videos must be a list, got None"),
        ({"images": {}}, "images must be a list"),
        ({"meta": None}, "meta must be a dict, got None"),
    ],
)
def test_a_bad_row_is_refused(change, complaint):
    with pytest.raises(ValueError, match=complaint):
        check_row(ROW | change)


@pytest.mark.parametrize("key", ["id", "task", "messages", "meta"])
def test_a_row_without_one_of_its_parts_is_refused(key):
    with pytest.raises(ValueError, match=f"{key} must be a .*, got None"):
        check_row({name: value for name, value in ROW.items() if name != key})


def test_a_media_tag_in_the_answer_counts(tmp_path):
    answer = {"role": "assistant", "content": "REAL, says <video>"}
    with pytest.raises(ValueError, match="2 <video> tags but 1 videos"):
        check_row(ROW | {"messages": [ROW["messages"][0], answer]})


def test_sha256(tmp_path):
    data = "größer".encode() * 300_000
    (tmp_path / "x").write_bytes(data)
    assert sha256_file(tmp_path / "x") == hashlib.sha256(data).hexdigest()
    assert sha256_text("größer") == hashlib.sha256("größer".encode()).hexdigest()
