"""Exchanges of two runs' answers, cluster by cluster: many at once, the same ones for every metric."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

import swift_plugins  # noqa: F401

SWAPS, SEED = 9_999, 0  # random ones, beside which the one that was observed counts too (Phipson and Smyth 2010)
_BLOCK = 2_000_000  # flags at once: bounds the memory for any number of clusters
_SIGNS = 2 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.int32) - 1  # of a byte's bits


class Swaps:
    """Which clusters are exchanged in each of so many `lines`, of which the first exchanges none.

    The flags are held as bits, `packed` (clusters, lines / 8).
    """

    def __init__(self, packed: np.ndarray, lines: int):
        self.packed, self.lines = packed, lines

    def flags(self, clusters: np.ndarray) -> np.ndarray:
        """1 where one of some clusters is exchanged, else 0, (some, lines)."""
        return np.unpackbits(self.packed[clusters], axis=1, count=self.lines)

    def sides(self) -> Callable[[int, bool], np.ndarray]:
        """A function of a cluster and whether an answer is the other run's: 1 where it is now this run's, else -1.

        What it returns, (lines,), holds until it is called again: new arrays of that size would take most of the time.
        """
        room = np.empty((self.packed.shape[1], 8), _SIGNS.dtype)

        def side(cluster: int, of_other: bool) -> np.ndarray:
            mine = self.packed[cluster] ^ (0 if of_other else 0xFF)
            return _SIGNS.take(mine, axis=0, out=room, mode="clip").reshape(-1)[: self.lines]

        return side

    def sums(self, changes: np.ndarray) -> np.ndarray:
        """What the exchanged clusters' changes (clusters, k) add up to, (lines, k)."""
        found = np.zeros((changes.shape[1], self.lines))
        held = np.flatnonzero(changes.any(1))
        size = max(1, _BLOCK // self.lines)
        with threadpool_limits(1, "blas"):  # more threads gain nothing on so few columns, and burn what they wait
            for some in (held[i : i + size] for i in range(0, len(held), size)):
                found += changes[some].T @ self.flags(some).astype(float)
        return np.ascontiguousarray(found.T)


def is_few(apart: np.ndarray) -> bool:
    """Whether clusters, as flags, are so few that there are no more exchanges of them than SWAPS + 1.

    Half of all are enough: the other half mirrors them.
    """
    return np.count_nonzero(apart) <= np.log2(SWAPS + 1) + 1


def every_swap(apart: np.ndarray) -> Swaps:
    """Every exchange of the flagged clusters, one of each two that mirror one another."""
    places = np.flatnonzero(apart)
    lines = 2 ** max(0, len(places) - 1)
    flags = np.arange(lines) >> np.arange(len(places))[:, None] & 1
    packed = np.zeros((len(apart), -(-lines // 8)), np.uint8)
    packed[places] = np.packbits(flags.astype(np.uint8), axis=1)
    return Swaps(packed, lines)


def random_swaps(clusters: int) -> Swaps:
    """SWAPS exchanges of any of so many clusters, behind the one of none."""
    packed = np.random.default_rng(SEED).integers(0, 256, (clusters, -(-(SWAPS + 1) // 8)), np.uint8)
    packed[:, 0] &= 0x7F
    return Swaps(packed, SWAPS + 1)
