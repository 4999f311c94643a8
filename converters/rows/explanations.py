"""What an explanation must be to stand beside a label: written, and of no other verdict."""

from __future__ import annotations

from swift_plugins.core.tables import worded
from swift_plugins.core.tasks.verdicts import FOLD, OPPOSITE, stated_verdicts


def agreeing(explanation: str | None, label: str) -> str:
    """An explanation of real, fake or edited, "" for none, "nan" and the like; ValueError for one that contradicts it.

    It is read as a model's free text is.
    """
    text = worded(explanation)
    if stated_verdicts(text).contradicts(FOLD[label]):
        raise ValueError(f"contradiction: the explanation says {OPPOSITE[FOLD[label]]}, the label is {label}")
    return text
