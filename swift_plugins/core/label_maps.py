"""What a user says that labels and folder names mean: --label-map 0=fake,1=real."""

from __future__ import annotations

import argparse
import re
import unicodedata
from collections.abc import Iterable
from fnmatch import fnmatchcase

from swift_plugins.core.tasks.verdicts import VERDICTS

_TRUTHS = {**dict.fromkeys(("true", "yes"), "1"), **dict.fromkeys(("false", "no"), "0")}
_WHOLE = re.compile(r"(-?\d{1,9})\.0{1,9}")


def label_map(text: str) -> dict[str, str]:
    """A type for argparse: 0=fake,1=real. The keys are as `spelled` makes them."""
    pairs = [pair.strip().split("=") for pair in text.split(",")]
    if any(len(pair) != 2 or not pair[0].strip() or pair[1].strip().lower() not in VERDICTS for pair in pairs):
        raise argparse.ArgumentTypeError(f"must be like 0=fake,1=real or Au=real,Tp=fake, got {text!r}")
    found = {spelled(key): verdict.strip().lower() for key, verdict in pairs}
    if len(found) < len(pairs):
        raise argparse.ArgumentTypeError(f"says twice what a label means, got {text!r}")
    return found


def spelled(label: str) -> str:
    """A label, or a path of folders, so that two that mean one are equal: in any case, 1.0 as 1, True and yes as 1."""
    parts = unicodedata.normalize("NFC", label.strip()).casefold().split("/")
    return "/".join(_TRUTHS.get(part, found[1] if (found := _WHOLE.fullmatch(part)) else part) for part in parts)


def meaning(label: str, labels: Iterable[str]) -> str:
    """The first key of a label map that fits a label, "" for none; ai-* fits ai-sdxl."""
    text = spelled(label)
    return next((key for key in labels if text == key or fnmatchcase(text, key)), "")


def meaning_of_folder(path: str, labels: Iterable[str]) -> str:
    """The first that fits the end of a folder's path: tp and casia/tp fit sets/CASIA/Tp."""
    text = f"/{spelled(path)}"
    return next((key for key in labels if text.endswith(f"/{key}") or fnmatchcase(text, f"*/{key}")), "")
