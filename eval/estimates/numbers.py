"""Metrics as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import swift_plugins  # noqa: F401


def number(metric: dict[str, Any] | None, decimals: int = 1, interval: bool = True, sign: bool = False) -> str:
    """ "99.5 [98.5, 100.0]", or a dash where there is no value; with `sign` "+99.5"."""
    if metric is None or metric["value"] is None:
        return "–"
    form = f"{'+' if sign else ''}.{decimals}f"
    text = format(metric["value"], form)
    if interval and metric["ci95"]:
        text += " [" + ", ".join(format(end, form) for end in metric["ci95"]) + "]"
    return text


def counts(metric: dict[str, Any]) -> list[str]:
    """n, clusters and design effect of a metric, a dash for what is not known."""
    deff = metric.get("deff")
    return [str(metric["n"]), str(metric.get("clusters", "–")), "–" if deff is None else f"{deff:.2f}"]


def counted(metric: dict[str, Any]) -> str:
    """ "n 2000, clusters 200, deff 3.95", of a metric with a value."""
    n, clusters, deff = counts(metric)
    return f"n {n}, clusters {clusters}, deff {deff}"


def with_n(metric: dict[str, Any] | None, decimals: int = 1) -> str:
    """ "99.5 [98.5, 100.0], n 2000, clusters 200, deff 3.95", or a dash where there is no value."""
    text = number(metric, decimals)
    return text if metric is None or metric["value"] is None else f"{text}, {counted(metric)}"


def p_text(metric: dict[str, Any]) -> str:
    """The p-value of a difference, or a dash."""
    return "–" if metric["p_value"] is None else f"{metric['p_value']:.3g}"


def reasons(metrics: Mapping[str, dict[str, Any]]) -> dict[str, list[str]]:
    """reason -> the names of the metrics that have no value for it."""
    found: dict[str, list[str]] = {}
    for name, metric in metrics.items():
        if metric["value"] is None:
            found.setdefault(metric["reason"], []).append(name)
    return found
