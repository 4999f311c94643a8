"""Rows that were trained on are known by their ids and by what is in their media, without the training files."""

from __future__ import annotations

import json
import os
import time

import pytest

from swift_plugins.core import trained_rows
from swift_plugins.core.settings import CHECKPOINT_FILE, read_checkpoint_settings
from swift_plugins.core.trained_rows import PIECE, described, medium, overlap, read, warning


def row(row_id, *images):
    return {"id": row_id, "images": [str(image) for image in images]}


def checkpoint(folder, found):
    """A checkpoint whose record holds these hashes."""
    folder.mkdir()
    (folder / CHECKPOINT_FILE).write_text(json.dumps({"vision": {}, "trained_rows": found}))
    return folder


@pytest.fixture
def trained(tmp_path):
    """A checkpoint that was trained on a, b and c; the training file is gone."""
    for name in "abcd":
        (tmp_path / name).write_bytes(name.encode() * 3)
    train = tmp_path / "train.jsonl"
    train.write_text("".join(json.dumps(row(name, tmp_path / name)) + "\n" for name in "abc"))
    found = checkpoint(tmp_path / "checkpoint-1", described([str(train)], []))
    train.unlink()
    return found


def test_rows_are_found_by_id_and_by_content(trained, tmp_path):
    (tmp_path / "copy").write_bytes(b"bbb")
    rows = [row("a", tmp_path / "a"), row("x", tmp_path / "copy"), row("c", tmp_path / "d"), row("d", tmp_path / "d")]
    found = overlap(rows, read(trained))
    assert found == {"rows": 4, "trained_on": 3, "by_id": 2, "by_media": 2}
    assert warning(found).startswith(
        "WARNING: 3 of 4 rows were trained on (2 by their id, 2 by the content of their media)"
    )


def test_new_rows_are_none(trained, tmp_path):
    found = overlap([row("d", tmp_path / "d"), row("e", tmp_path / "gone")], read(trained))
    assert found == {"rows": 2, "trained_on": 0, "by_id": 0, "by_media": 0}
    assert warning(found) is None


def test_ids_alone_are_told_as_what_they_are(trained, tmp_path):
    assert "have the id of a row that was trained on, none its media" in warning(
        overlap([row("a", tmp_path / "d")], read(trained))
    )


def test_a_model_of_which_nothing_is_known_gives_no_counts(tmp_path):
    assert read(tmp_path) is None
    assert overlap([row("a")], None) is None
    assert warning(None) is None


def test_what_was_trained_on_before_is_kept(trained, tmp_path):
    """Of the base of an adapter, of a checkpoint that is trained further or that a training goes on from."""
    train = tmp_path / "more.jsonl"
    train.write_text(json.dumps(row("d", tmp_path / "d")) + "\n")
    further = checkpoint(tmp_path / "checkpoint-2", described([str(train), "hub/name"], [str(trained), None, "Qwen/X"]))
    assert overlap([row(name) for name in "abcde"], read(further))["by_id"] == 4


def test_media_differ_by_size_beginning_and_end(tmp_path):
    plain = bytes(3 * PIECE)
    contents = [plain, plain + b"\0", b"\1" + plain[1:], plain[:-1] + b"\1", b"", b"\0"]
    for i, content in enumerate(contents):
        (tmp_path / str(i)).write_bytes(content)
    found = [medium(str(tmp_path / str(i))) for i in range(len(contents))]
    assert len({*found}) == len(contents)
    assert medium(str(tmp_path / "none")) is None


def test_a_medium_that_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert [medium(str(tmp_path / "pipe")), medium(str(tmp_path)), medium("a\0b"), medium("http://x/y")] == [None] * 4


def test_relative_paths_are_those_of_the_raw_dataset(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"a")
    monkeypatch.setenv("ROOT_IMAGE_DIR", str(tmp_path))
    assert medium("a.png") == medium(str(tmp_path / "a.png")) is not None


@pytest.mark.parametrize("rows", [{"ids": "?", "media": ""}, {"ids": "AAAA"}, [1]])
def test_a_record_that_is_none_is_refused(tmp_path, rows):
    with pytest.raises(ValueError, match="not what training records"):
        read_checkpoint_settings(checkpoint(tmp_path / "checkpoint-1", rows))


def test_a_large_training_costs_little(tmp_path):
    train = tmp_path / "train.jsonl"
    train.write_text("".join(json.dumps(row(f"fakeclue/train/{i}")) + "\n" for i in range(30_000)))
    begin = time.process_time()
    found = described([str(train)], [])
    assert time.process_time() - begin < 5
    assert len(json.dumps(found)) < 300_000
    asked = [row(f"fakeclue/test/{i}") for i in range(10_000)]
    assert overlap(asked, trained_rows.unpacked(found))["trained_on"] == 0
