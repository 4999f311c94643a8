"""The manifest of a dataset file: found at any depth, the right subset's facts, and nothing of what is not ours."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from converters import deepfakejudge_to_swift, loki_to_swift
from swift_plugins.core.manifests import FILE, describe_data
from swift_plugins.core.records import sha256_file
from swift_plugins.core.tasks import dfj_pairwise, dfj_pointwise, loki_mc, loki_tf
from tests.converters.deepfakejudge import making as judge
from tests.converters.loki import making as loki


@pytest.fixture
def file(tmp_path) -> Path:
    """A dataset file four folders below tmp_path."""
    path = tmp_path / "a" / "b" / "c" / "d" / "test.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("{}\n")
    return path


def describe(folder: Path, file: Path, **facts: Any) -> None:
    """Write a manifest that names the file into a folder above it."""
    named = {"files": {file.relative_to(folder).as_posix(): sha256_file(file)}}
    (folder / FILE).write_text(json.dumps(named | facts))


OURS = {"task": loki_tf.NAME, "task_version": loki_tf.VERSION}


@pytest.mark.parametrize("depth", range(5))
def test_a_manifest_is_found_at_any_depth(file, depth):
    describe(file.parents[depth], file, **OURS, media_checked="header")
    found = describe_data(str(file))
    assert (found["task"], found["media_checked"]) == (loki_tf.NAME, "header")
    assert found["sha256"] == sha256_file(file)


def test_the_nearest_that_names_the_file_counts(file):
    describe(file.parents[3], file, task="fakevlm", task_version="0")
    describe(file.parents[1], file, **OURS)
    other = file.with_name("train.jsonl")
    other.write_text("{}\n")
    describe(file.parent, other, **OURS)
    assert describe_data(str(file))["task"] == loki_tf.NAME


def test_each_of_lokis_files_finds_its_subset(tmp_path):
    """Its manifest stands three folders up and calls a subset by the file's folder."""
    src, out = loki.source(tmp_path / "LOKI", loki.WHOLE), tmp_path / "out"
    assert loki_to_swift.main(["--src", str(src), "--out", str(out), "--check", "none"]) == 0
    found = describe_data(str(out / "image" / "multi_choice" / "test.jsonl"))
    assert (found["task"], found["task_version"], found["media_checked"]) == (loki_mc.NAME, loki_mc.VERSION, "none")
    assert describe_data(str(out / "video" / "true_or_false" / "test.jsonl"))["task"] == loki_tf.NAME


def test_each_of_deepfakejudges_files_finds_its_subset(tmp_path, monkeypatch):
    """Its manifest calls a subset by the file."""
    parts = {"pointwise/train": [judge.pointwise(i) for i in range(5)], "pairwise/test": [judge.pairwise()]}
    src, out = judge.source(tmp_path / "Judge", parts), tmp_path / "out"
    assert deepfakejudge_to_swift.main(["--src", str(src), "--out", str(out), "--check", "none"]) == 0
    monkeypatch.chdir(out / "pointwise")
    found = describe_data("train.jsonl")
    assert (found["task"], found["prompt"]) == (dfj_pointwise.NAME, judge.POINT)
    assert describe_data(str(out / "pairwise" / "test.jsonl"))["task"] == dfj_pairwise.NAME


OTHERS = {
    "nothing": "",
    "not json": "{",
    "not utf-8": b'{"files": "\xff"}',
    "deep": "[" * 100_000,
    "a list": "[1]",
    "a text": '"files"',
    "files as a list": '{"files": ["test.jsonl"], "task": "loki_tf"}',
    "files as a text": '{"files": "test.jsonl", "task": "loki_tf"}',
    "hashes as objects": '{"files": {"test.jsonl": {"sha256": "0"}}, "task": "loki_tf"}',
    "another file": '{"files": {"train.jsonl": "0"}, "task": "loki_tf"}',
    "no task": '{"files": {"test.jsonl": "0"}}',
    "a task that is no name": '{"files": {"test.jsonl": "0"}, "task": ["loki_tf"]}',
    "subsets as a list": '{"files": {"test.jsonl": "0"}, "subsets": ["test"]}',
    "another subset": '{"files": {"test.jsonl": "0"}, "subsets": {"train": {"task": "loki_tf"}}}',
}


@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS)
def test_a_manifest_of_something_else_tells_nothing(file, content):
    (file.parent / FILE).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert describe_data(str(file)) == {"path": str(file), "sha256": sha256_file(file)}
    describe(file.parents[2], file, **OURS)  # nor does it hide the one above
    assert describe_data(str(file))["task"] == loki_tf.NAME


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: os.symlink(path, path)], ids=["folder", "loop of links"])
def test_a_manifest_that_cannot_be_read_tells_nothing(file, make):
    make(file.parent / FILE)
    assert describe_data(str(file)) == {"path": str(file), "sha256": sha256_file(file)}


def test_a_manifest_of_ours_is_held_against_the_file_and_the_task(file):
    describe(file.parents[3], file, subsets={"b/c/d": OURS | {"task_version": "0"}})
    with pytest.raises(ValueError, match=f"{file} was made for loki_tf 0, this is {loki_tf.VERSION}"):
        describe_data(str(file))
    describe(file.parents[3], file, subsets={"b/c/d": OURS})
    file.write_text("{}\n\n")
    with pytest.raises(ValueError, match=r"is not the file that .* describes: convert the dataset again"):
        describe_data(str(file))
