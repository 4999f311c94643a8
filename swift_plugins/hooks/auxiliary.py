"""A loss that knows what an answer's digits mean: `--loss_type forensics`.

It is the cross-entropy, weighted where a loss scale weighs it, and two parts that the environment (a recipe's ENV
block) turns on; without them it is the cross-entropy alone:

WEIGHT_NUMBERS  weight of the expected cost of the digits in boxes and times (0: none). To the cross-entropy 101 for 100
                is as wrong as 900; here it costs 0.001 of it against 0.8. For a digit d of place value v whose number
                is measured in units of S (SPANS), with p the softmax over the ten digits' logits,
                    cost = v / S * sum over k in 0..9 of p(k) * |k - d|.
                Half 4, half 6 for a 5 costs one; the distance of the expected digit would be free. A digit at a time is
                seen, not the carry: 199 for 200 costs as its first digit does.
SMOOTH_SCORES   temperature t of the soft labels of a judge's score (0: none): the cross-entropy of the score's token
                is against q(s) = exp(-|s - s*| / t) / sum, s in 1..5, not against the true s* alone. Díaz and Marathe,
                Soft Labels for Ordinal Regression (CVPR 2019), equation 1, with the absolute distance.

Each part is a sum over tokens divided by the number of supervised tokens of the step, on all its devices and
micro-batches: accumulation, ranks, packing and padding leave it as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from swift.loss import BaseLoss, loss_map
from swift.trainers import per_token_loss_func

from swift_plugins.core.tasks import deeptrace, dfj_pointwise
from swift_plugins.hooks.losses import number_from

SPANS = {"bbox": 1000.0, "time": 10.0}  # thousandths or pixels; seconds, of which most clips have fewer
SCORES = "12345"
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def digit_costs(answer: str) -> list[float]:
    """v / S for each digit of a DeepTraceReward answer, in order: what it costs to be one off. 0 outside of boxes and
    times."""
    costs: list[float] = []
    for piece, kind in deeptrace.segments(answer.strip()):
        for number in _NUMBER.findall(piece):
            whole, _, decimals = number.partition(".")
            places = range(len(whole) - 1, -len(decimals) - 1, -1)
            costs += [10.0**place / SPANS[kind] if kind in SPANS else 0.0 for place in places]
    return costs


def score_digits(answer: str) -> list[float]:
    """1 for each digit of a pointwise judge's answer that is its score, else 0, in the order of the digits."""
    return [
        float(kind == "score" and digit in SCORES)
        for piece, kind in dfj_pointwise.segments(answer.strip())
        for digit in "".join(_NUMBER.findall(piece)).replace(".", "")
    ]


class ForensicLoss(BaseLoss):
    """Cross-entropy, the cost of wrong digits, and soft scores; see the module."""

    def __init__(self, args, trainer):
        super().__init__(args, trainer)
        self.numbers = number_from("WEIGHT_NUMBERS", "0")
        self.smoothing = number_from("SMOOTH_SCORES", "0")
        self.tokenizer = trainer.template.tokenizer
        self.digits = self.tokenizer.convert_tokens_to_ids(list("0123456789"))
        if trainer.template.sequence_parallel_size > 1:
            raise ValueError("--loss_type forensics needs whole answers: it goes without --sequence_parallel_size")

    def __call__(self, outputs, labels, *, num_items_in_batch=None, loss_scale=None, **kwargs):
        """The loss of outputs.logits (rows, length, vocabulary) for labels (rows, length), not shifted."""
        # With a loss scale ms-swift has worked the weighted loss of each token out, and rolled the scale as the labels.
        each = per_token_loss_func(outputs, labels) if outputs.loss is None else outputs.loss
        targets = torch.roll(labels, shifts=-1, dims=-1)
        total = each.sum()
        if self.numbers or self.smoothing:
            at, true, costs, scored = self._digits(targets)
            logits = outputs.logits.reshape(-1, outputs.logits.shape[-1])[at].float()
            total = total + self.numbers * digit_cost(logits[:, self.digits], true, costs)
            weights = scored if loss_scale is None else scored * loss_scale[at]
            if self.smoothing and len(at):
                scores = [self.digits[int(score)] for score in SCORES]
                total = total + soft_labels(logits.log_softmax(-1)[:, scores], true - 1, weights, self.smoothing)
        if num_items_in_batch is None:
            num_items_in_batch = (targets != -100).sum()
        return total / num_items_in_batch

    def _digits(self, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of the supervised digits of a batch: places, rows joined; the digits; their costs; 1 where one is a score."""
        value = {token: digit for digit, token in enumerate(self.digits)}
        at, true, costs, scored = [], [], [], []
        for begin, tokens in self._answers(targets):
            found = [(begin + i, value[token]) for i, token in enumerate(tokens) if token in value]
            text = self.tokenizer.decode(tokens, clean_up_tokenization_spaces=False)
            written = "".join(re.findall("[0-9]", text))
            if written != "".join(str(digit) for _, digit in found):
                raise ValueError(
                    "--loss_type forensics reads numbers digit by digit, and this model's tokenizer joins them: "
                    f"{self.tokenizer.convert_ids_to_tokens(tokens)} is {text!r}"
                )
            at += [place for place, _ in found]
            true += [digit for _, digit in found]
            costs += digit_costs(text)
            scored += score_digits(text)
        device = targets.device
        return (
            torch.tensor(at, dtype=torch.long, device=device),
            torch.tensor(true, dtype=torch.long, device=device),
            torch.tensor(costs, device=device),
            torch.tensor(scored, device=device),
        )

    def _answers(self, targets: torch.Tensor) -> Iterator[tuple[int, list[int]]]:
        """(place of its first token, its tokens) of each supervised stretch: an answer, also where packed rows or kept
        logits have left no gap between two, which an end-of-text token then does."""
        for row, tokens in enumerate(targets.tolist()):
            begin = row * len(tokens)
            answer: list[int] = []
            for i, token in enumerate([*tokens, -100]):
                if token != -100:
                    answer.append(token)
                if answer and (token == -100 or token == self.tokenizer.eos_token_id):
                    end = begin + i + (token != -100)
                    yield end - len(answer), answer
                    answer = []


def digit_cost(logits: torch.Tensor, true: torch.Tensor, costs: torch.Tensor) -> torch.Tensor:
    """Sum over n digits of costs (n) times their expected distance from the true ones (n); logits (n, 10)."""
    distance = (torch.arange(10, device=true.device) - true[:, None]).abs()
    return (costs * (logits.softmax(-1) * distance).sum(-1)).sum()


def soft_labels(log_p: torch.Tensor, true: torch.Tensor, weights: torch.Tensor, temperature: float) -> torch.Tensor:
    """What soft labels add to the cross-entropy of n scores: log_p (n, 5), true (n) in 0..4 where weights (n) count."""
    true = true.clamp(0, len(SCORES) - 1)
    distance = (torch.arange(len(SCORES), device=true.device) - true[:, None]).abs()
    soft = (-distance / temperature).softmax(-1)
    hard = log_p.gather(-1, true[:, None])[:, 0]
    return (weights * (hard - (soft * log_p).sum(-1))).sum()


loss_map["forensics"] = ForensicLoss
