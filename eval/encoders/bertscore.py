"""BERTScore (Zhang et al. 2020) of texts against their references, by torchmetrics and an encoder of transformers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from eval.encoders.folders import first_line, not_installed
from swift_plugins.core.commands import stage
from swift_plugins.core.model_folders import inspect

# Encoder -> the layer that the authors of BERTScore chose for it, and the F1 of random pairs of English sentences there
# (their rescale_baseline/en): texts that have nothing in common have that, and no text less by much.
ENCODERS = {
    "roberta-large": (17, 0.831),
    "microsoft/deberta-xlarge-mnli": (40, 0.515),
    "bert-large-uncased": (18, 0.426),
}
MAX_TOKENS = 512


def layer_of(model: str, layer: int | None) -> int:
    """The encoder's layer to compare: as asked, else the one of ENCODERS."""
    if layer is not None:
        return layer
    if model not in ENCODERS:
        known = ", ".join(f"{layer} of {name}" for name, (layer, _) in ENCODERS.items())
        raise ValueError(f"--bertscore {model}: name the layer with --bertscore-layer; known are {known}")
    return ENCODERS[model][0]


def signature(model: str, layer: int) -> str:
    chosen, unlike = ENCODERS.get(model, (None, None))
    scale = f", where unlike texts have {unlike}" if layer == chosen else ""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torchmetrics", "transformers"))
    return f"{model}, layer {layer}{scale}, {libraries}"


def similarities(pairs: Sequence[tuple[str, str]], model: str, layer: int) -> list[float]:
    """The F1 of each (text, reference), 0..1, no idf, no rescaling; 0 where one of them is empty."""
    if sys.stderr.isatty():
        stage(f"loading torch, transformers and the encoder {model}")
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
