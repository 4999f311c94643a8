"""LOKI as it lies on disk: its five files of questions on images and videos, read and checked against themselves."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from converters.audit import audit_images
from converters.common import MediaFolders, check_files
from swift_plugins.commands import spread
from swift_plugins.media import Media
from swift_plugins.tasks import loki_mc, loki_open, loki_tf

LICENCE = (
    "LOKI (Ye et al., ICLR 2025): the media, Hugging Face bczhou/LOKI, are tagged Apache-2.0, the repository with the "
    "annotations, GitHub opendatalab/LOKI, is under the MIT licence; pictures and clips keep their sources' terms."
)
DOWNLOAD = (
    "put its folders image and video with their JSON files there, and the media beside them: hf download bczhou/LOKI "
    "media_data.zip --repo-type dataset --local-dir {src} && unzip -q {src}/media_data.zip -d {src}"
)
MAX_BYTES = 64 << 20  # of one file; the largest published one has 2.6 MB
MAX_SIDE = 65_536  # px
PROBES = 40  # paths that are tried to find out where the media lie


class Subset(NamedTuple):
    """One published file: where it lies, its task, whether it asks about images or videos, its rows and media."""

    path: str
    task: Any
    medium: str
    rows: int
    media: int


SUBSETS = {
    "image/true_or_false": Subset("image/true_or_false.json", loki_tf, "image", 4434, 2217),
    "image/multi_choice": Subset("image/multi_choice.json", loki_mc, "image", 2634, 2217),
    "image/open_ended": Subset("image/open_ended_vqa.json", loki_open, "image", 229, 229),
    "video/true_or_false": Subset("video/true_or_false.json", loki_tf, "video", 1272, 636),
    "video/multi_choice": Subset("video/multi_choice.json", loki_mc, "video", 428, 428),
}
_TYPE = re.compile(
    r"(?P<medium>image|video)_(?:tf_(?P=medium)_(?P<label>real|fake)_ask_(?P<asks>real|fake)"
    r"|mc_(?P<wanted>real|fake)_from_(?P<rest>real|fake))_(?P<group>[^\n]{1,200})"
)
_OTHER = {"real": "fake", "fake": "real"}
# On disk -> as FakeClue names it, and the slip in "scene" undone; the others are the same in both.
CLASSES = {"animals": "animal", "person": "human", "sence": "scene"}
# Descriptions that an assistant translated, of which some begin "The text translates to: …".
_TRANSLATOR = re.compile(r"\btranslat(?:es|ed|ion)", re.I)


@dataclass
class Raw:
    """A question as published, checked: `labels` are those of its media, `asks` the one that it asks about.

    `group` is what ends question_type, the class of images or the generator of videos. `regions` are ([x0, y0, x1, y1]
    in px, description).
    """

    where: str
    id: str
    media: tuple[str, ...]
    labels: tuple[str, ...]
    question: str
    asks: str
    answer: str
    group: str = ""
    explanation: str = ""
    regions: tuple[tuple[list[float], str], ...] = ()
    descriptions: int = 0
    translator_remarks: int = 0


class Malformed(NamedTuple):
    """A row that has no usable form: where it stands, its id or else its place in the file, and what is wrong."""

    where: str
    id: str
    reason: str


@dataclass
class Part:
    """One subset while it is converted."""

    name: str
    subset: Subset
    rows: list[Raw | Malformed]
    prompts: dict[str, None] = field(default_factory=dict)  # those of its rows, each once

    @property
    def good(self) -> list[Raw]:
        return [row for row in self.rows if isinstance(row, Raw)]

    @property
    def media(self) -> set[str]:
        return {path for raw in self.good for path in raw.media}


def find_subsets(src: Path) -> dict[str, Subset]:
    """The subsets whose files are there; ValueError says how to get the dataset."""
    found = {name: subset for name, subset in SUBSETS.items() if (src / subset.path).is_file()}
    if not found:
        raise ValueError(f"{src} holds none of LOKI's files (such as image/true_or_false.json): "
                         f"{DOWNLOAD.format(src=src)}")  # fmt: skip
    return found


def read_subset(src: Path, subset: Subset, limit: int | None) -> list[Raw | Malformed]:
    """The subset's questions, in the file's order."""
    items = _read_list(src / subset.path)
    rows: list[Raw | Malformed] = []
    ids: set[str] = set()
    for index in spread(len(items), limit):
        item, where = items[index], f"{subset.path}[{index}]"
        stated = item.get("id") if isinstance(item, dict) else None
        row_id = stated if isinstance(stated, str) else str(index)
        try:
            if row_id in ids:
                raise ValueError("id: another row has it")
            rows.append(_read_row(item, where, row_id, subset))
            ids.add(row_id)
        except ValueError as error:
            rows.append(Malformed(where, row_id, str(error)))
    return rows


def _read_list(path: Path) -> list[Any]:
    """A JSON list in UTF-8 or, where a byte order mark says so, in UTF-16."""
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(f"{path}: {size} bytes; at most {MAX_BYTES} are read")
    content = path.read_bytes()
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        items = msgspec.json.decode(content.decode("utf-16" if wide else "utf-8-sig"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: expected one JSON list of rows: {error}") from None
    if not isinstance(items, list) or not items:
        raise ValueError(f"{path}: expected one JSON list of rows: got {type(items).__name__}, empty or of no rows")
    return items


def _read_row(item: Any, where: str, row_id: str, subset: Subset) -> Raw:
    """ValueError begins with the field at fault."""
    if not isinstance(item, dict):
        raise ValueError(f"row: expected a JSON object, got {type(item).__name__}")
    key = f"{subset.medium}_path"
    media, question = item.get(key), item.get("question")
    media = [media] if isinstance(media, str) else media
    wanted = 2 if subset.task is loki_mc else 1
    if not (
        isinstance(media, list)
        and all(isinstance(path, str) for path in media)
        and len({*media}) == len(media) == wanted
    ):
        raise ValueError(f"{key}: expected {wanted} different path(s), got {item.get(key)!r:.80}")
    if not isinstance(question, str):
        raise ValueError(f"question: expected a text, got {question!r:.80}")
    if subset.task is loki_open:
        return Raw(where, row_id, tuple(media), ("fake",), question, "fake", "", **_problems(item.get("problems")))
    labels, asks, group = _truth(item, subset)
    return Raw(where, row_id, tuple(media), labels, question, asks, item["answer"], group)


def _truth(item: dict[str, Any], subset: Subset) -> tuple[tuple[str, ...], str, str]:
    """(labels of the media, what is asked about, group) of a question; question_type holds the truth, and `answer` must
    agree with it."""
    stated, answer = item.get("question_type"), item.get("answer")
    found = _TYPE.fullmatch(stated) if isinstance(stated, str) else None
    pairs = subset.task is loki_mc
    if found is None or found["medium"] != subset.medium or pairs != bool(found["wanted"]):
        raise ValueError(f"question_type: not one of {subset.path}: {stated!r:.120}")
    if not pairs:
        label, asks = found["label"], found["asks"]
        right = "Yes" if label == asks else "No"
        if answer != right:
            raise ValueError(f"contradiction: {stated!r:.120} means {right}, the answer is {answer!r:.40}")
        return (label,), asks, found["group"]
    if (asks := found["wanted"]) == found["rest"]:
        raise ValueError(f"question_type: not one of {subset.path}: {stated!r:.120}")
    if not isinstance(answer, str) or answer not in loki_mc.TEXTS:
        raise ValueError(f"answer: must be A or B, got {answer!r:.40}")
    if item.get("choices") != [*loki_mc.TEXTS.values()]:
        raise ValueError(f"choices: expected {[*loki_mc.TEXTS.values()]}, got {item.get('choices')!r:.80}")
    labels = (asks, _OTHER[asks])
    return labels if answer == "A" else labels[::-1], asks, found["group"]


def _problems(problems: Any) -> dict[str, Any]:
    """What people found in a fake image: the global descriptions, then the regional ones, and the regions."""
    try:
        overall = [part["desc"].strip() for part in problems["global"]]
        regions = [(_box(part["region"]), part["desc"].strip()) for part in problems["regional"]]
    except (TypeError, KeyError, AttributeError):
        raise ValueError("problems: expected global and regional with desc and, the latter, region: "
                         f"{problems!r:.120}") from None  # fmt: skip
    said = [text for text in (*overall, *(text for _, text in regions)) if text]
    return {"explanation": "\n".join(said), "regions": tuple(regions), "descriptions": len(said),
            "translator_remarks": sum(bool(_TRANSLATOR.search(text)) for text in said)}  # fmt: skip


def _box(region: Any) -> list[float]:
    """[x, y, width, height] in px to [x0, y0, x1, y1]."""
    plausible = isinstance(region, list) and all(type(x) in (int, float) and 0 <= x <= MAX_SIDE for x in region)
    if not plausible or len(region) != 4:
        raise ValueError(f"problems: a region must be [x, y, width, height] in px, got {region!r:.80}")
    x, y, width, height = region
    return [x, y, x + width, y + height]


def add_classes(parts: list[Part]) -> None:
    """Give the open-ended questions, which name no class, that of the same image in the true-or-false file."""
    classes = {raw.media[0]: raw.group for part in parts if part.subset.task is loki_tf for raw in part.good}
    for raw in (raw for part in parts if part.subset.task is loki_open for raw in part.good):
        raw.group = classes.get(raw.media[0], "")


# ------------------------------------------------------------------------------------------------------------ the media


def find_media(src: Path, paths: list[str]) -> Path:
    """The folder that the media's paths start from: --src, the folder media_data in it or the one above it.

    It is the one where most of some evenly spread paths lead to a file; --src, where none does anywhere.
    """
    src = Path(os.path.realpath(src))
    some = [paths[i] for i in spread(len(paths), PROBES)]

    def found(root: Path) -> int:
        folders = MediaFolders(root)
        for path in some:
            try:
                folders.path(path)
            except ValueError:
                folders.missing.add(path)
        return len(some) - len(folders.missing & {*some})

    return max((src, src / "media_data", src.parent), key=found)


class Library:
    """The media of all parts: their paths, their labels, and why one cannot be used."""

    def __init__(self, src: Path, parts: list[Part], level: str, workers: int):
        self.labels: dict[str, set[str]] = {}
        for raw in (raw for part in parts for raw in part.good):
            for name, label in zip(raw.media, raw.labels, strict=True):
                self.labels.setdefault(name, set()).add(label)
        self.kinds = {name: part.subset.medium for part in parts for name in part.media}
        self.root = find_media(src, [*self.labels])
        folders = MediaFolders(self.root)
        self.paths: dict[str, str] = {}
        self.faults: dict[str, str] = {}
        for name in self.labels:
            try:
                self.paths[name] = folders.path(name)
            except ValueError as error:
                self.faults[name] = str(error)
        self.missing = len(folders.missing)
        paths = sorted({*self.paths.values()})
        self.found = {} if level == "none" else check_files(paths, level, workers)

    def use(self, names: Iterable[str]) -> list[str]:
        """Their absolute paths; ValueError says what is wrong with one."""
        for name in names:
            if len(self.labels[name]) > 1:
                raise ValueError(f"contradiction: called real and fake: {name[:80]!r}")
            if name in self.faults:
                raise ValueError(f"media: {self.faults[name]}")
            found, kind = self.found.get(self.paths[name]), self.kinds[name]
            if isinstance(found, str):
                raise ValueError(f"media: {found}: {name[:80]!r}")
            if found and (found.duration is None) != (kind == "image"):
                raise ValueError(f"media: not {'an image' if kind == 'image' else 'a video'}: {name[:80]!r}")
        return [self.paths[name] for name in names]

    def size(self, name: str) -> tuple[int | None, int | None]:
        """(width, height) in px as far as it is known."""
        found = self.found.get(self.paths[name])
        return (found.width, found.height) if isinstance(found, Media) else (None, None)

    def audit(self) -> dict[str, Any]:
        """What tells the images apart without a look at them."""
        names = [name for name, labels in self.labels.items()
                 if self.kinds[name] == "image" and name in self.paths and len(labels) == 1]  # fmt: skip
        labels = [next(iter(self.labels[name])) for name in names]
        return audit_images([self.paths[name] for name in names], labels, [False] * len(names), self.found)


def clusters(pairs: Iterable[tuple[str, ...]]) -> dict[str, str]:
    """medium -> the first in order of all media that are linked to it by pairs: media that share one are not
    independent."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while (above := parent.setdefault(name, name)) != name:
            parent[name] = parent[above]
            name = above
        return name

    for first, *others in pairs:
        for other in others:
            low, high = sorted((root(first), root(other)))
            parent[high] = low
    return {name: root(name) for name in [*parent]}
