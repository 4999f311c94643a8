"""Which images belong together by their contents, folders and names: masks with their images, copies, frames, edits."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from converters.conversion.contents import hash_pictures, look
from converters.conversion.sources import Sourced, usable
from converters.conversion.splitting import Shares, divided
from converters.layouts.folder_names import class_of, says_little, words_of
from converters.layouts.folders import Item, stem_of
from swift_plugins.core.records import spread

RULE = "the same bytes or pixels, video, name but for words such as real, fake, copy, or small folder below the class"
_COPIES = {"copy", "edited", "edit", "altered", "modified", "resized", "cropped", "compressed", "version"}
_NUMBERED = re.compile(r"\s{0,4}\(\d{1,4}\)\Z")  # as a copy is numbered
_FEW = 4  # images that may always be kept together
_LOOKED_AT, _NEAREST = 4, 8  # images of a folder that may hold masks, and images that one may be of


def set_masks_aside(items: Iterable[Sourced[Item]]) -> None:
    """Give a reason to the images of folders that hold masks of others; one that says the class itself holds none."""
    folders: dict[str, list[Sourced[Item]]] = defaultdict(list)
    named: dict[str, list[Sourced[Item]]] = defaultdict(list)
    for item in usable(items):
        folders["/".join(item.row.parts[:-1])].append(item)
        named[stem_of(item.row)].append(item)
    for folder, some in folders.items():
        looked_at = [some[i] for i in spread(len(some), _LOOKED_AT)]
        if some[0].row.place != folder and all(_is_mask(item, named) for item in looked_at):
            for item in some:
                item.row.place = folder
                item.reason = f"auxiliary: {folder!r} holds black-and-white images of the names and sizes of others"


def _is_mask(item: Sourced[Item], named: Mapping[str, list[Sourced[Item]]]) -> bool:
    """Whether an image is black and white, and one of its size and name in another folder, of the nearest, is not."""
    here, others = os.path.dirname(item.path), [other.path for other in named[stem_of(item.row)] if other is not item]
    if not others:
        return False
    size, black_and_white = look(item.path)
    nearest = sorted(others, key=lambda path: -len(os.path.commonpath([path, here]))) if black_and_white else []
    return any(look(other) == (size, False) for other in nearest[:_NEAREST])


# ------------------------------------------------------------------------------------------------------- what to split


def split_items(items: Iterable[Sourced[Item]], wanted: Shares, seed: int, workers: int) -> int:
    """Give each image its part, those that belong together the same, and return how many such groups there are.

    ValueError where the source has splits of its own, or too few groups.
    """
    some = list(usable(items))
    if stated := Counter(item.split for item in some if item.split):
        said = ", ".join(f"{n} {split}" for split, n in stated.items())
        such = next(item.row.image for item in some if item.split)
        raise ValueError(f"--split {wanted}: the source has splits of its own ({said}, such as {such}); leave it out")
    digests = hash_pictures(sorted({item.path for item in some}), workers)
    links = [
        [f"image {n}", *([f"content {digests[item.path]}"] if item.path in digests else []), *kin]
        for n, (item, kin) in enumerate(zip(some, _kinships([item.row for item in some], wanted), strict=True))
    ]
    parts, groups = divided([item.row.label for item in some], links, wanted, seed)
    for item, part in zip(some, parts, strict=True):
        item.split = part
    return groups


def _kinships(items: Sequence[Item], wanted: Shares) -> list[list[str]]:
    """For each image what it shares with those that it belongs to: its video, its small folders, its name."""
    is_small = _small([item.label for item in items], min(filter(None, wanted)) / sum(wanted))
    folders = [is_small([keys[i] for keys in map(_folders_of, items)]) for i in range(2)]
    names = [is_small([keys[i] for keys in map(_names_of, items)]) for i in range(2)]
    stems = [
        next((name for name in of if name), f"name {stem_of(item)}") for item, *of in zip(items, *names, strict=True)
    ]
    count = Counter(stems)
    links = []
    for item, stem, *of in zip(items, stems, *folders, strict=True):
        whole = [f"video {item.video}"] if item.video else [folder for folder in of if folder]
        links.append(whole + ([stem] if not whole or count[stem] <= _FEW else []))
    return links


def _small(labels: Sequence[str], share: float) -> Callable[[Sequence[str]], list[str]]:
    """What leaves of keys, one for each image, those that may be kept together: they fit into the smallest part."""
    total = Counter(labels)
    limit = {label: max(share * n, min(_FEW, n / 3)) for label, n in total.items()}

    def small(keys: Sequence[str]) -> list[str]:
        found = Counter(zip(keys, labels, strict=True))
        large = {key for (key, label), n in found.items() if n > limit[label]}
        return ["" if key in large else key for key in keys]

    return small


def _folders_of(item: Item) -> tuple[str, str]:
    """An image's folders, those that say its class aside, and the last of them; "" where there is none."""
    parts = item.parts[:-1]
    telling = len(item.place.split("/")) - 1 if "/".join(parts).startswith(item.place) else -1
    rest = [part for i, part in enumerate(parts) if i != telling and not class_of(part).exact and not says_little(part)]
    return (f"folder {'/'.join(rest)}", f"folder {rest[-1]}") if rest else ("", "")


def _names_of(item: Item) -> tuple[str, str]:
    """What comes before a frame's number in an image's name, and the name without what tells a copy from its like."""
    stem = _NUMBERED.sub("", stem_of(item))
    words = [word for word in words_of(stem) if word not in _COPIES and not class_of(word).label] or [stem]
    at = next((i for i, word in enumerate(words) if word in ("frame", "frames")), 0)
    return (f"name {' '.join(words[:at])}" if at else "", f"name {' '.join(words)}")
