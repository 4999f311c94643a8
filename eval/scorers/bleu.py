"""Corpus BLEU up to 3-grams (Papineni et al. 2002): sacrebleu's, of what its texts add to it, for many sums at once."""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import Any

import numpy as np

import swift_plugins  # noqa: F401

ORDER = 3
PARTS = 2 * ORDER + 2  # matching n-grams and n-grams of each order, and the two lengths


@cache
def _metric() -> Any:
    from sacrebleu.metrics import BLEU

    return BLEU(max_ngram_order=ORDER)


class _Tokens(dict[str, list[str]]):
    """What sacrebleu's own tokenizer, 13a, splits a word into; what stands around it does not matter."""

    def __missing__(self, word: str) -> list[str]:
        self[word] = _metric().tokenizer(word).split()
        return self[word]


_TOKENS = _Tokens()


def _words(text: str) -> list[str]:
    if "-\n" in text or "<skipped>" in text:  # what 13a takes out, and so joins what stands around it
        return _metric().tokenizer(text.rstrip()).split()
    return [*chain.from_iterable(map(_TOKENS.__getitem__, text.split()))]


def parts(hypothesis: str, reference: str) -> tuple[int, ...]:
    """What a text adds to the PARTS of which corpus BLEU is a function."""
    said, true = (_words(text) for text in (hypothesis, reference))
    orders = range(1, ORDER + 1)
    counts = [_matching(said, true, n) for n in orders]
    return (*counts, *(max(0, len(said) - n + 1) for n in orders), len(said), len(true))


def _matching(said: list[str], true: list[str], n: int) -> int:
    """How many n-grams of a text another has, too, each as often as it is in both."""
    said_grams, true_grams = (zip(*(words[i:] for i in range(n)), strict=False) for words in (said, true))
    left: dict[tuple[str, ...], int] = {}
    for gram in true_grams:
        left[gram] = left.get(gram, 0) + 1
    found = 0
    for gram in said_grams:
        if left.get(gram):
            left[gram] -= 1
            found += 1
    return found


def without_hypothesis(parts: tuple[int, ...]) -> tuple[int, ...]:
    """What an empty text adds to them, beside the same reference."""
    return (*(0 for _ in parts[:-1]), *parts[-1:])


def bleu(totals: np.ndarray) -> np.ndarray:
    """Corpus BLEU, 0..1, of sums (..., PARTS); orders without a match are smoothed as by mteval-v13a ("exp")."""
    counts, ngrams = totals[..., :ORDER], totals[..., ORDER : 2 * ORDER]
    said, true = totals[..., -2], totals[..., -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        halved = 2.0 ** np.cumsum(counts == 0, axis=-1)
        precisions = np.where(counts > 0, counts, 1 / halved) / ngrams
        penalty = np.where(said < true, np.exp(1 - true / said), 1.0)
        found = penalty * np.exp(np.log(precisions).mean(axis=-1))
    return np.where((counts > 0).any(axis=-1) & (ngrams > 0).all(axis=-1), found, 0.0)


def signature() -> str:
    """sacrebleu's signature, which does not name the order."""
    metric = _metric()
    metric.corpus_score(["a"], [["a"]])
    return f"{metric.get_signature()}|max_ngram_order:{ORDER}"
