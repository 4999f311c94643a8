"""Labelbox's video export (v2, one JSON object a line): a data row is a video, a label what one person said of it.

A trace is one feature: its box is that of its first frame, its time that of its segments. Frames count from 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec

from converters.conversion.sources import Sourced, unusable
from converters.layouts.consensus import Label, Marked, Trace
from swift_plugins.core.label_maps import meaning
from swift_plugins.core.records import scan_rows
from swift_plugins.core.tables import worded


class DataRow(msgspec.Struct):
    id: str = ""
    global_key: str | None = None
    external_id: str | None = None
    row_data: str | None = None


class Media(msgspec.Struct):
    width: int | None = None
    height: int | None = None
    frame_rate: float | None = None
    frame_count: int | None = None


class Text(msgspec.Struct):
    content: str | None = None


class Choice(msgspec.Struct):
    name: str | None = None
    value: str | None = None
    classifications: list[Classified] | None = None


class Classified(msgspec.Struct):
    radio_answer: Choice | None = None
    checklist_answers: list[Choice] | None = None
    text_answer: Text | None = None


class Bounds(msgspec.Struct):
    left: float
    top: float
    width: float
    height: float


class Feature(msgspec.Struct):
    """An object, with a box where it is one."""

    feature_id: str
    name: str | None = None
    bounding_box: Bounds | None = None
    classifications: list[Classified] | None = None


class Frame(msgspec.Struct):
    objects: dict[str, Feature] | list[Feature] | None = None
    classifications: list[Classified] | None = None


class Annotations(msgspec.Struct):
    frames: dict[str, Frame] = {}
    segments: dict[str, list[tuple[int, int]]] = {}
    key_frame_feature_map: dict[str, dict[str, Any] | list[int]] = {}
    classifications: list[Classified] | None = None


class Exported(msgspec.Struct):
    annotations: Annotations = msgspec.field(default_factory=Annotations)
    performance_details: dict[str, Any] = {}


class Project(msgspec.Struct):
    labels: list[Exported] = []
    name: str = ""


class Line(msgspec.Struct):
    data_row: DataRow
    media_attributes: Media = msgspec.field(default_factory=Media)
    projects: dict[str, Project] = {}


def read_export(path: Path, labels: Mapping[str, str], project: str | None) -> list[Sourced[Marked]]:
    """Its videos, or why one has no usable form; `labels` say what the words of verdicts mean.

    ValueError where several projects have labels, and none is named.
    """
    lines: list[tuple[str, Line | str]] = []
    for number, row in scan_rows(path):
        try:
            lines.append((f"{path.name}:{number}", f"row: {row}" if isinstance(row, str) else _line(row)))
        except (msgspec.ValidationError, RecursionError) as error:
            lines.append((f"{path.name}:{number}", f"malformed row: {error}"))
    read = [line for _, line in lines if isinstance(line, Line)]
    named = {key: of.name for line in read for key, of in line.projects.items() if of.labels}
    if project is None and len(named) > 1:
        told = ", ".join(f"{key} ({name[:40]})" for key, name in named.items())
        raise ValueError(f"{path}: labels of {len(named)} projects; name one with --project: {told[:300]}")
    if project is not None and project not in named:
        raise ValueError(f"{path}: no labels of the project {project!r}; there are {', '.join(named) or 'none'}")
    return [_item(where, line, labels, project) for where, line in lines]


def _line(row: dict[str, Any]) -> Line:
    return msgspec.convert(row, Line, strict=False)


def _item(where: str, line: Line | str, labels: Mapping[str, str], project: str | None) -> Sourced[Marked]:
    if isinstance(line, str):
        return unusable(where, None, "", line)
    row, media = line.data_row, line.media_attributes
    last = (row.row_data or "").split("?")[0].rpartition("/")[2]
    names = [name for name in (row.external_id, row.global_key, last) if name]
    duration = media.frame_count / media.frame_rate if media.frame_count and media.frame_rate else None
    kept = [of for key, of in line.projects.items() if project in (None, key)]
    try:
        people = [
            _label(label.annotations, labels)
            for of in kept
            for label in of.labels
            if not label.performance_details.get("skipped")
        ]
    except ValueError as error:
        return unusable(where, row.id, "", str(error))
    if not names:
        return unusable(where, row.id, "", "path: the data row has neither external_id nor global_key nor row_data")
    marked = Marked(names, people, media.width, media.height, media.frame_rate, duration)
    return Sourced(where, row.id, "", marked)


def _label(found: Annotations, labels: Mapping[str, str]) -> Label:
    features: dict[str, dict[int, Feature]] = {}  # feature -> frame -> what is there
    said = [*_answers(found.classifications)]
    for number, frame in sorted(((_number(name), frame) for name, frame in found.frames.items()), key=itemgetter(0)):
        there = frame.objects or []
        for one in there.values() if isinstance(there, dict) else there:
            features.setdefault(one.feature_id, {})[number] = one
        said += _answers(frame.classifications)
    verdicts = {labels[key] for free, text in said if not free and (key := meaning(text, labels))}
    if len(verdicts) > 1:
        raise ValueError("contradiction: a label says both real and fake")
    traces = [_trace(feature, frames, found) for feature, frames in features.items()]
    return Label(next(iter(verdicts), ""), [trace for trace in traces if trace])


def _number(name: str) -> int:
    if not (name.isascii() and name.isdigit() and len(name) < 10):
        raise ValueError(f"frames: {name[:20]!r} is no number of a frame")
    return int(name)


def _trace(feature: str, frames: Mapping[int, Feature], found: Annotations) -> Trace | None:
    """A feature's trace; None for what has no box, such as a mask or a point."""
    boxed = {number: one.bounding_box for number, one in frames.items() if one.bounding_box}
    if not boxed:
        return None
    keyed, spans = found.key_frame_feature_map.get(feature, []), found.segments.get(feature, [])
    numbers = [*boxed, *(_number(str(number)) for number in keyed), *(number for span in spans for number in span)]
    box = boxed[min(boxed)]
    if not (box.width > 0 and box.height > 0 and max(abs(box.left), abs(box.top), box.width, box.height) < 1e6):
        raise ValueError(f"box: {msgspec.structs.asdict(box)!r:.120} is none")
    answers = [answer for one in frames.values() for answer in _answers(one.classifications)]
    kinds = [worded(frames[min(boxed)].name), *(text for free, text in answers if not free)]
    return Trace(
        (box.left, box.top, box.left + box.width, box.top + box.height),
        min(numbers),
        max(numbers) if spans else None,
        " ".join(dict.fromkeys(text for free, text in answers if free)),
        tuple(tag for tag in dict.fromkeys(kinds) if tag),
    )


def _answers(classifications: Sequence[Classified] | None) -> Iterator[tuple[bool, str]]:
    """(whether it is free text, the text) of each answer, nested ones too."""
    for one in classifications or ():
        if one.text_answer and worded(one.text_answer.content):
            yield True, worded(one.text_answer.content)
        for choice in (*filter(None, [one.radio_answer]), *(one.checklist_answers or ())):
            if name := worded(choice.name or choice.value):
                yield False, name
                yield from _answers(choice.classifications)
