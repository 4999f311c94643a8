"""One text against another."""

from __future__ import annotations

import string

import swift_plugins  # noqa: F401

_WORDS = string.ascii_lowercase + string.digits
_BETWEEN = bytes(byte if chr(byte) in _WORDS else ord(" ") for byte in range(256))  # what is in no word is a space


def rouge_l(reference: str, candidate: str) -> float:
    """ROUGE-L F1 in 0..1 (Lin 2004): the longest common subsequence of lower-case alphanumeric tokens, no stemming.

    Equal to `rouge_score.rouge_scorer.RougeScorer(["rougeL"])`, computed by rapidfuzz.
    """
    from rapidfuzz.distance import LCSseq

    a, b = (text.lower().encode("ascii", "replace").translate(_BETWEEN).split() for text in (reference, candidate))
    if not a or not b:
        return 0.0
    common = LCSseq.similarity(a, b)
    return 2 * common / (len(a) + len(b))
