"""Corpus BLEU up to 3-grams (Papineni et al. 2002): sacrebleu's, of what its texts add to it, for many sums at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from typing import Any

import numpy as np

import swift_plugins  # noqa: F401

ORDER = 3
PARTS = 2 * ORDER + 2  # matching n-grams and n-grams of each order, and the two lengths
_BLOCK = 256  # pairs of texts at once: their n-grams stay in the processor's cache
_BITS = 62  # of an n-gram's number, beside the one that tells texts apart; one pair's are of no more (MAX_CHARS)


@cache
def _metric() -> Any:
    from sacrebleu.metrics import BLEU

    return BLEU(max_ngram_order=ORDER)


class _Numbers(dict[str, int]):
    """The tokens that were met, each with a number."""

    def of(self, tokens: Iterable[str]) -> bytes:
        """Their numbers, as the bytes of an array, which take less time to put together than lists do."""
        return np.array([self.setdefault(token, len(self)) for token in tokens], np.int32).tobytes()


class _Words(dict[str, bytes]):
    """What sacrebleu's own tokenizer, 13a, splits a word into; what stands around it does not matter."""

    def __missing__(self, word: str) -> bytes:
        self[word] = _NUMBERS.of(_metric().tokenizer(word).split())
        return self[word]


_NUMBERS, _WORDS = _Numbers(), _Words()


def _numbered(text: str) -> bytes:
    if "-\n" in text or "<skipped>" in text:  # what 13a takes out, and so joins what stands around it
        return _NUMBERS.of(_metric().tokenizer(text.rstrip()).split())
    return b"".join(map(_WORDS.__getitem__, text.split()))


def parts(pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    """What each (hypothesis, reference) adds to the PARTS of which corpus BLEU is a function, (n, PARTS)."""
    blocks = [_parts(pairs[begin : begin + _BLOCK]) for begin in range(0, len(pairs), _BLOCK)]
    return np.concatenate([np.zeros((0, PARTS), int), *blocks])


def _parts(pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    texts = [*map(_numbered, chain(*zip(*pairs, strict=True)))]  # the hypotheses before the references
    words = np.frombuffer(b"".join(texts), np.int32)
    lengths = np.array([len(text) // words.itemsize for text in texts])
    said = np.unique(words[: lengths[: len(pairs)].sum()])
    bits = len(said).bit_length()  # of a word's number, which is 0 for those that no hypothesis has
    if len(pairs) > 1 and len(pairs).bit_length() + ORDER * bits > _BITS:
        half = len(pairs) // 2
        return np.concatenate([_parts(pairs[:half]), _parts(pairs[half:])])
    number = np.zeros(len(_NUMBERS), int)
    number[said] = np.arange(1, len(said) + 1)
    words, of_text = number[words], np.repeat(np.arange(len(texts)), lengths)
    true, grams = np.divmod(of_text, len(pairs))
    matching = []
    for n in range(ORDER):  # an n-gram's number has its pair's in front of those of its words
        grams = grams[: len(words) - n] << bits | words[n:]
        whole = of_text[n:] == of_text[: len(words) - n]
        gram_of, found = _in_both(grams[whole], true[: len(words) - n][whole])
        matching.append(np.bincount(gram_of >> (n + 1) * bits, weights=found, minlength=len(pairs)).astype(int))
    said_length, true_length = lengths.reshape(2, len(pairs))
    ngrams = (np.maximum(said_length - n, 0) for n in range(ORDER))
    return np.column_stack([*matching, *ngrams, said_length, true_length])


def _in_both(grams: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different n-grams, and how often each is both in the hypothesis and in the reference, where `true` is 1."""
    marked = np.sort(grams << 1 | true)
    grams = marked >> 1
    first = np.flatnonzero(np.diff(grams, prepend=-1))
    of_true = np.add.reduceat(marked & 1, first) if len(first) else first
    return grams[first], np.minimum(of_true, np.diff(first, append=len(grams)) - of_true)


def without_hypothesis(parts: Sequence[int]) -> list[int]:
    """What an empty text adds to them, beside the same reference."""
    return [0] * (PARTS - 1) + [parts[-1]]


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
