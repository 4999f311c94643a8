"""Two runs on the same rows: their difference, its interval, and a test that exchanges their answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from eval.estimates.clusters import Estimate, Statistic, rounded
from eval.estimates.intervals import detectable, t_quantile

SWAPS, SEED = 1999, 0
_SAME = 1e-9  # differences that are closer differ by rounding only
NOT_MEASURED = Estimate(None, 0, "the other run has none")
_BLOCK = 2_000_000  # flags at once: bounds the memory for any number of rows


def exchanges(apart: np.ndarray) -> tuple[Iterator[np.ndarray], int]:
    """(blocks of lines of flags, which clusters are exchanged, and how many more lines count as at least as extreme).

    Where the runs differ in few clusters every exchange of them, one of each two that mirror one another; else SWAPS
    random ones, beside which the one that was observed counts too (Phipson and Smyth 2010).
    """
    places = np.flatnonzero(apart)
    if len(places) <= np.log2(SWAPS) + 1:
        some = np.arange(2 ** max(0, len(places) - 1))[:, None] >> np.arange(len(places)) & 1
        return iter([_lines(some, places, len(apart))]), 0
    rng = np.random.default_rng(SEED)
    sizes = np.diff([*range(0, SWAPS, max(1, _BLOCK // len(apart))), SWAPS])
    # The first of 32 random bits each: the draws of rng.integers(0, 2), in half the time.
    draws = (rng.integers(0, 2**32, (size, len(places)), np.uint32) >= 2**31 for size in sizes)
    return (_lines(some, places, len(apart)) for some in draws), 1


def _lines(some: np.ndarray, places: np.ndarray, count: int) -> np.ndarray:
    lines = np.zeros((len(some), count), bool)
    lines[:, places] = some
    return lines


def p_values(pairs: Sequence[tuple[Statistic, Statistic]]) -> list[float]:
    """How often a difference at least as large comes about if it does not matter which of both runs a cluster is of.

    A permutation test of whole clusters (Fisher 1935; for paired systems Noreen 1989), two-sided: the answers of both
    are exchanged cluster by cluster, and the metrics are computed anew. Where a metric is then undefined, it counts
    against the difference. Pairs that differ in the same clusters are tested by the same exchanges.
    """
    apart = [this.apart(other) for this, other in pairs]
    groups: dict[bytes, list[int]] = {}
    for i, flags in enumerate(apart):
        groups.setdefault(np.packbits(flags).tobytes(), []).append(i)
    found = [0.0] * len(pairs)
    for group in groups.values():
        flags, extreme, count = apart[group[0]], dict.fromkeys(group, 0), 0
        none = np.zeros((1, len(flags)), bool)
        observed = {i: abs(pairs[i][0].swapped(pairs[i][1], none)[0]) for i in group}
        blocks, more = exchanges(flags)
        for lines in blocks:
            count += len(lines)
            for i in group:
                with np.errstate(invalid="ignore"):
                    extreme[i] += (~(abs(pairs[i][0].swapped(pairs[i][1], lines)) < observed[i] - _SAME)).sum()
        for i in group:
            found[i] = float((extreme[i] + more) / (count + more))
    return found


def difference(
    this: Estimate, other: Estimate, error: float, degrees: float, p: float | None, span: float
) -> dict[str, Any]:
    """this - other on the same rows, with its standard error and the p of its test, or null with a reason.

    {"value", "ci95", "n", "clusters", "p_value", "detectable"}: the interval is value +- t se within -span..span, the
    length of the scale; `detectable` follows from the same se (intervals.detectable), None without one and where no two
    values of the scale are so far apart.
    """
    if this.value is None or other.value is None or p is None:
        reason = this.reason or other.reason
        return {"value": None, "ci95": None, "n": this.n, "p_value": None, "reason": reason}
    value, ends, least = this.value - other.value, None, None
    if np.isfinite(error) and error > 1e-9:
        half, found_from = t_quantile(degrees) * error, detectable(degrees, error)
        ends = [rounded(max(value - half, -span)), rounded(min(value + half, span))]
        least = rounded(found_from) if found_from <= span else None
    found = {"value": rounded(value), "ci95": ends, "n": this.n, "clusters": this.statistic.clusters}
    return found | {"p_value": rounded(p), "detectable": least}


def _apart(this: Estimate, other: Estimate, p: float | None, span: float) -> dict[str, Any]:
    """Their difference, whose error is that of what the clusters add to both."""
    if p is None:
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
