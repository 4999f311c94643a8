"""Loss weights for the parts of an answer: `--loss_scale deeptrace`, or another task's name.

The weights come from the environment (a recipe's ENV block), one for each of the task's KINDS: for deeptrace
WEIGHT_VERDICT, WEIGHT_BBOX, WEIGHT_TIME, WEIGHT_EXPLANATION and WEIGHT_OTHER, the fixed words between them. Without
them every token weighs 1, as in the papers.
"""

from __future__ import annotations

import os
from types import ModuleType

from swift.loss_scale import LossScale, loss_scale_map

from swift_plugins.core.tasks import TASKS, get_task

KINDS = tuple(dict.fromkeys(kind for name in TASKS for kind in get_task(name).KINDS))


def loss_weights(kinds: tuple[str, ...] = KINDS) -> dict[str, float]:
    """kind of answer part -> weight of its tokens in the loss; ValueError for what is no weight."""
    weights = {}
    for kind in kinds:
        text = os.environ.get(f"WEIGHT_{kind.upper()}", "1")
        try:
            weights[kind] = float(text)
        except ValueError:
            weights[kind] = -1.0
        if not 0 <= weights[kind] < 1e6:
            raise ValueError(f"WEIGHT_{kind.upper()} must be a number of at least 0, got {text!r}")
    return weights


class TaskLossScale(LossScale):
    """Weights the parts of a task's answer, as its `segments` cut them, separately."""

    is_binary = False
    task: ModuleType

    def __init__(self, base_strategy: str = "default"):
        super().__init__(base_strategy)
        self.weights = loss_weights(self.task.KINDS)

    def get_loss_scale(self, context, **kwargs):
        # Unsplit where nothing is weighted: the tokens are then exactly those of plain training.
        if not isinstance(context, str) or set(self.weights.values()) == {1.0}:
            return super().get_loss_scale(context, **kwargs)
        pieces = self.task.segments(context)
        return [text for text, _ in pieces], [self.weights[kind] for _, kind in pieces]


for name in TASKS:
    loss_scale_map[name] = type(f"{name}_loss_scale", (TaskLossScale,), {"task": get_task(name)})
