"""PyTorch's own flash-attention, under the name `torch_flash` among transformers' attentions.

transformers finds flash-attention in packages that are built for one PyTorch each. PyTorch brings FlashAttention-2's
kernels (Dao, 2023), and cuDNN's, for rows of several lengths too: a batch whose rows lie one behind another, and the
frames and windows of a vision tower, which transformers' other attentions go through one by one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers import modeling_flash_attention_utils as utils
from transformers.integrations.flash_attention import flash_attention_forward
from transformers.masking_utils import flash_attention_mask

from swift_plugins.core.kernels import TORCH_FLASH


def flash_attn_varlen_func(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cu_seqlens_q: torch.Tensor,
    cu_seqlens_k: torch.Tensor,
    max_seqlen_q: int,
    max_seqlen_k: int,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: tuple[int, int] = (-1, -1),
) -> torch.Tensor:
    """Attention of rows that lie one behind another, by flash-attn's names: q is (tokens, heads, size), k and v may
    have fewer heads; row i has the tokens from cu_seqlens[i] to before cu_seqlens[i + 1]. ValueError for a dropout."""
    if dropout_p:
        raise ValueError(f"--attn_impl {TORCH_FLASH} drops out no attention: choose another for dropout {dropout_p}")
    window = (window_size[0], 0) if causal else window_size
    ends = (cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k)
    return varlen_attn(q, k, v, *ends, scale=softmax_scale, window_size=window, enable_gqa=True)


def flash_attn_func(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, **options: Any) -> torch.Tensor:
    """The same for rows of one length: q is (rows, tokens, heads, size)."""
    ends_q = ends_of(q)
    ends_k = ends_q if k.shape[1] == q.shape[1] else ends_of(k)  # one tensor for both is what cuDNN's kernels ask for
    q_all, k_all, v_all = (x.reshape(-1, *x.shape[2:]) for x in (q, k, v))
    out = flash_attn_varlen_func(q_all, k_all, v_all, ends_q, ends_k, q.shape[1], k.shape[1], **options)
    return out.view(q.shape)


def ends_of(rows: torch.Tensor) -> torch.Tensor:
    """Where rows of one length begin and end in all their tokens."""
    count, length = rows.shape[:2]
    return torch.arange(0, count * length + 1, length, dtype=torch.int32, device=rows.device)


def _with_torchs(load: Callable[..., tuple[Any, ...]]) -> Callable[..., tuple[Any, ...]]:
    """transformers' search for the functions of a flash-attention, which takes other names for those of hub kernels."""

    @functools.wraps(load)
    def call(implementation: str | None, *args: Any, **options: Any) -> tuple[Any, ...]:
        if implementation != TORCH_FLASH:
            return load(implementation, *args, **options)
        return flash_attn_func, flash_attn_varlen_func, None, utils._pad_input, utils._unpad_input

    return call


utils._lazy_imports = _with_torchs(utils._lazy_imports)
AttentionInterface.register(TORCH_FLASH, flash_attention_forward)
AttentionMaskInterface.register(TORCH_FLASH, flash_attention_mask)
