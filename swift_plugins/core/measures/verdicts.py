"""One verdict against the truth: real, fake or edited, where edited counts as fake (core/tasks/verdicts.py)."""

from __future__ import annotations

from swift_plugins.core.tasks.verdicts import FOLD


def is_right(truth: str, answered: str | None) -> bool:
    """Whether the verdict is the true one; None, an answer without one, is not."""
    return answered is not None and FOLD[answered] == FOLD[truth]


def counted_p_fake(truth: str, answered: str | None, p_fake: float | None) -> float | None:
    """P(fake), 0..1, as it counts: that of an answer without a verdict is as wrong as can be."""
    return float(FOLD[truth] == "real") if answered is None else p_fake


def p_true(truth: str, p_fake: float) -> float:
    """The probability, 0..1, that P(fake) gives to the truth."""
    return p_fake if FOLD[truth] == "fake" else 1 - p_fake
