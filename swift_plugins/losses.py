"""Loss weights for the parts of an answer: `--loss_scale deeptrace`.

The weights come from the environment (a recipe's ENV block): WEIGHT_VERDICT, WEIGHT_BBOX, WEIGHT_TIME,
WEIGHT_EXPLANATION and WEIGHT_OTHER, the fixed words between them. Without them every token weighs 1, as in the paper.
"""

from __future__ import annotations

import os

from swift.loss_scale import LossScale, loss_scale_map

from swift_plugins.tasks.deeptrace import segments

KINDS = ("verdict", "bbox", "time", "explanation", "other")


def loss_weights() -> dict[str, float]:
    """kind of answer part -> weight of its tokens in the loss; ValueError for what is no weight."""
    weights = {}
    for kind in KINDS:
        text = os.environ.get(f"WEIGHT_{kind.upper()}", "1")
        try:
            weights[kind] = float(text)
        except ValueError:
            weights[kind] = -1.0
        if not 0 <= weights[kind] < 1e6:
            raise ValueError(f"WEIGHT_{kind.upper()} must be a number of at least 0, got {text!r}")
    return weights


class DeepTraceLossScale(LossScale):
    """Weights verdict, box, time and explanation of a DeepTraceReward answer separately."""

    is_binary = False

    def __init__(self, base_strategy: str = "default"):
        super().__init__(base_strategy)
        self.weights = loss_weights()

    def get_loss_scale(self, context, **kwargs):
        # Unsplit where nothing is weighted: the tokens are then exactly those of plain training.
        if not isinstance(context, str) or set(self.weights.values()) == {1.0}:
            return super().get_loss_scale(context, **kwargs)
        pieces = segments(context)
        return [text for text, _ in pieces], [self.weights[kind] for _, kind in pieces]


loss_scale_map["deeptrace"] = DeepTraceLossScale
