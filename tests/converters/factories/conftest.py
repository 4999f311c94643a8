"""Rows with gold rationales, as the factories take them."""

from __future__ import annotations

from pathlib import Path

import pytest

from converters import deepfakejudge_to_swift, fakeclue_to_swift, sample_deepfakejudge, sample_fakeclue

IMAGES = 12


@pytest.fixture(scope="session")
def reasoned(tmp_path_factory) -> Path:
    """The rows of dfj-reason of a small sample; read them, do not change them."""
    folder = tmp_path_factory.mktemp("reasoned")
    counts = ["--train", "1", "--test", "1", "--human", "1", "--bench", str(2 * IMAGES)]
    assert sample_deepfakejudge.main(["--out", str(folder / "raw"), *counts]) == 0
    options = ["--src", str(folder / "raw"), "--out", str(folder / "data"), "--check", "none"]
    assert deepfakejudge_to_swift.main(options) == 0
    return folder / "data" / "reason" / "test.jsonl"


@pytest.fixture(scope="session")
def labelled(tmp_path_factory) -> Path:
    """Rows on images of FakeClue's seven categories, test.jsonl beside train.jsonl; read them, do not change them."""
    folder = tmp_path_factory.mktemp("labelled")
    assert sample_fakeclue.main(["--out", str(folder / "raw"), "--train", "56", "--test", "14"]) == 0
    options = ["--src", str(folder / "raw"), "--out", str(folder / "data"), "--check", "none"]
    assert fakeclue_to_swift.main(options) == 0
    return folder / "data" / "train.jsonl"
