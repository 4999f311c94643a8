"""How far captioners agree, by family of artifact, and the explanations that stand under many images."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from converters.factories.captions import FAMILIES, LETTERS, Account, named_observations

FEW = 3  # images that a sentence may stand under by chance, and
SHARE = 0.01  # the share of all images that makes it generic
SHOWN = 20
_SENTENCE = re.compile(r"(?<=[.!?]) ")
_LABEL = re.compile(rf"(?:{'|'.join(FAMILIES)}): ", re.I)
_NOT_WORD = re.compile(r"[\W\d_]+")


def agreement(accounts: Sequence[Account]) -> dict[str, Any]:
    """For each family how many things one, two and all three captioners saw, how many are kept and how many of these
    are of a single one; for each captioner how many of its observations another one shares."""
    families: dict[str, Counter[str]] = {family: Counter() for family in FAMILIES}
    captioners: dict[str, Counter[str]] = {letter: Counter() for letter in LETTERS}
    for account in accounts:
        for group in account.groups:
            counts = families[group.family]
            counts[f"seen_by_{group.captioners}"] += 1
            for name in group.names:
                captioners[name[0]]["shared"] += group.captioners > 1
        for group in account.kept:
            families[group.family]["kept"] += 1
            families[group.family]["kept_as_critical"] += group.captioners == 1
        for name in named_observations(account.seen) if account.seen else ():
            captioners[name[0]]["observations"] += 1
    return {
        "families": {family: _with_share(counts) for family, counts in families.items() if counts},
        "captioners": {letter: dict(counts) for letter, counts in captioners.items() if counts},
    }


def _with_share(counts: Counter[str]) -> dict[str, Any]:
    seen = sum(n for key, n in counts.items() if key.startswith("seen_by"))
    agreed = seen - counts["seen_by_1"]
    return {**dict(sorted(counts.items())), "agreed_percent": round(100 * agreed / seen, 1) if seen else None}


def generic(accounts: Sequence[Account]) -> dict[str, Any]:
    """The sentences that stand, but for numbers and signs, under more images than chance explains, and under how many.

    Such are a known fault of explanations that models write: they say of an image what might be said of any.
    """
    images: dict[str, set[str]] = defaultdict(set)
    first: dict[str, str] = {}
    for account in accounts:
        for sentence in _sentences(account.explanation or ""):
            words = _NOT_WORD.sub(" ", sentence.casefold()).strip()
            images[words].add(account.case.sha256)
            first.setdefault(words, sentence)
    explained = len({account.case.sha256 for account in accounts if account.explanation})
    least = max(FEW, math.ceil(SHARE * explained)) + 1
    found = sorted((words for words in images if len(images[words]) >= least), key=lambda w: (-len(images[w]), w))
    under = set().union(*(images[words] for words in found)) if found else set()
    return {
        "images_explained": explained,
        "least_images": least,
        "sentences": {first[words][:200]: len(images[words]) for words in found[:SHOWN]},
        "more_sentences": max(0, len(found) - SHOWN),
        "images_with_such": len(under),
    }


def _sentences(text: str) -> list[str]:
    return [_LABEL.sub("", sentence) for sentence in _SENTENCE.split(text) if sentence]
