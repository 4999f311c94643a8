"""The numbers that prediction and judges leave in a row, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import swift_plugins  # noqa: F401


def number_within(row: Mapping[str, Any], key: str, low: float, high: float) -> float | None:
    """row[key], a number of low..high, or None where there is none."""
    value = row.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{key} must be a number of {low:g}..{high:g}, got {value!r:.40}")
    return float(value)


def choice_probs(row: Mapping[str, Any], choices: Sequence[str]) -> dict[str, float] | None:
    """The probabilities of the choices, made to add up to 1, or None where the back end gave none."""
    stated = row.get("choice_probs")
    if stated is None:
        return None
    if not isinstance(stated, dict) or stated.keys() != set(choices):
        raise ValueError(f"choice_probs must name {', '.join(choices)}, got {stated!r:.80}")
    try:
        found = {choice: number_within(stated, choice, 0, 1) for choice in choices}
        total = math.fsum(value for value in found.values() if value is not None)
        if None in found.values() or total == 0:
            raise ValueError("they must be numbers that are not all 0")
    except ValueError as error:
        raise ValueError(f"choice_probs: {error}") from None
    return {choice: (value or 0.0) / total for choice, value in found.items()}
