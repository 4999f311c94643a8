"""BERTScore (Zhang et al. 2020) of texts against their references, by torchmetrics and an encoder of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from swift_plugins.core.model_folders import inspect

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


def f1_scores(pairs: Sequence[tuple[str, str]], model: str, layer: int) -> list[float]:
    """The F1 of each (text, reference), 0..1, no idf, no rescaling; 0 where one of them is empty."""
    try:
        import torch
        from torchmetrics.functional.text import bert_score
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise ValueError(f"--bertscore: {error}: install the extra, pip install -e '.[neural]'") from None
    from tqdm import tqdm

    if Path(model).is_dir():
        inspect(model)
    try:
        tokenizer, encoder = (
            AutoTokenizer.from_pretrained(model),
            AutoModel.from_pretrained(model, use_safetensors=True),
        )
    except (OSError, ValueError, ImportError) as error:
        raise ValueError(f"--bertscore {model}: neither a folder nor to be had: {str(error).splitlines()[0]}") from None
    if not 0 <= layer <= encoder.config.num_hidden_layers:
        raise ValueError(f"--bertscore-layer {layer}: {model} has {encoder.config.num_hidden_layers} layers")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    limit = min(MAX_TOKENS, tokenizer.model_max_length)
    found = []
    # One pair a call: of several, torchmetrics 1.9 sorts texts and references by length and puts them back wrongly.
    for text, reference in tqdm(pairs, desc="BERTScore", unit="row", disable=None):
        if not text.strip() or not reference.strip():
            found.append(0.0)
            continue
        scores = bert_score(
            [text],
            [reference],
            model=encoder,
            user_tokenizer=tokenizer,
            num_layers=layer,
            device=device,
            max_length=limit,
            truncation=True,
        )
        found.append(torch.as_tensor(scores["f1"]).item())
    return found
