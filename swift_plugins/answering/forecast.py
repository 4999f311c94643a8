"""What a run would ask, before it asks anything."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from swift_plugins.answering.conversations import CHARS, PIXELS, estimated
from swift_plugins.answering.limits import Use, described
from swift_plugins.answering.sampling_frames import sampling_of
from swift_plugins.core.records import Row

if TYPE_CHECKING:
    from swift_plugins.answering.asking import Asking


def forecast(rows: Sequence[Row], asking: Asking) -> list[str]:
    """The requests and tokens of these rows, and their cost, where prices are known, in lines to print."""
    frames = sampling_of(asking.model)
    use = functools.reduce(Use.plus, (estimated(row, frames, asking.max_tokens) for row in rows), Use())
    prices = asking.budget.prices if asking.budget else None
    shown = "all" if frames.fps is None else f"{frames.fps:g} a second"
    lines = [
        f"would ask {asking.model}: {described(use, prices)}",
        f"estimated: a token for {CHARS} characters and for {PIXELS} pixels, of videos for those of {shown}, at most "
        f"{frames.most} frames; written are at most {asking.max_tokens} tokens a request (--max-tokens)",
    ]
    if asking.budget and not asking.budget.allows(use):
        lines.append(f"more than the budget ({asking.budget}) allows")
    return lines
