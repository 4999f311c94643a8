"""Loss weights for the parts of an answer: `--loss_scale deeptrace`, or another task's name.

The weights come from the environment (a recipe's ENV block), one for each of the task's KINDS: for deeptrace
WEIGHT_VERDICT, WEIGHT_BBOX, WEIGHT_TIME, WEIGHT_EXPLANATION and WEIGHT_OTHER, the fixed words between them. Of the
verdict itself, WEIGHT_REAL, WEIGHT_FAKE and WEIGHT_EDITED are factors; BALANCE_VERDICTS=yes has the launcher work them
out (core/balance.py). Without any of them every token weighs 1, as in the papers.

The loss is the sum of weight x cross-entropy over the supervised tokens of a step, on all its devices and
micro-batches, divided by the number of these tokens (ms-swift's, with a loss scale). A row's dataset is its channel:
`--enable_channel_loss true` tells the loss of each dataset of a mixture.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from swift.dataset import MessagesPreprocessor
from swift.loss_scale import LossScale, loss_scale_map

from swift_plugins.core.balance import verdict_in
from swift_plugins.core.tasks import TASKS, get_task
from swift_plugins.core.tasks.verdicts import LABELS

KINDS = (*dict.fromkeys(kind for name in TASKS for kind in get_task(name).KINDS), *LABELS)


def number_from(name: str, default: str) -> float:
    """A number of the environment; ValueError for what is none of at least 0."""
    text = os.environ.get(name, default)
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e6:
        raise ValueError(f"{name} must be a number of at least 0, got {text!r}")
    return number


def loss_weights(kinds: Sequence[str] = KINDS) -> dict[str, float]:
    """kind of answer part, or verdict -> weight of its tokens in the loss; ValueError for what is no weight."""
    return {kind: number_from(f"WEIGHT_{kind.upper()}", "1") for kind in kinds}


class TaskLossScale(LossScale):
    """Weights the parts of a task's answer, as its `segments` cut them, separately."""

    is_binary = False
    task: ModuleType

    def __init__(self, base_strategy: str = "default"):
        super().__init__(base_strategy)
        self.weights = loss_weights((*self.task.KINDS, *LABELS))

    def get_loss_scale(self, context, **kwargs):
        # Unsplit where nothing is weighted: the tokens are then exactly those of plain training.
        if not isinstance(context, str) or set(self.weights.values()) == {1.0}:
            return super().get_loss_scale(context, **kwargs)
        pieces = self.task.segments(context)
        return [text for text, _ in pieces], [self._weight(*piece) for piece in pieces]

    def _weight(self, text: str, kind: str) -> float:
        verdict = verdict_in(text, kind)
        return self.weights[kind] * (self.weights[verdict] if verdict else 1)


for name in TASKS:
    loss_scale_map[name] = type(f"{name}_loss_scale", (TaskLossScale,), {"task": get_task(name)})


def _with_channel(preprocess: Callable[..., Any]) -> Callable[..., Any]:
    """ms-swift's reading of a row, which leaves out meta, and what of it tells the dataset."""

    @functools.wraps(preprocess)
    def call(self: Any, row: dict[str, Any]) -> Any:
        meta, found = row.get("meta"), preprocess(self, row)
        if isinstance(found, dict) and not found.get("channel") and isinstance(meta, dict) and meta.get("dataset"):
            found["channel"] = str(meta["dataset"])
        return found

    return call


MessagesPreprocessor.preprocess = _with_channel(MessagesPreprocessor.preprocess)  # type: ignore[method-assign]
