"""Metrics as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def number(metric: dict[str, Any] | None, decimals: int = 1, interval: bool = True, sign: bool = False) -> str:
    """ "99.5 [98.5, 100.0]", or a dash where there is no value; with `sign` "+99.5"."""
    if metric is None or metric["value"] is None:
        return "–"
    form = f"{'+' if sign else ''}.{decimals}f"
    text = format(metric["value"], form)
    if interval and metric["ci95"]:
        text += " [" + ", ".join(format(end, form) for end in metric["ci95"]) + "]"
    return text


def reasons(metrics: Mapping[str, dict[str, Any]]) -> dict[str, list[str]]:
    """reason -> the names of the metrics that have no value for it."""
    found: dict[str, list[str]] = {}
    for name, metric in metrics.items():
        if metric["value"] is None:
            found.setdefault(metric["reason"], []).append(name)
    return found
