"""An output file: one line for each row when it is finished, and what no run writes is named."""

from __future__ import annotations

import pytest

from swift_plugins.answering.outfile import OutFile, check_run
from swift_plugins.core.media import MEDIA
from swift_plugins.core.records import encode, read_rows, write_json

A, B = {"id": "a", "response": "REAL"}, {"id": "b", "response": "FAKE"}


@pytest.fixture
def resumed(tmp_path):
    """The output file that is found with these lines and gone on with; its rows when it is finished."""

    def call(*rows, torn=b"", order=("a", "b"), retry=False):
        path = tmp_path / "out.jsonl"
        path.write_bytes(b"".join(encode(row) + b"\n" for row in rows) + torn)
        out = OutFile(path)
        try:
            out.resume(retry)
            out.write([row for row in (A, B) if row["id"] not in out.done])
            out.finish(list(order))
        finally:
            out.file.close()
        return [row for _, row in read_rows(path)]

    return call


def test_a_line_that_stands_there_twice_is_kept_once(resumed):
    assert resumed(A, A, B) == [A, B]
    assert resumed(B, A, B) == [A, B]
    assert resumed(A, A, torn=b'{"id": "b"') == [A, B]


def test_an_error_is_asked_again_on_demand(resumed):
    failed = {"id": "a", "response": None, "error": "no"}
    assert resumed(failed, failed, B) == [failed, B]
    assert resumed(B, failed, retry=True) == [A, B]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([A, A | {"response": "FAKE"}], "out.jsonl:2: id 'a' stands in an earlier line with another answer"),
        ([A, {}], "out.jsonl:2: id must be a text, got None"),
        ([{"id": [1]}], r"out.jsonl:1: id must be a text, got \[1\]"),
    ],
)
def test_what_no_run_writes_is_named(resumed, rows, problem):
    with pytest.raises(ValueError, match=problem):
        resumed(*rows)


TWICE = '{"model": "m", "model": "m"}'


@pytest.mark.parametrize("content", ["[]", "7", '{"model": ', "", "[" * 100_000, "\udcff", TWICE])
def test_a_record_that_no_run_wrote_is_named(tmp_path, content):
    path = tmp_path / "out.jsonl.run.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=r"out\.jsonl\.run\.json: .* is not the record of a run"):
        check_run(path, {"model": "m"}, has_output=True)


def test_another_run_is_refused_by_what_differs(tmp_path):
    path = tmp_path / "out.jsonl.run.json"
    write_json(path, {"model": "m", "data": "d", MEDIA: "1"})
    check_run(path, {"model": "m", "data": "d"}, has_output=True)  # the rows tell of their media
    with pytest.raises(ValueError, match=r"\(model differ"):
        check_run(path, {"model": "n", "data": "d"}, has_output=True)
    check_run(path, {"model": "n", "data": "d"}, has_output=False)


def test_a_model_may_be_served_elsewhere_now(tmp_path):
    path = tmp_path / "out.jsonl"
    write_json(path, {"model": {"model": "m", "base_url": "http://a/v1"}})
    check_run(path, {"model": {"model": "m", "base_url": "http://a/v1 http://b/v1"}}, has_output=True)
    with pytest.raises(ValueError, match=r"\(model differ"):
        check_run(path, {"model": {"model": "n", "base_url": "http://a/v1"}}, has_output=True)


def test_a_row_whose_media_are_others_now_is_named(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_bytes(b"".join(encode(row) + b"\n" for row in (A | {MEDIA: "1"}, B)))
    out = OutFile(path)
    out.resume(False)
    out.check_media({"a": "1", "b": "2", "c": "3"})
    out.check_media({"a": None, "b": None})  # nothing is asked of it now, as where there is no answer to judge
    with pytest.raises(ValueError, match=r"out\.jsonl: the media of row 'a' are others now .*--retry-errors"):
        out.check_media({"a": "2", "b": "2"})
    out.file.close()
