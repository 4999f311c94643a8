"""What could tell real from fake without a look at the picture: the file's format, its size, how its JPEG was saved.

Real images are often JPEGs of many sizes and generated ones PNGs of one; a model then learns the file, not the image.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from swift_plugins.core.media import Media

WARN_ABOVE = 60.0  # % balanced accuracy; 50 is chance
TELLING = 5  # values that an entry names
_LABELS = ("real", "fake")
_SUFFIX_FORMATS = {"JPG": "JPEG", "JFIF": "JPEG", "TIF": "TIFF"}


class Facts(NamedTuple):
    """What is known of an image but its picture; None where it is not."""

    format: str | None
    size: tuple[int, int] | None  # width, height in px
    quantisation: str | None


def _pixels(facts: Facts) -> str | None:
    """The number of pixels in bins a factor of the square root of 2 wide, as megapixels."""
    if facts.size is None:
        return None
    return f"{2 ** (round(2 * math.log2(math.prod(facts.size))) / 2) / 1e6:.2g} MP"


def _aspect_ratio(facts: Facts) -> str | None:
    return facts.size and f"{facts.size[0] / facts.size[1]:.2f}"


def _together(facts: Facts) -> str | None:
    """All of them; pixels and aspect ratio stand for the size, of which a set can hold thousands."""
    known = (facts.format, _pixels(facts), _aspect_ratio(facts), facts.quantisation)
    return ", ".join(value for value in known if value) or None


class Pictured(msgspec.Struct, gc=False):
    """What an image is: "real" or "fake", whether it is for training, its annotated width and height in px."""

    label: str
    train: bool
    size: tuple[int, int] | None = None


RULES: dict[str, Callable[[Facts], str | None]] = {
    "format": lambda facts: facts.format,
    "size": lambda facts: facts.size and f"{facts.size[0]}x{facts.size[1]}",
    "pixels": _pixels,
    "aspect_ratio": _aspect_ratio,
    "quantisation": lambda facts: facts.quantisation,
    "together": _together,
}


def audit_images(images: Mapping[str, Pictured], media: Mapping[str, Media | str]) -> dict[str, Any]:
    """How well file format, size, JPEG quantisation tables and aspect ratio alone separate real from fake.

    `images` are told of by their absolute paths. `media` is what check_files found; where it is empty the suffix stands
    for the format and the annotated size for the size. An image whose file could not be read is counted and left out.

    Each of RULES is measured as balanced accuracy, the mean recall of the two classes in percent: the best rule from
    value to class is learned on the training images and measured on the others, or on either half of all (drawn by the
    hash of the path) and measured on the other half. A value not seen gets the majority of the learning part.
    """
    facts = [_facts(path, media, image.size) for path, image in images.items()]
    labels = [image.label for image in images.values()]
    part = [image.train for image in images.values()]
    held_out = len({*zip(labels, part, strict=True)}) == 4
    if not held_out:
        shared = len(os.path.commonpath(images)) if images else 0  # where the data lie must not matter
        part = [hashlib.sha256(path[shared:].encode("utf-8", "surrogatepass")).digest()[0] % 2 == 0 for path in images]
    counts = Counter(entry for entry in zip(facts, labels, part, strict=True) if entry[0] is not None)
    return {
        "images": counts.total(),
        "not_read": len(images) - counts.total(),
        "measured_on": "held-out splits" if held_out else "two halves of the images, each by the other",
        "rules": {name: _measure(value_of, counts, held_out) for name, value_of in RULES.items()},
    }


def _facts(path: str, media: Mapping[str, Media | str], size: tuple[int, int] | None) -> Facts | None:
    suffix = path[path.rfind(".") + 1 :].upper() if "." in path[path.rfind("/") + 1 :] else ""
    named = _SUFFIX_FORMATS.get(suffix, suffix) or None
    if not media:
        return Facts(named, size, None)
    found = media.get(path)
    if not isinstance(found, Media):
        return None
    return Facts(found.format or named, (found.width, found.height), found.quantisation or "none")


def _measure(value_of: Callable[[Facts], str | None], entries: Counter, held_out: bool) -> dict[str, Any]:
    counts: Counter[tuple[str, str, bool]] = Counter()
    for (facts, label, part), n in entries.items():
        if (value := value_of(facts)) is not None:
            counts[value, label, part] += n
    totals = {label: sum(n for (_, of, _), n in counts.items() if of == label) for label in _LABELS}
    if not counts:
        return {"balanced_accuracy": None, "reason": "not known of any image (--check header reads it)"}
    if not all(totals.values()):
        return {"balanced_accuracy": None, "reason": f"there are {totals['real']} real and {totals['fake']} fake"}
    right, measured = Counter[str](), Counter[str]()
    for learn in (True,) if held_out else (True, False):
        rule, common = best_rule({(v, label): n for (v, label, part), n in counts.items() if part is learn}, True)
        for (value, label, part), n in counts.items():
            if part is not learn:
                measured[label] += n
                right[label] += n * (rule.get(value, common) == label)
    if len(measured) < 2:
        return {"balanced_accuracy": None, "reason": "not known of any held-out image of one class"}
    accuracy = 100 * sum(right[label] / measured[label] for label in _LABELS) / 2
    return {"balanced_accuracy": round(accuracy, 2), "n": measured.total(), "values": _telling(counts, totals)}


def _telling(counts: Counter[tuple[str, str, bool]], totals: Mapping[str, int]) -> list[dict[str, Any]]:
    """The values whose shares of the real and of the fake images differ most, with their numbers of images."""
    seen: dict[str, Counter[str]] = {}
    for (value, label, _), n in counts.items():
        seen.setdefault(value, Counter())[label] += n
    gap = {value: abs(n["real"] / totals["real"] - n["fake"] / totals["fake"]) for value, n in seen.items()}
    by_gap = sorted(seen, key=lambda value: (-gap[value], value))
    return [{"value": value, **{label: seen[value][label] for label in _LABELS}} for value in by_gap[:TELLING]]


def audit_lines(audit: Mapping[str, Any]) -> list[str]:
    """A warning, one line each, for every rule that is right more often than WARN_ABOVE."""
    lines = []
    for name, rule in audit["rules"].items():
        if (rule["balanced_accuracy"] or 0) > WARN_ABOVE:
            values = "; ".join("{value}: {real} real, {fake} fake".format(**value) for value in rule["values"][:2])
            what = "all of these together give" if name == "together" else f"{name.replace('_', ' ')} alone gives"
            lines.append(
                f"shortcut: {what} {rule['balanced_accuracy']} % balanced accuracy on {rule['n']} images ({values})"
            )
    return lines


def best_rule(counts: Mapping[tuple[Any, str], int], balanced: bool = False) -> tuple[dict[Any, str], str | None]:
    """(the best class for each value, the overall majority) of {(value, class): count}; no majority without counts.

    Best for accuracy is a value's majority; for balanced accuracy a count is its share of its class. A tie goes to the
    overall majority.
    """
    overall: Counter[str] = Counter()
    for (_, label), n in counts.items():
        overall[label] += n
    common = max(sorted(overall), key=overall.__getitem__, default=None)
    best: dict[Any, tuple[float, bool, str]] = {}
    for (value, label), n in counts.items():
        found = (n / overall[label] if balanced else n, label == common, label)
        best[value] = max(best.get(value, found), found)
    return {value: label for value, (_, _, label) in best.items()}, common


def one_variable_rule(values: list[Any], labels: list[str], train: list[bool]) -> dict[str, Any]:
    """How well one variable alone tells real from fake: the majority label of each value, learned on the training part.

    Measured on the rest; a value not seen in training gets the overall majority. A rule that exceeds the majority by
    far is a shortcut that a model may take instead of looking.
    """
    if None in values:
        return {"accuracy": None, "reason": "not known for every file"}
    counts = Counter(zip(values, labels, train, strict=True))
    rule, common = best_rule({(value, label): n for (value, label, in_train), n in counts.items() if in_train})
    held_out = [(value, label, n) for (value, label, in_train), n in counts.items() if not in_train]
    if common is None:
        return {"accuracy": None, "reason": "no training rows to learn it from"}
    if not held_out:
        return {"accuracy": None, "reason": "no held-out rows to measure it on"}
    total = sum(n for _, _, n in held_out)
    right = sum(n for value, label, n in held_out if rule.get(value, common) == label)
    majority = sum(n for _, label, n in held_out if label == common)
    return {
        "accuracy": round(100 * right / total, 2),
        "majority": round(100 * majority / total, 2),
        "n": total,
        "measured_on": "held-out splits",
    }
