"""What the scorers of LOKI's questions share: the parts of a row, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.scorers.base import check_texts
from swift_plugins.core.tasks.verdicts import VERDICTS

DIMENSIONS = ("category", "generator", "label", "asks")
NO_TABLE = "no table for LOKI's own questions"


def check_meta(meta: Mapping[str, Any]) -> None:
    """ValueError unless what a question is scored by has its form."""
    for key in ("label", "asks"):
        if meta.get(key) not in VERDICTS:
            raise ValueError(f"meta.{key} must be real or fake, got {meta.get(key)!r:.40}")
    check_texts(meta, DIMENSIONS)
