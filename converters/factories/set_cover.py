"""Images chosen from a pool so that their labels cover the label set, and stand as evenly as possible in the choice.

Stochastic greedy: each step takes the best of a random sample of the images that are left, (pool / choice) *
ln(1/EPSILON) of them: pool * ln(1/EPSILON) looks, however many are chosen (Mirzasoleiman et al., "Lazier Than Lazy
Greedy", algorithm 1). Best is the image that adds most labels which no chosen one has - the greedy set cover - and
of those, and when all are covered, the one whose labels stand least often: the sum of ln((mean + 1) / (count + 1)).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import swift_plugins  # noqa: F401

if TYPE_CHECKING:
    import numpy as np

EPSILON = 0.01
MOST_LABELS = 1000  # of one image
DRAWS = 20  # random choices beside which one is measured


def table_of(labels: Sequence[Collection[int]], count: int) -> np.ndarray:
    """One row an image: the numbers of its labels, then `count`, which stands for none; int32 of shape (images, most).

    ValueError for an image with more than MOST_LABELS.
    """
    import numpy as np

    most = max(map(len, labels), default=0)
    if most > MOST_LABELS:
        raise ValueError(f"an image has {most} labels, {MOST_LABELS} are read")
    table = np.full((len(labels), max(most, 1)), count, np.int32)
    for row, own in zip(table, labels, strict=True):
        row[: len(own)] = [*own]
    return table


def choose(table: np.ndarray, labels: int, count: int, seed: int) -> list[int]:
    """The numbers of `count` images, in the order in which they are chosen; the same for the same seed.

    `table` is of `table_of`, with `labels` labels; ValueError where it has fewer images than are wanted.
    """
    import numpy as np

    if not 0 < count <= len(table):
        raise ValueError(f"{count} images are wanted, the pool has {len(table)} with labels")
    draw, left, size = np.random.default_rng(seed), np.arange(len(table)), len(table)
    look = math.ceil(size / count * math.log(1 / EPSILON))
    stands, uncovered = (
        np.zeros(labels + 1),
        2 * math.log(count + 2) * table.shape[1],
    )  # more than all evenness is worth
    chosen = []
    for _ in range(count):
        gain = np.log((stands.sum() / labels + 1) / (stands + 1)) + uncovered * (stands == 0)
        gain[labels] = 0
        at = draw.integers(0, size, look) if look < size else np.arange(size)
        best = at[gain[table[left[at]]].sum(1).argmax()]
        chosen.append(int(left[best]))
        stands[table[left[best]]] += 1
        stands[labels] = 0
        size -= 1
        left[best] = left[size]
    return chosen


def measured(table: np.ndarray, labels: int, chosen: Sequence[int] | np.ndarray) -> dict[str, Any]:
    """How a choice covers the labels: `covered` of them in %, `evenness` (the entropy of their shares over that of
    equal ones, 0 to 1), and how often the rarest, the median and the commonest label stands in it."""
    import numpy as np

    counts = np.bincount(table[list(chosen)].ravel(), minlength=labels + 1)[:labels]
    shares = counts[counts > 0] / counts.sum()
    entropy = float(-(shares * np.log(shares)).sum())
    return {
        "covered": round(100 * float((counts > 0).mean()), 2),
        "evenness": round(entropy / math.log(labels), 4) if labels > 1 else 1.0,
        "rarest": int(counts.min()),
        "median": float(np.median(counts)),
        "commonest": int(counts.max()),
    }


def by_chance(table: np.ndarray, labels: int, count: int, seed: int) -> dict[str, float]:
    """The mean of the same measures over DRAWS random choices of as many images."""
    import numpy as np

    draw = np.random.default_rng(seed + 1)
    found = [measured(table, labels, draw.choice(len(table), count, replace=False)) for _ in range(DRAWS)]
    return {key: round(float(np.mean([one[key] for one in found])), 4) for key in found[0]}
