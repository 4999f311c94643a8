"""How well one rating of few levels agrees with another: scores of a judge with true ones, or those of two people.

The metrics' intervals and tests come from the table of counts of (true, answered) alone, as each of these metrics is a
function of it; Krippendorff's alpha, of any number of ratings a row, from sums of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.estimates.clusters import Clusters, Estimate, Interval
from eval.estimates.intervals import fisher, log, plain
from eval.estimates.shares import shares
from eval.estimates.statistics import (
    cohen_kappa,
    mean_absolute_error,
    mean_squared_error,
    pearson,
    root_mean_squared_error,
    spearman,
)
from eval.estimates.sums import Of, sums

CONSTANT = "undefined for a constant answer"
CONSTANT_TRUTH = "undefined for a constant truth"
INTERVALS: dict[str, Interval] = {"mse": log, "rmse": log, "mae": log, "bias": plain}  # of the others Fisher's


def agreement(
    truth: Sequence[int], answer: Sequence[int], levels: int, rows: np.ndarray, clusters: Clusters
) -> dict[str, Estimate]:
    """rmse, mae, mse, bias (answer - truth), pearson, spearman, qwk, cohen_kappa; of 0..100 within_one, raw_agreement.

    Ratings are 1..levels, one for each of `rows`.
    """
    x, y = np.asarray(truth), np.asarray(answer)
    cell = np.zeros((len(x), levels * levels))
    cell[np.arange(len(x)), (x - 1) * levels + y - 1] = 1
    whole = np.ones(len(x))
    found = shares(
        {"within_one": (100.0 * (abs(x - y) <= 1), whole), "raw_agreement": (100.0 * (x == y), whole)}, clusters, rows
    )
    for name, value in values(x, y, levels).items():
        if isinstance(value, str):
            found[name] = Estimate(None, len(x), value)
        else:
            statistic = sums(cell, of_cells(name, levels), clusters, rows)
            found[name] = Estimate(value, len(x), statistic=statistic, interval=INTERVALS.get(name, fisher))
    return found


def of_cells(name: str, levels: int) -> Of:
    """The metric of that name as a function of the counts in one line."""
    return lambda cells: FROM_COUNTS[name](cells.reshape(*cells.shape[:-1], levels, levels))


def values(x: np.ndarray, y: np.ndarray, levels: int) -> dict[str, float | str]:
    """The metrics that are no shares, or the reason why one has no value."""
    found: dict[str, float | str] = {
        "mse": mean_squared_error(x, y),
        "rmse": root_mean_squared_error(x, y),
        "mae": mean_absolute_error(x, y),
        "bias": float(np.mean(y - x)),
    }
    constant = CONSTANT if np.ptp(y) == 0 else CONSTANT_TRUTH if np.ptp(x) == 0 else None
    found["pearson"] = constant or pearson(x, y)
    found["spearman"] = constant or spearman(x, y)
    one = np.ptp(np.concatenate([x, y])) == 0
    counts, apart = np.zeros((levels, levels)), _apart(levels)
    np.add.at(counts, (x - 1, y - 1), 1)
    for name, weights in (("qwk", apart**2), ("cohen_kappa", (apart != 0).astype(float))):
        kappa = "undefined where truth and answers are one and the same value" if one else None
        found[name] = kappa or cohen_kappa(counts, weights)
    return found


def _apart(levels: int) -> np.ndarray:
    """answered - true level of each cell of a table of counts."""
    level = np.arange(1.0, levels + 1)
    return level[None, :] - level[:, None]


def _pearson(counts: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's r of the values x of the lines and y of the columns."""
    of_x, of_y = counts.sum(-1), counts.sum(-2)
    total = of_x.sum(-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        x = x - (of_x * x).sum(-1, keepdims=True) / total
        y = y - (of_y * y).sum(-1, keepdims=True) / total
    shared = np.einsum("...ij,...i,...j->...", counts, x, y)
    square = (of_x * x**2).sum(-1) * (of_y * y**2).sum(-1)
    return shared / np.sqrt(np.where(square > 1e-12, square, np.nan))


def _ranks(marginal: np.ndarray) -> np.ndarray:
    """The mean rank of the rows of each level."""
    return np.cumsum(marginal, -1) - marginal / 2


def _kappa(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Cohen's weighted kappa (Cohen 1968): 1 - observed / expected disagreement."""
    expected = counts.sum(-1)[..., :, None] * counts.sum(-2)[..., None, :]
    observed = (counts * weights).sum((-2, -1)) * counts.sum((-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - observed / (expected * weights).sum((-2, -1))


def _mean(counts: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The mean of what each cell of a table is worth."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return (counts * values).sum((-2, -1)) / counts.sum((-2, -1))


def _of_levels(counts: np.ndarray) -> np.ndarray:
    level = np.arange(1.0, counts.shape[-1] + 1)
    return _pearson(counts, level, level)


# The metrics of each table of counts (…, true level, answered level); nan where one is undefined.
FROM_COUNTS: dict[str, Of] = {
    "mse": lambda counts: _mean(counts, _apart(counts.shape[-1]) ** 2),
    "rmse": lambda counts: np.sqrt(_mean(counts, _apart(counts.shape[-1]) ** 2)),
    "mae": lambda counts: _mean(counts, abs(_apart(counts.shape[-1]))),
    "bias": lambda counts: _mean(counts, _apart(counts.shape[-1])),
    "pearson": _of_levels,
    "spearman": lambda counts: _pearson(counts, _ranks(counts.sum(-1)), _ranks(counts.sum(-2))),
    "qwk": lambda counts: _kappa(counts, _apart(counts.shape[-1]) ** 2),
    "cohen_kappa": lambda counts: _kappa(counts, (_apart(counts.shape[-1]) != 0).astype(float)),
}


def krippendorff(ratings: Sequence[Sequence[float]], rows: np.ndarray, clusters: Clusters) -> Estimate:
    """Krippendorff's alpha (2011, the interval metric: squared distances) of the ratings that each of `rows` has.

    Who gave them does not matter, nor how many there are; a row with less than two tells nothing. At most 1.
    """
    some = [(row, np.asarray(rated, float)) for row, rated in zip(rows, ratings, strict=True) if len(rated) > 1]
    if not some:
        return Estimate(None, 0, "no row was rated twice")
    # For each row: its disagreement, and the number, the sum and the squares' sum of its ratings.
    parts = np.array([[2 * len(x) * x.var() * len(x) / (len(x) - 1), len(x), x.sum(), (x**2).sum()] for _, x in some])
    everything = np.concatenate([rated for _, rated in some])
    if np.ptp(everything) == 0:
        return Estimate(None, len(some), "undefined where all ratings are one and the same value")
    statistic = sums(parts, _alpha, clusters, np.array([row for row, _ in some]))
    return Estimate(float(_alpha(parts.sum(0))), len(some), statistic=statistic, interval=fisher)


def _alpha(totals: np.ndarray) -> np.ndarray:
    """1 - observed / expected disagreement, of the sums of krippendorff's parts."""
    apart, n, total, squares = np.moveaxis(totals, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - (apart / n) / (2 * (n * squares - total**2) / (n * (n - 1)))
