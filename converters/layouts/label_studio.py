"""Label Studio's JSON export of video tasks: an annotation is what one person said, a region of type videorectangle a
trace, with its key frames; boxes are percent of the frame.

Frames count from 1, at the rate that Label Studio was told, which may not be the file's: a second is
frame * duration / framesCount, by the numbers in the export.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from converters.conversion.sources import Sourced, unusable
from converters.layouts.consensus import Label, Marked, Trace
from swift_plugins.core.label_maps import meaning
from swift_plugins.core.records import decode_json
from swift_plugins.core.tables import read_text, worded

_UPLOADED = re.compile(r"[0-9a-f]{8}-(.+)", re.S)  # as an uploaded file is called


class Key(msgspec.Struct):
    frame: int
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0
    enabled: bool = True
    rotation: float = 0.0


class Value(msgspec.Struct):
    sequence: list[Key] = []
    labels: list[str] = []
    choices: list[str] = []
    text: list[str] | str = []
    framesCount: int | None = None
    duration: float | None = None


class Region(msgspec.Struct):
    type: str = ""
    id: str = ""
    value: Value = msgspec.field(default_factory=Value)


class Annotated(msgspec.Struct):
    result: list[Region] = []
    was_cancelled: bool = False


class Task(msgspec.Struct):
    data: dict[str, Any]
    annotations: list[Annotated]
    id: int | str = ""


def read_export(path: Path, labels: Mapping[str, str], key: str) -> list[Sourced[Marked]]:
    """Its videos, whose files `key` of their data names; ValueError for what is no such export."""
    try:
        found = decode_json(read_text(path))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from None
    if not isinstance(found, list) or not all(isinstance(task, dict) for task in found):
        raise ValueError(f"{path}: expected a list of tasks: export as JSON")
    if found and not any("annotations" in task for task in found):
        raise ValueError(f"{path}: its tasks have no annotations: export as JSON, not as JSON-MIN")
    return [_item(f"{path.name}[{i}]", task, labels, key) for i, task in enumerate(found)]


def _item(where: str, task: Any, labels: Mapping[str, str], key: str) -> Sourced[Marked]:
    try:
        one = msgspec.convert(task, Task, strict=False)
        stated = one.data.get(key)
        if not isinstance(stated, str) or not stated:
            raise ValueError(
                f"path: the data has no text {key!r}, only {', '.join(map(str, one.data))[:80]}; see --key"
            )
        people = [_label(of.result, labels) for of in one.annotations if not of.was_cancelled]
        return Sourced(where, str(one.id), "", Marked(names_of(stated), people))
    except msgspec.ValidationError as error:
        return unusable(where, None, "", f"malformed row: {error}")
    except ValueError as error:
        return unusable(where, str(task.get("id", "")), "", str(error))


def names_of(address: str) -> list[str]:
    """What the file may be called below --src: as it stands, the path of a local file, the name of an upload."""
    parts = urlsplit(address)
    local = parse_qs(parts.query).get("d", [""])[0]
    path = unquote(parts.path) if parts.scheme or address.startswith("/") else address
    last = (local or path).rpartition("/")[2]
    uploaded = match[1] if (match := _UPLOADED.fullmatch(last)) else ""
    return [name for name in dict.fromkeys((local or path.lstrip("/"), last, uploaded)) if name]


def _label(regions: Sequence[Region], labels: Mapping[str, str]) -> Label:
    boxed = {region.id for region in regions if region.type == "videorectangle"}
    words: dict[str, list[str]] = {}
    tags: dict[str, list[str]] = {}
    verdicts = set()
    for region in regions:
        texts = [region.value.text] if isinstance(region.value.text, str) else region.value.text
        words.setdefault(region.id, []).extend(filter(None, map(worded, texts)))
        tags.setdefault(region.id, []).extend([*region.value.labels, *region.value.choices])
        if region.id not in boxed:
            verdicts |= {labels[found] for choice in region.value.choices if (found := meaning(choice, labels))}
    if len(verdicts) > 1:
        raise ValueError("contradiction: an annotation says both real and fake")
    traces = [
        _trace(region.value, words[region.id], tags[region.id])
        for region in regions
        if region.type == "videorectangle" and any(key.enabled for key in region.value.sequence)
    ]
    return Label(next(iter(verdicts), ""), traces)


def _trace(value: Value, words: Sequence[str], tags: Sequence[str]) -> Trace:
    keys = sorted(value.sequence, key=lambda key: key.frame)
    first = next(key for key in keys if key.enabled)
    if any(key.rotation for key in keys if key.enabled):
        raise ValueError("box: it is turned, which is not read")
    if not (first.width > 0 and first.height > 0 and first.frame >= 0):
        raise ValueError(f"box: {first!r:.120} is none")
    if not (value.framesCount and value.duration and value.framesCount > 0 and value.duration > 0):
        raise ValueError("size: framesCount and duration are not told, by which frames become seconds")
    second = value.duration / value.framesCount
    box = (first.x, first.y, first.x + first.width, first.y + first.height)
    end = None if keys[-1].enabled else keys[-1].frame * second
    kinds = tuple(tag for tag in dict.fromkeys(tags) if tag)
    return Trace(box, first.frame * second, end, " ".join(dict.fromkeys(words)), kinds)
