"""Two runs on the same rows: their difference, its interval, and a test that exchanges their answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from eval.estimates.clusters import Estimate, Statistic, rounded
from eval.estimates.intervals import t_quantile

SWAPS, SEED = 1999, 0
_SAME = 1e-9  # differences that are closer differ by rounding only


def exchanges(apart: np.ndarray) -> tuple[np.ndarray, int]:
    """(lines of flags, which clusters are exchanged, and how many more lines count as at least as extreme).

    Where the runs differ in few clusters every exchange of them, one of each two that mirror one another; else SWAPS
    random ones, beside which the one that was observed counts too (Phipson and Smyth 2010).
    """
    places = np.flatnonzero(apart)
    if len(places) <= np.log2(SWAPS) + 1:
        some = np.arange(2 ** max(0, len(places) - 1))[:, None] >> np.arange(len(places)) & 1
        more = 0
    else:
        some, more = np.random.default_rng(SEED).integers(0, 2, (SWAPS, len(places))), 1
    lines = np.zeros((len(some), len(apart)), bool)
    lines[:, places] = some
    return lines, more


def p_value(this: Statistic, other: Statistic) -> float:
    """How often a difference at least as large comes about if it does not matter which of both runs a cluster is of.

    A permutation test of whole clusters (Fisher 1935; for paired systems Noreen 1989), two-sided: the answers of both
    are exchanged cluster by cluster, and the metrics are computed anew. Where a metric is then undefined, it counts
    against the difference.
    """
    lines, more = exchanges(this.apart(other))
    observed = abs(this.swapped(other, np.zeros((1, lines.shape[1]), bool))[0])
    with np.errstate(invalid="ignore"):
        extreme = ~(abs(this.swapped(other, lines)) < observed - _SAME)
    return float((extreme.sum() + more) / (len(lines) + more))


def difference(this: Estimate, other: Estimate) -> dict[str, Any]:
    """this - other on the same rows: {"value", "ci95", "n", "clusters", "p_value"}, or null with a reason.

    The interval is value +- t se, from the differences of what the clusters add to both.
    """
    if this.value is None or other.value is None:
        reason = this.reason or other.reason
        return {"value": None, "ci95": None, "n": this.n, "p_value": None, "reason": reason}
    value, ends = this.value - other.value, None
    error = float(np.sqrt(((this.statistic.influence - other.statistic.influence) ** 2).sum()))
    if np.isfinite(error) and error > 1e-9:
        half = t_quantile(min(this.statistic.degrees, other.statistic.degrees)) * error
        ends = [rounded(value - half), rounded(value + half)]
    p = rounded(p_value(this.statistic, other.statistic))
    return {"value": rounded(value), "ci95": ends, "n": this.n, "clusters": this.statistic.clusters, "p_value": p}


def differences(this: Mapping[str, Estimate], other: Mapping[str, Estimate]) -> dict[str, Any]:
    missing = Estimate(None, 0, "the other run has none")
    return {name: difference(this[name], other.get(name, missing)) for name in this}
