"""How folders of real and fake images are laid out: what an image is follows from the folders above it.

A name is evidence: it counts where a folder of the other class lies beside it, or where it says nothing but the class.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from converters.conversion.sources import Sourced, usable
from converters.layouts.folder_names import (
    NOT_ALONE,
    TOPICS,
    Mark,
    class_of,
    goes_with_images,
    pairs_with,
    says_little,
    split_of,
)
from swift_plugins.core.label_maps import meaning_of_folder
from swift_plugins.core.media import IMAGE_SUFFIXES, check_kind, resolve_under
from swift_plugins.core.tasks.verdicts import OPPOSITE

GENIMAGE = {"ai", "nature"}
DMIMAGE = {"real_coco_valid", "real_imagenet_valid", "real_ucid"}  # its reals; its fakes are called by generator
_ITS_GENERATORS = re.compile("biggan|dalle|eg3d|gaugan|glide|guided|latent|progan|stable|stylegan|taming")


class Item(msgspec.Struct):
    """An image and what is said of it, as far as it is; `place` is what says it, as the table of places shows it."""

    image: str
    label: str = ""
    category: str = ""
    source: str = ""
    manipulation: str = ""
    video: str = ""
    explanation: str = ""
    place: str = ""

    @property
    def parts(self) -> list[str]:
        """The folders above it and its name; a zip of Windows may have been unpacked with "\\" in its names."""
        return self.image.replace("\\", "/").split("/")


def nameless(where: str, reason: str) -> Sourced[Item]:
    """What stands for a file or folder that cannot be looked into."""
    return Sourced(where, where, "", Item(where), reason)


def walk(root: Path, others: Counter[str]) -> Iterator[Sourced[Item]]:
    """The images below a folder in sorted order, hidden ones left out; `others` counts other files by suffix."""
    unread: list[OSError] = []
    for at, folders, files in os.walk(root, onerror=unread.append):
        below = os.path.relpath(at, root)
        prefix = "" if below == "." else f"{below}/"
        for name in sorted(folders):
            if os.path.islink(os.path.join(at, name)) and not name.startswith("."):
                reason = "link: a linked folder is not entered; name it as --src"
                yield nameless(printable(f"{prefix}{name}"), reason)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.startswith("."):
                continue
            suffix, image = os.path.splitext(name)[1].lower(), f"{prefix}{name}"
            if suffix not in IMAGE_SUFFIXES and not is_image(root, image):
                others[printable(suffix)] += 1
                continue
            text = printable(image)
            reason = "" if text == image else "name: it is not UTF-8; rename the file"
            yield Sourced(text, text, "", Item(text), reason)
    for error in unread:
        where = printable(os.path.relpath(error.filename, root))
        yield nameless(where, f"folder: it cannot be listed: {error.strerror}")


def is_image(root: Path, image: str) -> bool:
    """Whether a file whose name does not say it is an image by its content; what a link leads out to is not read."""
    try:
        return check_kind(resolve_under(os.path.realpath(root), image)) is None
    except (ValueError, OSError):
        return False


def printable(name: str) -> str:
    """A file's name, with what is no character written as an escape."""
    return name.encode("utf-8", "backslashreplace").decode()


# -------------------------------------------------------------------------------------------------- what folders say


class Said(NamedTuple):
    """What the folders above an image say of it; `place` is their path up to the one that says it."""

    place: str
    label: str = ""
    split: str = ""
    source: str = ""
    reason: str = ""


def label_by_folders(items: list[Sourced[Item]], labels: Mapping[str, str], dataset: str, split: str) -> set[str]:
    """Fill in what the folders say, or why they do not say it; returns what of a label map stands for no folder.

    Where they say no source and no split they are `dataset` and `split`.
    """
    folders = {tuple(item.row.parts[:-1]) for item in usable(items)}
    layout = Layout(folders, labels)
    said = {parts: layout.understand([*parts], dataset, split) for parts in folders}
    stems = {stem_of(item.row) for item in usable(items)}
    for item in usable(items):
        of = item.row
        of.place, of.label, item.split, of.source, item.reason = said[tuple(of.parts[:-1])]
        if not item.reason and (whose := pairs_with(stem_of(of))) in stems:
            item.reason = f"auxiliary: it is called as the mask or thumbnail of {whose[:80]!r}"
    return {*labels} - layout.used


def stem_of(item: Item) -> str:
    """An image's name without its suffix, in whatever case and Unicode form it is written."""
    return unicodedata.normalize("NFC", os.path.splitext(item.parts[-1])[0]).casefold()


class Layout:
    """The folders of a set, beside each other, by which it is judged what the name of one says.

    `labels` are what the user says of folders by their names, or by the end of their paths; `used` those that fit one.
    """

    def __init__(self, folders: Set[tuple[str, ...]], labels: Mapping[str, str]):
        self.folders, self.labels, self.used = folders, labels, set[str]()
        # where folders lie, splits aside -> class, "" for none -> their names
        self.beside: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.splits: set[str] = set()
        for parts in folders:
            self.splits |= {split for part in parts if (split := split_of(part))}
            for i, part in enumerate(parts):
                if class_of(part).label or not (split_of(part) or goes_with_images(part)):
                    self.beside[_above(parts, i)][class_of(part).label].add(part.lower())
        pairs = [place for place, names in self.beside.items() if names["real"] - GENIMAGE and names["fake"]]
        self.containers = {part for place in pairs for part in accumulate(place.split("/"), "{}/{}".format)}

    def understand(self, parts: list[str], dataset: str, split: str) -> Said:
        """What a folder says of its images."""
        try:
            telling, label = self._classify(parts)
        except ValueError as error:
            place = next((i for i, part in enumerate(parts) if goes_with_images(part)), len(parts))
            return Said("/".join(parts[: place + 1]) or ".", reason=str(error))
        splits = {stated for part in parts if (stated := split_of(part))}
        if len(splits) > 1:
            return Said("/".join(parts), reason=f"split: the folders say {' and '.join(sorted(splits))}")
        stated = splits.pop() if splits else split
        if stated == "val" and "test" not in self.splits and any(self._is_genimage(parts, i) for i in telling):
            stated = "test"
        named = [parts[i] for i in telling if not says_little(parts[i])]
        others = [part for i, part in enumerate(parts) if i not in telling and not says_little(part)]
        sources = named + others if self._is_dmimage(parts, telling[-1]) else others + named
        return Said("/".join(parts[: telling[-1] + 1]), label, stated, (sources or [dataset])[0])

    def _classify(self, parts: list[str]) -> tuple[list[int], str]:
        """(the places of the folders that tell the class, the class); ValueError says why they do not."""
        mapped = self._mapped(parts)
        end = max(mapped, default=-1)
        if beside := [part for part in parts[end + 1 :] if goes_with_images(part)]:
            raise ValueError(f"auxiliary: {beside[0]!r} is called as what goes with images: masks, thumbnails, edges")
        marks = _marks(parts)
        if negated := [part for part in parts[end + 1 :] if class_of(part).negated]:
            raise ValueError(f"label: {negated[0]!r} says only what the images are not")
        counted = mapped or self._counted(parts, marks) or self._in_dmimage(parts)
        if not counted:
            alone = [parts[i] for i in marks]
            raise ValueError(
                f"label: no folder of the other class lies beside {alone[-1]!r}"
                if alone
                else "label: the folders say neither real nor fake"
            )
        last = max(counted)
        label = counted[last]
        against = [i for i in counted if counted[i] != label] + [
            i for i in marks if i > last and marks[i].label != label and parts[i].lower() not in TOPICS
        ]
        if against:
            names = ", ".join(parts[i] for i in sorted({*counted, *against}))
            raise ValueError(f"label: the folders say both real and fake ({names})")
        return sorted(counted), label

    def _mapped(self, parts: list[str]) -> dict[int, str]:
        """place -> class of the nearest folder that the user tells of."""
        for i in reversed(range(len(parts))):
            if key := meaning_of_folder("/".join(parts[: i + 1]), self.labels):
                self.used.add(key)
                return {i: self.labels[key]}
        return {}

    def _counted(self, parts: list[str], marks: Mapping[int, Mark]) -> dict[int, str]:
        """place -> class of the names that count: those with the other class beside them, else those that say it alone.

        A name that says more is a container's where both classes lie below. "ai" or "tampered" beside folders that say
        nothing may be one topic of many.
        """
        paired = {
            i: mark.label
            for i, mark in marks.items()
            if self._partners(parts, i) and (mark.exact or _above(parts, i + 1) not in self.containers)
        }
        return paired or {
            i: mark.label
            for i, mark in marks.items()
            if mark.bare or (mark.exact and parts[i].lower() not in NOT_ALONE and not self.beside[_above(parts, i)][""])
        }

    def _partners(self, parts: list[str], i: int) -> set[str]:
        """The folders of the other class beside one; nature is a class in GenImage alone."""
        others = self.beside[_above(parts, i)][OPPOSITE[class_of(parts[i]).label]]
        if self._is_genimage(parts, i):
            return others
        return others - {"nature"} if parts[i].lower() != "nature" else set()

    def _is_genimage(self, parts: list[str], i: int) -> bool:
        """Whether ai and nature lie beside each other here, and are no topics of a class."""
        beside = self.beside[_above(parts, i)]
        there = parts[i].lower() in GENIMAGE and beside["real"] | beside["fake"] >= GENIMAGE
        return there and not any(mark.exact or self._partners(parts, k) for k, mark in _marks(parts[:i]).items())

    def _is_dmimage(self, parts: list[str], i: int) -> bool:
        return not DMIMAGE.isdisjoint(self.beside[_above(parts, i)]["real"])

    def _in_dmimage(self, parts: list[str]) -> dict[int, str]:
        """The same of DMimage, where nothing is called fake: its reals, and its generators beside them."""
        for i, part in enumerate(parts):
            name = part.lower()
            if self._is_dmimage(parts, i) and (name in DMIMAGE or _ITS_GENERATORS.match(name)):
                return {i: "real" if name in DMIMAGE else "fake"}
        return {}


def _marks(parts: list[str]) -> dict[int, Mark]:
    """place -> what a name says, for those that state a class."""
    return {i: mark for i, part in enumerate(parts) if (mark := class_of(part)).label}


def _above(parts: tuple[str, ...] | list[str], i: int) -> str:
    """Where a folder lies, splits aside: train/real and test/fake lie beside each other."""
    return "/".join(part for part in parts[:i] if class_of(part).label or not split_of(part))


# ------------------------------------------------------------------------------------------------------- what they tell


def understood(items: Iterable[Sourced[Item]]) -> list[dict[str, Any]]:
    """What was taken for what: each place with its label and split, or why it has none, its images and the first."""
    found: dict[tuple[str, ...], list[str]] = {}
    for item in items:
        if (of := item.row).place:
            taken = not item.reason or not item.reason.startswith(("label", "auxiliary", "split"))
            key = (of.place, of.label if taken else "", item.split if taken else "", "" if taken else item.reason)
            found.setdefault(key, []).append(of.image)
    return [
        {
            "place": place,
            "label": label,
            "split": split,
            "problem": problem,
            "images": len(images),
            "such_as": images[0],
        }
        for (place, label, split, problem), images in sorted(
            found.items(), key=lambda entry: (not entry[0][1], entry[0])
        )
    ]


def contradicted(items: list[Sourced[Item]]) -> dict[str, Any]:
    """How many images of a table lie in folders that say the other class than it does; the first."""
    layout = Layout({tuple(item.row.parts[:-1]) for item in usable(items)}, {})
    said = {parts: layout.understand([*parts], "", "").label for parts in layout.folders}
    found = [of for item in usable(items) if said[tuple((of := item.row).parts[:-1])] == OPPOSITE[of.label]]
    return {"images": len(found), "such_as": f"{found[0].image}, called {found[0].label}" if found else ""}


def unlabelled(items: Iterable[Sourced[Item]]) -> list[str]:
    """The folders whose images have no label for what their folders say, in their order."""
    asked = (item.row.place for item in items if item.reason.startswith(("label", "auxiliary")))
    return [place for place in dict.fromkeys(asked) if place != "."]


def leakage(items: list[Sourced[Item]], alike: Mapping[str, str]) -> dict[str, int]:
    """How many test rows have their image, by its bytes, or the video that they are of in train.

    `alike` tells of the files with the bytes of others which those are, as Conversion has it.
    """
    trained, tested = [[item for item in items if item.split == split] for split in ("train", "test")]
    images, videos = {alike.get(item.path) for item in trained} - {None}, {item.row.video for item in trained} - {""}
    return {
        "test_rows": len(tested),
        "test_rows_whose_image_is_in_train": sum(alike.get(item.path) in images for item in tested),
        "test_rows_whose_video_is_in_train": sum(item.row.video in videos for item in tested),
    }
