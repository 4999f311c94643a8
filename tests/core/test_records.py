"""Rows and files: a write is whole or not at all, and what cannot be read is named by file and line."""

from __future__ import annotations

import hashlib
import json
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swift_plugins.core import records
from swift_plugins.core.records import (
    MAX_LINE,
    atomic_write,
    check_row,
    encode,
    encode_line,
    is_unused,
    jsonl_writer,
    read_rows,
    sha256_file,
    sha256_text,
    write_json,
)
from tests.killing import DEAD, beside


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


def test_what_a_killed_writer_left_aside_is_removed(tmp_path):
    left = [
        beside("kept"),
        beside("other"),
        beside("kept.x"),
        beside("kept", os.getppid(), "1"),
    ]  # whose id is another's
    others = [
        beside("kept", os.getppid()),
        f".kept.{DEAD}.tmp",
        "kept.tmp",
    ]  # of a living process, and of somebody else
    for name in [*left, *others]:
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / "many").mkdir()
    with atomic_write(tmp_path / "kept") as file:
        file.write(b"new")
    assert names(tmp_path) == sorted([*others, "kept", "many"])


def test_what_another_machine_writes_to_the_same_disk_stays_until_it_is_old(tmp_path):
    """Whether its writer lives cannot be told from here; the process of that id here is another one."""
    fresh, old = (f".rows.jsonl.{place}-{DEAD}--0.tmp" for place in ("0123456789ab", "ba9876543210"))
    for name in (fresh, old):
        (tmp_path / name).write_bytes(b"half")
    os.utime(tmp_path / old, (time.time() - 8 * 24 * 3600,) * 2)
    write_json(tmp_path / "rows.jsonl", {})
    assert names(tmp_path) == [fresh, "rows.jsonl"]


@pytest.mark.parametrize("place", [records._place(), "0123456789ab"])
def test_two_writers_of_one_process_id_write_to_files_of_their_own(tmp_path, monkeypatch, place):
    """Threads, or processes of two machines."""
    with atomic_write(tmp_path / "a") as here:
        monkeypatch.setattr(records, "_place", lambda: place)
        with atomic_write(tmp_path / "a") as there:
            here.write(b"here")
            there.write(b"there, longer")
        assert (tmp_path / "a").read_bytes() == b"there, longer"
    assert (tmp_path / "a").read_bytes() == b"here"


def test_a_folder_with_nothing_but_what_is_written_aside_is_unused(tmp_path):
    assert is_unused(tmp_path / "none")
    (tmp_path / beside("rows.jsonl")).write_bytes(b"")
    assert is_unused(tmp_path)
    (tmp_path / ".rows.jsonl.1.tmp").write_bytes(b"")
    assert not is_unused(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(rows=st.lists(st.dictionaries(st.text(), JSON, max_size=4), max_size=4))
def test_what_is_written_is_read_back(rows, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "rows.jsonl"
    with open(path, "wb") as file:
        jsonl_writer(file).write_all(rows)
    assert [row for _, row in read_rows(path)] == rows


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("x" * MAX_LINE, "row 'a' would make a line of"), ("\ud800", "row 'a' holds half a surrogate")],
)
def test_what_could_not_be_read_back_is_not_written(tmp_path, text, complaint):
    with open(tmp_path / "rows.jsonl", "wb") as file, pytest.raises(ValueError, match=complaint):
        jsonl_writer(file).write({"id": "a", "response": text})
    assert names(tmp_path) == ["rows.jsonl"]
    assert (tmp_path / "rows.jsonl").read_bytes() == b""


def test_the_longest_line_that_is_written_is_read(tmp_path):
    row = {"id": "a", "pad": ""}
    row["pad"] = "x" * (MAX_LINE - 1 - len(encode(row)))
    (tmp_path / "rows.jsonl").write_bytes(encode_line(row) + b"\n")
    assert list(read_rows(tmp_path / "rows.jsonl")) == [(1, row)]
    with pytest.raises(ValueError, match="are read back"):
        encode_line(row | {"pad": row["pad"] + "x"})


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
        (
            b'{"id": "b", "meta": {"label": "real", "x": 1, "la\\u0062el": "fake"}}\n',
            "not JSON: the key 'label' stands twice",
        ),
        (b'{"id":"b","id":"b"}\n', "not JSON: the key 'id' stands twice"),
    ],
    ids=["broken", "list", "null", "nan", "utf8", "torn", "long", "deep", "twice", "twice the same"],
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
