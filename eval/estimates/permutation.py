"""Two runs on the same rows: their difference, its interval, and a test that exchanges their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from eval.estimates.clusters import Estimate, Statistic, rounded
from eval.estimates.intervals import detectable, t_quantile
from eval.estimates.swaps import Swaps, every_swap, is_few, random_swaps

Pairs = Sequence[tuple[Statistic, Statistic]]  # of one metric of two runs each
_SAME = 1e-9  # differences that are closer differ by rounding only
NOT_MEASURED = Estimate(None, 0, "the other run has none")


def p_values(pairs: Pairs) -> list[float | None]:
    """How often a difference at least as large comes about if it does not matter which of both runs a cluster is of.

    A permutation test of whole clusters (Fisher 1935; for paired systems Noreen 1989), two-sided: the answers of both
    are exchanged cluster by cluster, and the metrics are computed anew. Where a metric is then undefined, it counts
    against the difference. Every exchange is made of few clusters that differ, else the same random ones for all pairs.
    None for runs that are not on the same rows with the same truth.
    """
    groups: dict[bytes, tuple[np.ndarray, list[int]]] = {}
    for i, (this, other) in enumerate(pairs):
        if (apart := this.apart(other)) is not None:
            key = np.packbits(apart).tobytes() if is_few(apart) else b""
            groups.setdefault(key, (apart, []))[1].append(i)
    found: list[float | None] = [None] * len(pairs)
    for key, (apart, group) in groups.items():
        swaps = every_swap(apart) if key else random_swaps(len(apart))
        for i, values in zip(group, swapped([pairs[i] for i in group], swaps), strict=True):
            with np.errstate(invalid="ignore"):
                found[i] = float((~(abs(values) < abs(values[0]) - _SAME)).mean())
    return found


def swapped(pairs: Pairs, swaps: Swaps) -> list[np.ndarray]:
    """this - other of each pair after each exchange, (lines,). What many metrics are made of is summed once."""
    changes = [this.changes(other) for this, other in pairs]
    columns = {column.tobytes(): column for change in changes for column in change.T}
    sums = dict(zip(columns, swaps.sums(np.column_stack([*columns.values()])).T, strict=True))
    return [
        this.swapped(other, np.column_stack([sums[column.tobytes()] for column in change.T]), swaps)
        for (this, other), change in zip(pairs, changes, strict=True)
    ]


def difference(
    this: Estimate, other: Estimate, error: float, degrees: float, p: float | None, span: float
) -> dict[str, Any]:
    """this - other on the same rows, with its standard error and the p of its test, if any, or null with a reason.

    {"value", "ci95", "n", "clusters", "p_value", "detectable"}: the interval is value +- t se within -span..span, the
    length of the scale; `detectable` follows from the same se (intervals.detectable), None without one and where no two
    values of the scale are so far apart.
    """
    if this.value is None or other.value is None:
        reason = this.reason or other.reason
        return {"value": None, "ci95": None, "n": this.n, "p_value": None, "reason": reason}
    value, ends, least = this.value - other.value, None, None
    if np.isfinite(error) and error > 1e-9:
        half, found_from = t_quantile(degrees) * error, detectable(degrees, error)
        ends = [rounded(max(value - half, -span)), rounded(min(value + half, span))]
        least = rounded(found_from) if found_from <= span else None
    found = {"value": rounded(value), "ci95": ends, "n": this.n, "clusters": this.statistic.clusters}
    return found | {"p_value": None if p is None else rounded(p), "detectable": least}


def _apart(this: Estimate, other: Estimate, p: float | None, span: float) -> dict[str, Any]:
    """Their difference, whose error is that of what the clusters add to both."""
    if None in (this.value, other.value):
        return difference(this, other, np.nan, 0, None, span)
    error = float(np.sqrt(((this.statistic.influence - other.statistic.influence) ** 2).sum()))
    return difference(this, other, error, min(this.statistic.degrees, other.statistic.degrees), p, span)


def differences(
    this: Mapping[str, Estimate], other: Mapping[str, Estimate], spans: Mapping[str, float]
) -> dict[str, Any]:
    """name -> the difference of each metric of both; `spans` are the lengths of their scales."""
    others = {name: other.get(name, NOT_MEASURED) for name in this}
    known = [name for name in this if None not in (this[name].value, others[name].value)]
    p = dict(zip(known, p_values([(this[name].statistic, others[name].statistic) for name in known]), strict=True))
    return {name: _apart(this[name], others[name], p.get(name), spans[name]) for name in this}
