"""Verdict accuracy while training: `--eval_metric verdict`."""

from __future__ import annotations

import numpy as np
from swift.metrics import eval_metrics_map
from swift.metrics.base import EvalMetrics

from swift_plugins.core.tasks.verdicts import VERDICT_WORDS


def verdict_scores(predicted: np.ndarray, labels: np.ndarray, first_tokens: dict[str, int]) -> dict[str, float]:
    """Teacher-forced verdict accuracy in percent.

    `predicted` and `labels` are (rows, length) token ids with -100 where nothing is supervised; predicted[i, t] is the
    model's choice for labels[i, t + 1]. Every answer begins with its verdict, so the first supervised token decides.
    """
    right: dict[str, list[bool]] = {verdict: [] for verdict in first_tokens}
    for guess, gold in zip(predicted, labels, strict=True):
        at = int(np.argmax(gold != -100))
        for verdict, token in first_tokens.items():
            if at > 0 and gold[at] == token:
                right[verdict].append(bool(guess[at - 1] == token))
    scores = {f"{verdict}_accuracy": 100 * float(np.mean(hits)) for verdict, hits in right.items() if hits}
    everything = [hit for hits in right.values() for hit in hits]
    return scores | ({"verdict_accuracy": 100 * float(np.mean(everything))} if everything else {})


class VerdictMetrics(EvalMetrics):
    """`verdict_accuracy`, `real_accuracy` and `fake_accuracy` on the validation set."""

    def preprocess_logits_for_metrics(self, logits, labels):
        return (logits[0] if isinstance(logits, (list, tuple)) else logits).argmax(dim=-1)

    def compute_metrics(self, eval_prediction):
        tokenizer = self.trainer.template.tokenizer
        first = {v: tokenizer.encode(word, add_special_tokens=False)[0] for v, word in VERDICT_WORDS.items()}
        return verdict_scores(eval_prediction.predictions, eval_prediction.label_ids, first)


eval_metrics_map["verdict"] = VerdictMetrics
