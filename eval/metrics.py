"""What the scorers of all tasks share: ratio metrics with clustered bootstrap intervals, and ROUGE-L."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

REPLICATES, SEED = 2000, 0
Key = TypeVar("Key", bound=Hashable)
Column = tuple[np.ndarray, np.ndarray]  # numerators and denominators, one entry a row
_BLOCK = 4_000_000  # weights drawn at once: bounds the memory for any number of clusters


@dataclass(frozen=True)
class Estimate:
    """A metric of 0..100: value, n (rows measured), its bootstrap replicates; `reason` says why there is no value.

    `clusters` counts the clusters measured. Where all of them agree on 0 or 100 the bootstrap has nothing to vary and
    would give a point; then the exact binomial bound (Clopper and Pearson 1934) for that many clusters stands.
    """

    value: float | None
    n: int = 0
    samples: np.ndarray | None = None
    reason: str | None = None
    clusters: int = 0

    def as_json(self) -> dict[str, Any]:
        """{"value", "ci95": [lo, hi] or null, "n"} and "reason" where the value is null."""
        if self.value is None:
            return {"value": None, "ci95": None, "n": self.n, "reason": self.reason}
        interval = None
        if self.samples is not None and not np.isnan(self.samples).all():
            low, high = (float(x) for x in np.nanpercentile(self.samples, [2.5, 97.5]))
            if low == high and self.value in (0.0, 100.0) and self.clusters:
                unseen = 100 * (1 - 0.025 ** (1 / self.clusters))
                low, high = (0.0, unseen) if self.value == 0 else (100 - unseen, 100.0)
            interval = [round(low, 4), round(high, 4)]
        return {"value": round(self.value, 4), "ci95": interval, "n": self.n}


def estimate(
    columns: Mapping[Key, Column],
    clusters: Sequence[str],
    replicates: int = REPLICATES,
    seed: int = SEED,
) -> dict[Key, Estimate]:
    """Estimate sum(numerator) / sum(denominator) of each column, with replicates of a seeded cluster bootstrap.

    A column holds two arrays of shape (rows,). Rows of one cluster are drawn together, as traces of one video are not
    independent. All columns share the drawn weights, so replicates of different columns can be combined or compared.
    """
    names, index = np.unique(np.asarray(clusters), return_inverse=True)
    sums = [[np.bincount(index, weights=part, minlength=len(names)) for part in pair] for pair in columns.values()]
    numerators, denominators = (np.array([pair[i] for pair in sums]).T for i in (0, 1))
    rng = np.random.default_rng(seed)
    samples = np.empty((replicates, len(columns)))
    block = max(1, _BLOCK // len(names))
    for begin in range(0, replicates, block):
        size = min(block, replicates - begin)
        weights = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=size).astype(float)
        with np.errstate(invalid="ignore"):
            samples[begin : begin + size] = (weights @ numerators) / (weights @ denominators)
    found: dict[Key, Estimate] = {}
    for i, (key, (numerator, denominator)) in enumerate(columns.items()):
        n, total = int(np.count_nonzero(denominator)), float(denominator.sum())
        if n == 0:
            found[key] = Estimate(None, 0, None, "no row to measure it on")
        else:
            count = int(np.count_nonzero(denominators[:, i]))
            spread = samples[:, i] if count > 1 else None  # one cluster alone tells nothing of the spread
            found[key] = Estimate(float(numerator.sum()) / total, n, spread, clusters=count)
    return found


def number(metric: dict[str, Any] | None, interval: bool = True) -> str:
    """ "99.5 [98.5, 100.0]", or a dash where there is no value."""
    if metric is None or metric["value"] is None:
        return "–"
    text = f"{metric['value']:.1f}"
    if interval and metric["ci95"]:
        text += f" [{metric['ci95'][0]:.1f}, {metric['ci95'][1]:.1f}]"
    return text


_NOT_WORD = re.compile(r"[^a-z0-9]+")


def rouge_l(reference: str, candidate: str) -> float:
    """ROUGE-L F1 in 0..1 (Lin 2004): the longest common subsequence of lower-case alphanumeric tokens, no stemming.

    Equal to `rouge_score.rouge_scorer.RougeScorer(["rougeL"])`, computed by rapidfuzz.
    """
    from rapidfuzz.distance import LCSseq

    a, b = (_NOT_WORD.sub(" ", text.lower()).split() for text in (reference, candidate))
    if not a or not b:
        return 0.0
    common = LCSseq.similarity(a, b)
    return 2 * common / (len(a) + len(b))
