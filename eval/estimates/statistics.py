"""Statistics of all rows on numpy alone, each equal to scikit-learn's or scipy's to the last bit, as tests hold.

Loading those two takes longer than most files take to score.
"""

from __future__ import annotations

import math

import numpy as np

import swift_plugins  # noqa: F401


def f1_score(true: np.ndarray, answered: np.ndarray) -> float:
    """F1 of the class that is True, of two arrays of booleans with a True in one of them."""
    return 2 * int((true & answered).sum()) / int(true.sum() + answered.sum())


def roc_auc(true: np.ndarray, score: np.ndarray) -> float:
    """The area under the ROC curve, 0..1, summed between its corners; both classes must be there."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)  # of each group of equal scores
    hits = np.cumsum(true[order].astype(float))[last]
    alarms = 1 + last - hits
    corner = np.ones(len(last), bool)
    corner[1:-1] = (np.diff(alarms, 2) != 0) | (np.diff(hits, 2) != 0)
    hits, alarms = (np.append(0, counts[corner]) for counts in (hits, alarms))
    x, y = alarms / alarms[-1], hits / hits[-1]
    return float((np.diff(x) * (y[1:] + y[:-1]) / 2.0).sum())


def brier_score(true: np.ndarray, p: np.ndarray) -> float:
    """The mean squared difference of the probability of True and the truth, summed over both classes and halved."""
    y = true.astype(float)
    return 0.5 * float(np.mean(((1 - y) - (1 - p)) ** 2 + (y - p) ** 2))


def mean_squared_error(x: np.ndarray, y: np.ndarray) -> float:
    # A column, as scikit-learn has it: numpy sums it in another order than a line.
    return float(((x - y).astype(float)[:, None] ** 2).mean(axis=0)[0])


def root_mean_squared_error(x: np.ndarray, y: np.ndarray) -> float:
    return math.sqrt(mean_squared_error(x, y))  # not ** 0.5, which may differ in the last bit


def mean_absolute_error(x: np.ndarray, y: np.ndarray) -> float:
    return float(abs(x - y).astype(float)[:, None].mean(axis=0)[0])


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's r of two arrays that are not constant, -1..1."""
    unit_x, unit_y = (_unit(values - values.mean()) for values in (x.astype(float), y.astype(float)))
    r = float(np.clip(np.dot(unit_x, unit_y), -1, 1))
    return float(round(r)) if len(x) == 2 else r


def _unit(values: np.ndarray) -> np.ndarray:
    most = abs(values).max()
    return values / (most * np.sqrt(((values / most) ** 2).sum()))


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rank correlation; equal values have the mean of their ranks."""
    return float(np.corrcoef(_ranks(x), _ranks(y))[1, 0])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def cohen_kappa(counts: np.ndarray, weights: np.ndarray) -> float:
    """Cohen's kappa (1960; weighted 1968) of a table of counts (true, answered) and weights of disagreement."""
    expected = np.outer(counts.sum(0), counts.sum(1)) / counts.sum()
    return float(1 - np.sum(weights * counts) / np.sum(weights * expected))
