"""One judge's score against the true one, both of 1..5 (DeepfakeJudge, pointwise)."""

from __future__ import annotations

import swift_plugins  # noqa: F401

LOWEST, HIGHEST = 1, 5


def counted_score(truth: int, answered: int | None) -> int:
    """The score that counts: of an answer without one the score farthest from the truth, 1 for a true 3."""
    if answered is not None:
        return answered
    return HIGHEST if truth < (LOWEST + HIGHEST) / 2 else LOWEST


def closeness(truth: int, counted: int) -> float:
    """1 for the true score, down to 0 for one that is four points off."""
    return 1 - abs(counted - truth) / (HIGHEST - LOWEST)
