"""Rows one behind another, in place of padded ones, without flash-attention too.

ms-swift takes `--padding_free` and `--packing` with flash-attention alone. transformers' other attentions mask the rows
of such a batch from one another where they see its borders: in the places of its tokens, and if no cache is made. The
places of a Qwen-VL are those in time, height and width, in which no borders can be seen; the model also takes the
tokens' own before these. Every token then has the loss of a padded batch. Such a mask takes the square of all tokens.

Evaluation is on padded batches: a metric looks at rows, and joined ones would be one to it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from swift.arguments import SftArguments
from swift.template import TEMPLATE_MAPPING, Template
from swift.trainers import Seq2SeqTrainer

from swift_plugins.core.kernels import TORCH_FLASH

# transformers' attentions that take a mask, None for its own choice of them, and one that is told where rows begin.
KEPT_APART = (None, "sdpa", "eager", TORCH_FLASH)


class PaddingFree(Template):
    """A template of a model whose rows may lie one behind another."""

    support_padding_free = True

    def _data_collator(self, batch: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
        collated = super()._data_collator(batch, **options)
        places, own = collated.get("position_ids"), collated.get("text_position_ids")
        if self.padding_free and own is not None and self.sequence_parallel_size == 1:
            collated["position_ids"] = torch.cat([own[None], places])
        return collated


def _masked_too(check: Callable[[Any], None]) -> Callable[[Any], None]:
    """ms-swift's check of the attention, which refuses what PaddingFree makes right."""

    @functools.wraps(check)
    def call(self: Any) -> None:
        ours = issubclass(TEMPLATE_MAPPING[self.template].template_cls, PaddingFree)
        if ours and self.attn_impl in KEPT_APART and self.sequence_parallel_size == 1:
            self.padding_free |= self.packing
        else:
            check(self)

    return call


SftArguments._check_padding_free = _masked_too(SftArguments._check_padding_free)  # type: ignore[method-assign]


def _padded(evaluate: Callable[..., Any]) -> Callable[..., Any]:
    """A trainer's evaluation, with a template that pads."""

    @functools.wraps(evaluate)
    def call(self: Any, *args: Any, **options: Any) -> Any:
        free, self.template.padding_free = self.template.padding_free, False
        try:
            return evaluate(self, *args, **options)
        finally:
            self.template.padding_free = free

    return call


Seq2SeqTrainer.evaluate = _padded(Seq2SeqTrainer.evaluate)  # type: ignore[method-assign]
