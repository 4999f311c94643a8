"""LOKI as it lies on disk: its five files of questions on images and videos, read and checked against themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from converters.conversion.sources import Sourced, read_text, unusable, usable
from swift_plugins.core.records import spread
from swift_plugins.core.tables import worded
from swift_plugins.core.tasks import loki_mc, loki_open, loki_tf
from swift_plugins.core.tasks.verdicts import OPPOSITE

LICENCE = (
    "LOKI (Ye et al., ICLR 2025): the media, Hugging Face bczhou/LOKI, are tagged Apache-2.0, the repository with the "
    "annotations, GitHub opendatalab/LOKI, is under the MIT licence; pictures and clips keep their sources' terms."
)
UNPACK = (
    "hf download bczhou/LOKI media_data.zip --repo-type dataset --local-dir {src} && "
    "unzip -q {src}/media_data.zip -d {src}"
)
DOWNLOAD = (
    "put the folders image and video with their JSON files, of GitHub opendatalab/LOKI, there and the media beside "
    f"them: {UNPACK}"
)
MAX_BYTES = 64 << 20  # of one file; the largest published one has 2.6 MB
MAX_SIDE = 65_536  # px


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


@dataclass
class Part:
    """One subset that is there, and its questions."""

    name: str
    subset: Subset
    rows: list[Sourced[Raw]]

    @property
    def good(self) -> list[Raw]:
        return [item.row for item in usable(self.rows)]

    @property
    def media(self) -> set[str]:
        return {path for raw in self.good for path in raw.media}


def find_subsets(src: Path) -> dict[str, Subset]:
    """The subsets whose files are there; ValueError says how to get the dataset."""
    found = {name: subset for name, subset in SUBSETS.items() if (src / subset.path).is_file()}
    if not found:
        raise ValueError(
            f"{src} holds none of LOKI's files (such as image/true_or_false.json): {DOWNLOAD.format(src=src)}"
        )
    return found


def read_part(src: Path, name: str, subset: Subset, limit: int | None) -> Part:
    """The subset's questions, in the file's order; their ids are those on disk, else their places in the file."""
    items = _read_list(src / subset.path)
    part = Part(name, subset, [])
    ids: set[str] = set()
    for index in spread(len(items), limit):
        item, where = items[index], f"{subset.path}[{index}]"
        stated = item.get("id") if isinstance(item, dict) else None
        row_id = stated if isinstance(stated, str) else str(index)
        try:
            if row_id in ids:
                raise ValueError("id: another row has it")
            part.rows.append(Sourced(where, row_id, f"{name}/test", _read_row(item, subset)))
            ids.add(row_id)
        except ValueError as error:
            part.rows.append(unusable(where, row_id, f"{name}/test", str(error)))
    return part


def _read_list(path: Path) -> list[Any]:
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(f"{path}: {size} bytes; at most {MAX_BYTES} are read")
    content = read_text(path)
    try:
        items = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: expected one JSON list of rows: {error}") from None
    if not isinstance(items, list) or not items:
        raise ValueError(f"{path}: expected one JSON list of rows: got {type(items).__name__}, empty or of no rows")
    return items


def _read_row(item: Any, subset: Subset) -> Raw:
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
        return Raw(tuple(media), ("fake",), question, "fake", "", **_problems(item.get("problems")))
    labels, asks, group = _truth(item, subset)
    return Raw(tuple(media), labels, question, asks, item["answer"], group)


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
    labels = (asks, OPPOSITE[asks])
    return labels if answer == "A" else labels[::-1], asks, found["group"]


def _problems(problems: Any) -> dict[str, Any]:
    """What people found in a fake image: the global descriptions, then the regional ones, and the regions."""
    try:
        overall = [worded(part["desc"].strip()) for part in problems["global"]]
        regions = [(_box(part["region"]), worded(part["desc"].strip())) for part in problems["regional"]]
    except (TypeError, KeyError, AttributeError):
        raise ValueError(
            f"problems: expected global and regional with desc and, the latter, region: {problems!r:.120}"
        ) from None
    texts = [text for text in (*overall, *(text for _, text in regions)) if text]
    return {
        "explanation": "\n".join(texts),
        "regions": tuple(regions),
        "descriptions": len(texts),
        "translator_remarks": sum(bool(_TRANSLATOR.search(text)) for text in texts),
    }


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


def questions_of(parts: list[Part]) -> dict[str, dict[str, list[Sourced[Raw]]]]:
    """subset -> each of its media once, in order -> all the questions about it in any of the subsets."""
    found: dict[tuple[str, str], list[Sourced[Raw]]] = {}
    for part in parts:
        for item in usable(part.rows):
            found.setdefault((part.subset.medium, item.row.media[0]), []).append(item)
    return {part.name: {raw.media[0]: found[part.subset.medium, raw.media[0]] for raw in part.good} for part in parts}


def media_of(
    part: Part, name: str, questions: dict[str, dict[str, list[Sourced[Raw]]]]
) -> Iterator[Sourced[list[Raw]]]:
    """Each of a subset's media with its questions, as questions_of found them, for the file `name`; faults first."""
    yield from (unusable(item.where, item.id, f"{name}/test", item.reason) for item in part.rows if item.reason)
    for some in questions[part.name].values():
        yield Sourced(some[0].where, some[0].id, f"{name}/test", [item.row for item in some])


def shared_media(parts: list[Part]) -> list[dict[str, Any]]:
    """How many media each two files share."""
    return [
        {"subsets": [a.name, b.name], "media": len(a.media & b.media)}
        for a, b in combinations(parts, 2)
        if a.media & b.media
    ]


def remarks(parts: list[Part]) -> dict[str, int]:
    """How many descriptions of images there are, and how many hold the words of whoever translated them."""
    described = [raw for part in parts if part.subset.task is loki_open for raw in part.good]
    return {
        "all": sum(raw.descriptions for raw in described),
        "with_translator_remarks": sum(raw.translator_remarks for raw in described),
    }
