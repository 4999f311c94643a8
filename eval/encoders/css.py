"""CSS: the cosine similarity of the sentence embeddings of two texts, by sentence-transformers.

FakeVLM (Wen et al., section 5.2) scores explanations by CSS but names neither the encoder nor the formula: values of
two encoders do not compare, so a report records the one that was used.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from eval.encoders.folders import fingerprint, first_line, folder_of, not_installed
from swift_plugins.core.commands import stage

RECOMMENDED = "sentence-transformers/all-MiniLM-L6-v2@c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
BATCH = 64
DTYPE = "float32"


def similarities(pairs: Sequence[tuple[str, str]], model: str, batch_size: int = BATCH) -> list[float]:
    """The similarity of each pair, 0..1: the cosine, where a negative one, or that of an empty text, counts as 0.

    `model` is a folder or a hub id, perhaps with @REVISION; ValueError says why it cannot be used.
    """
    from swift_plugins.core.records import sha256_text

    encoder, _ = load(model)
    from sentence_transformers.util import pairwise_cos_sim

    full = [(a, b) for a, b in pairs if a.strip() and b.strip()]
    texts = sorted({text for pair in full for text in pair}, key=sha256_text)  # each once, whatever the rows' order
    if not texts:
        return [0.0] * len(pairs)
    vectors = encoder.encode(texts, batch_size=batch_size, show_progress_bar=sys.stderr.isatty())
    place = {text: i for i, text in enumerate(texts)}
    left, right = (vectors[[place[pair[side]] for pair in full]] for side in (0, 1))
    cosines = iter(pairwise_cos_sim(left, right).clamp(0, 1).tolist())
    return [next(cosines) if a.strip() and b.strip() else 0.0 for a, b in pairs]


def signature(model: str) -> str:
    """What computed the scores: the encoder with a hash of its files, and the versions of the libraries."""
    return load(model)[1]


@lru_cache(maxsize=1)
def load(model: str) -> tuple[Any, str]:
    """(the encoder, its signature); a model of several files is read once."""
    if sys.stderr.isatty():
        stage(f"loading sentence-transformers and the encoder {model}")
    try:
        import torch
        from safetensors import SafetensorError
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise not_installed("css", error) from None
    folder = folder_of(model)
    try:
        encoder = SentenceTransformer(
            str(folder),
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True, "dtype": getattr(torch, DTYPE)},
        )
    except (OSError, ValueError, LookupError, TypeError, ImportError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"--css {model}: cannot be loaded: {first_line(error)}") from None
    libraries = ", ".join(f"{name} {version(name)}" for name in ("sentence-transformers", "transformers", "torch"))
    return encoder, f"{model}, files {fingerprint(folder)}, {DTYPE}, up to {encoder.max_seq_length} tokens, {libraries}"
