"""How these tests convert."""

from __future__ import annotations

from typing import Any

import pytest

from tests.converters.loki.making import Converted, source


@pytest.fixture
def convert(tmp_path):
    """Convert subsets with options, by default without a look at the media."""
    count = iter(range(100))

    def call(parts: dict[str, Any], *options: str) -> Converted:
        folder = tmp_path / str(next(count))
        return Converted(source(folder / "LOKI", parts), folder / "out", "--check", "none", *options)

    return call
