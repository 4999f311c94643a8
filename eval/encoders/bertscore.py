"""BERTScore (Zhang et al. 2020) of texts against their references, by torchmetrics and an encoder of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from eval.encoders.folders import first_line, not_installed
from swift_plugins.core.model_folders import inspect

# Not rescaled: of roberta-large at layer 17 two texts that have nothing in common have 0.83, and no text less by much.
LAYERS = {"roberta-large": 17}  # the layer that the authors chose for each encoder, as far as this project pins one
MAX_TOKENS = 512


def layer_of(model: str, layer: int | None) -> int:
    """The encoder's layer to compare: as asked, else the pinned one."""
    if layer is not None:
        return layer
    if model not in LAYERS:
        raise ValueError(f"--bertscore {model}: name the layer with --bertscore-layer; known is {LAYERS}")
    return LAYERS[model]


def signature(model: str, layer: int) -> str:
    return f"{model}, layer {layer}, torchmetrics {version('torchmetrics')}, transformers {version('transformers')}"


def similarities(pairs: Sequence[tuple[str, str]], model: str, layer: int) -> list[float]:
    """The F1 of each (text, reference), 0..1, no idf, no rescaling; 0 where one of them is empty."""
    try:
        import torch
        from torchmetrics.functional.text import bert_score

        tokenizer, encoder = load(model)
    except ImportError as error:
        raise not_installed("bertscore", error) from None
    from tqdm import tqdm

    if not 0 <= layer <= encoder.config.num_hidden_layers:
        raise ValueError(f"--bertscore-layer {layer}: {model} has {encoder.config.num_hidden_layers} layers")
    options = {
        "model": encoder,
        "user_tokenizer": tokenizer,
        "num_layers": layer,
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "max_length": min(MAX_TOKENS, tokenizer.model_max_length),
        "truncation": True,
    }
    found = []
    # One pair a call: of several, torchmetrics 1.9 sorts texts and references by length and puts them back wrongly.
    for text, reference in tqdm(pairs, desc="BERTScore", unit="row", disable=None):
        full = text.strip() and reference.strip()
        found.append(torch.as_tensor(bert_score([text], [reference], **options)["f1"]).item() if full else 0.0)
    return found


@lru_cache(maxsize=1)
def load(model: str) -> tuple[Any, Any]:
    """(the tokenizer, the encoder); a model of several files is read once."""
    from transformers import AutoModel, AutoTokenizer

    if Path(model).is_dir():
        inspect(model)
    try:
        return AutoTokenizer.from_pretrained(model), AutoModel.from_pretrained(model, use_safetensors=True)
    except (OSError, ValueError, ImportError) as error:
        raise ValueError(f"--bertscore {model}: neither a folder nor to be had: {first_line(error)}") from None
