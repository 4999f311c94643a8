"""The figures that several tasks' pages have: calibration, ROC and precision-recall of P(fake), and distributions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.estimates.calibration import bins_of
from eval.scorers.base import Figure

STEPS = 300  # points of a curve that are drawn
BARS = 20  # of a distribution


def of_probabilities(known: Sequence[tuple[float, bool]]) -> list[Figure]:
    """Calibration, and where there are both classes ROC and precision-recall, of (P(fake), whether it is a fake)."""
    if not known:
        return []
    p, fake = (np.array(values) for values in zip(*known, strict=True))
    return [reliability(p, fake), *(curves(p, fake) if 0 < fake.sum() < len(fake) else [])]


def reliability(p: np.ndarray, fake: np.ndarray) -> Figure:
    """The share of fakes in each bin of P(fake) against its mean."""
    which, points = bins_of(p), []
    for some in (which == i for i in np.unique(which)):
        n, mean, share = int(some.sum()), float(p[some].mean()), float(fake[some].mean())
        title = f"{n} rows: mean P(fake) {mean:.3f}, share of fakes {share:.3f}"
        points.append((mean, share, 3 + 12 * (n / len(p)) ** 0.5, title))
    return Figure("Reliability of P(fake)", "mean P(fake) of the bin", "share of fakes (area: rows)", points)


def curves(p: np.ndarray, fake: np.ndarray) -> list[Figure]:
    """ROC and precision-recall: a row counts as fake from each P(fake) on that a row has."""
    order = np.argsort(-p, kind="stable")
    last = np.append(np.flatnonzero(np.diff(p[order])), len(p) - 1)  # rows of the same P(fake) go together
    hits, called = np.cumsum(fake[order])[last], last + 1
    recall, false_alarms, precision = hits / fake.sum(), (called - hits) / (~fake).sum(), hits / called
    roc = _thinned(np.append(0, false_alarms), np.append(0, recall))
    pr = _thinned(np.append(0, recall), np.append(precision[0], precision))
    found, among = "fakes found, share", "fakes among those called so"
    return [
        Figure("ROC of P(fake)", "reals called fake, share", found, line=roc),
        Figure("Precision and recall of P(fake)", found, among, line=pr, diagonal=False),
    ]


def _thinned(x: np.ndarray, y: np.ndarray) -> list[tuple[float, float]]:
    places = np.unique(np.linspace(0, len(x) - 1, STEPS).astype(int))
    return list(zip(x[places].tolist(), y[places].tolist(), strict=True))


def distribution(title: str, x: str, values: Sequence[float], high: float = 100) -> list[Figure]:
    """How many rows have a value, from 0 to `high`, in each of BARS equal stretches; nothing without values."""
    if not values:
        return []
    counts, edges = np.histogram(np.clip(values, 0, high), BARS, (0, high))
    most = int(counts.max())
    bars = [
        (low / high, up / high, count / most, f"{low:g} to {up:g}: {count} rows")
        for low, up, count in zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
        if count
    ]
    ends = [(place, f"{place * high:g}") for place in (0, 0.5, 1)]
    y, ticks = f"rows, of {len(values)}", [(0, "0"), (1, str(most))]
    return [Figure(title, x, y, (), ticks, bars=bars, diagonal=False, x_ticks=ends)]
