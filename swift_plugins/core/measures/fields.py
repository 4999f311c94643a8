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


def explanation_score(row: Mapping[str, Any]) -> float | None:
    """A judge's score of the row's explanation, 0, 0.5 or 1; None where it has none."""
    return None if row.get("explanation_score") is None else _on_scale("explanation_score", row["explanation_score"])


def explanation_scores(row: Mapping[str, Any]) -> list[float]:
    """The scores of a judge that was asked several times, else the one, if any."""
    score, stated = explanation_score(row), row.get("explanation_scores")
    if stated is None:
        return [] if score is None else [score]
    if not isinstance(stated, list):
        raise ValueError(f"explanation_scores must be a list, got {stated!r:.80}")
    return [_on_scale("explanation_scores", score) for score in stated]


def _on_scale(key: str, score: Any) -> float:
    if isinstance(score, bool) or score not in (0, 0.5, 1):
        raise ValueError(f"{key} must be 0, 0.5 or 1, got {score!r:.40}")
    return float(score)
