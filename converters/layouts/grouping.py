"""Which images belong together by their contents, folders and names: masks with their images, copies, frames, edits."""

from __future__ import annotations

import functools
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from converters.conversion.contents import hash_pictures, look
from converters.conversion.sources import Sourced, usable
from converters.conversion.splitting import Shares, divided
from converters.layouts.folder_names import CLASSES, class_of, says_little, words_of
from converters.layouts.folders import Item, stem_of
from swift_plugins.core.records import spread

RULE = "the same bytes or pixels, video, name but for words such as real, fake, copy, or small folder below the class"
_COPIES = {"copy", "edited", "edit", "altered", "modified", "resized", "cropped", "compressed"}.union(*CLASSES.values())
_NUMBERED = re.compile(r"\s{0,4}\(\d{1,4}\)\Z")  # as a copy is numbered
_FEW, _CLIP = 4, 1000  # images of a class that may always be kept together, and no more than which ever are
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
    if not (some := list(usable(items))):
        return 0
    if stated := Counter(item.split for item in some if item.split):
        said = ", ".join(f"{n} {split}" for split, n in stated.items())
        such = next(item.row.image for item in some if item.split)
        raise ValueError(f"--split {wanted}: the source has splits of its own ({said}, such as {such}); leave it out")
    digests = hash_pictures(sorted({item.path for item in some}), workers)
    links = [
        [f"content {digests[item.path]}", *kin] if item.path in digests else kin
        for item, kin in zip(some, _kinships([item.row for item in some], wanted), strict=True)
    ]
    parts, groups = divided([item.row.label for item in some], links, wanted, seed)
    for item, part in zip(some, parts, strict=True):
        item.split = part
    return groups


def _kinships(items: Sequence[Item], wanted: Shares) -> list[list[str]]:
    """For each image what it shares with those that it belongs to: its video, its small folders, its name."""
    is_small = _small([item.label for item in items], min(filter(None, wanted)) / sum(wanted))
    keys = ((*_folders_of("/".join(item.parts[:-1]), item.place), *_names_of(stem_of(item))) for item in items)
    folders, lasts, clips, names, stems = zip(*keys, strict=True)
    named = [clip or name or stem for clip, name, stem in zip(is_small(clips), is_small(names), stems, strict=True)]
    count = Counter(named)
    links = []
    for item, name, *of in zip(items, named, is_small(folders), is_small(lasts), strict=True):
        whole = [f"video {item.video}"] if item.video else [folder for folder in of if folder]
        links.append(whole + ([name] if not whole or count[name] <= _FEW else []))
    return links


def _small(labels: Sequence[str], share: float) -> Callable[[Sequence[str]], list[str]]:
    """What leaves of keys, one for each image, those that may be kept together: they fit into the smallest part."""
    total = Counter(labels)
    limit = {label: min(max(share * n, min(_FEW, n / 3)), _CLIP) for label, n in total.items()}

    def small(keys: Sequence[str]) -> list[str]:
        found = Counter(zip(keys, labels, strict=True))
        large = {key for (key, label), n in found.items() if n > limit[label]}
        return ["" if key in large else key for key in keys]

    return small


@functools.lru_cache(maxsize=4096)
def _folders_of(folder: str, place: str) -> tuple[str, str]:
    """The folders in an image's folder that do not say its class, and the last of them; "" where there is none."""
    telling = len(place.split("/")) - 1 if folder.startswith(place) else -1
    parts = enumerate(folder.split("/"))
    rest = [part for i, part in parts if part and i != telling and not class_of(part).exact and not says_little(part)]
    return (f"folder {'/'.join(rest)}", f"folder {rest[-1]}") if rest else ("", "")


def _names_of(stem: str) -> tuple[str, str, str]:
    """What stands before a frame's number in an image's name, the name without what tells a copy, the name itself."""
    words = [word for word in words_of(_NUMBERED.sub("", stem)) if word not in _COPIES] or [stem]
    at = next((i for i, word in enumerate(words) if word in ("frame", "frames")), 0)
    return (f"name {' '.join(words[:at])}" if at else "", f"name {' '.join(words)}", f"name {stem}")
