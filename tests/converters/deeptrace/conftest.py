"""How these tests convert."""

from __future__ import annotations

from typing import Any

import pytest

from tests.converters.deeptrace.making import Converted, source


@pytest.fixture
def convert(tmp_path):
    """Convert rows with options; each call has a folder of its own."""
    count = iter(range(100))

    def call(rows: list[Any], *options: str) -> Converted:
        folder = tmp_path / str(next(count))
        return Converted(source(folder / "RewardData", *rows), folder / "out", *options)

    return call
