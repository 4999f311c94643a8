"""The tiny model's command: wrong input ends in one clear line, before anything heavy is loaded."""

from __future__ import annotations

import sys

import pytest

from swift_plugins.core.records import encode
from swift_plugins.core.tasks import deeptrace
from swift_plugins.tiny_model import main, texts_of

ROW = {
    "id": "a",
    "task": "deeptrace",
    "videos": ["/data/a.mp4"],
    "meta": {},
    "messages": [{"role": "user", "content": "<video> Real?"}, {"role": "assistant", "content": "REAL"}],
}


def test_the_vocabulary_comes_from_the_texts_as_they_are_tokenized():
    """Without the tags that media take the place of, and the answer in the parts that can be weighted."""
    questions = [question.removeprefix("<video>") for question in deeptrace.QUESTIONS.values()]
    assert texts_of([ROW, ROW]) == questions * 100 + [" Real?", "REAL"] * 2
    said = [
        {"role": "system", "content": "Judge."},
        {"role": "user", "content": "<image>Good?"},
        {"role": "assistant", "content": "<reasoning>It is.</reasoning>\n<score>5</score>"},
    ]
    parts = ["<reasoning>", "It is.", "</reasoning>\n<score>", "5", "</score>"]
    assert texts_of([{"task": "dfj_pointwise", "messages": said}]) == ["Judge.", "Good?", *parts]
    assert texts_of([{"task": "dfj_pointwise", "messages": said[:2]}]) == ["Judge.", "Good?"]


def test_a_task_that_is_not_known_is_named(refused):
    assert "error: unknown task 'deeptrac'; did you mean 'deeptrace'?" in refused(ROW | {"task": "deeptrac"})


@pytest.fixture
def refused(tmp_path, capsys, monkeypatch):
    """Run the command on these rows with this --out; returns its last line."""
    monkeypatch.setitem(sys.modules, "torch", None)

    def call(*rows, out="model"):
        (tmp_path / "rows.jsonl").write_bytes(b"".join(encode(row) + b"\n" for row in rows))
        with pytest.raises(SystemExit, match="2"):
            main(["--data", str(tmp_path / "rows.jsonl"), "--out", str(tmp_path / out)])
        return capsys.readouterr().err.splitlines()[-1]

    return call


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"messages": None}, "messages must be a list, got None"),
        ({"messages": []}, "messages must be user and assistant, got []"),
        ({"messages": ["x"]}, "a message must be a dict of role and content"),
    ],
)
def test_a_row_without_messages_is_named(refused, tmp_path, change, complaint):
    assert f"error: {tmp_path}/rows.jsonl:2: {complaint}" in refused(ROW, ROW | change)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_an_output_that_cannot_be_written_is_one_clear_line(refused, tmp_path, out):
    (tmp_path / "file").touch()
    assert "error: cannot write to --out: " in refused(ROW, out=out)
