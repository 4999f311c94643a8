"""Datasets that several of these tests convert."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from converters import sample_deepfakejudge
from tests.converters.deepfakejudge.making import Converted, source


@pytest.fixture
def convert(tmp_path):
    """Convert subsets with options, by default without a look at the media; each call has a folder of its own."""
    count = iter(range(100))

    def call(parts: dict[str, list[Any] | bytes], *options: str) -> Converted:
        folder = tmp_path / str(next(count))
        return Converted(source(folder / "Judge", parts), folder / "out", "--check", "none", *options)

    return call


@pytest.fixture
def one(convert):
    """The one training row that one raw row of a subset becomes."""

    def call(name: str, row: dict[str, Any]) -> dict[str, Any]:
        done = convert({name: [row]})
        assert not done.rejects
        return done.rows[0]

    return call


@pytest.fixture(scope="session")
def judge_sample(tmp_path_factory) -> Path:
    """A synthetic dataset with all subsets; read it, do not change it."""
    folder = tmp_path_factory.mktemp("sample") / "Judge"
    sizes = ["--train", "4", "--test", "4", "--human", "4", "--bench", "8"]
    assert sample_deepfakejudge.main(["--out", str(folder), *sizes]) == 0
    return folder


@pytest.fixture(scope="session")
def whole(judge_sample, tmp_path_factory) -> Converted:
    return Converted(judge_sample, tmp_path_factory.mktemp("whole") / "out", "--check", "decode")
