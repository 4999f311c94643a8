"""Labelbox's video export (v2, one JSON object a line): a data row is a video, a label what one person said of it.

A trace is one feature: its box is that of its first frame, its time that of its segments. Frames count from 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from converters.conversion.sources import Sourced, unusable
from converters.layouts.consensus import Label, Marked, Trace
from swift_plugins.core.label_maps import meaning
from swift_plugins.core.records import scan_rows
from swift_plugins.core.tables import worded

_NUMBERS = ("left", "top", "width", "height")


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


class Annotations(msgspec.Struct):
    frames: dict[str, Any] = {}
    segments: dict[str, list[list[int]]] = {}
    key_frame_feature_map: dict[str, dict[str, Any] | list[int]] = {}
    classifications: list[dict[str, Any]] = []


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
        except msgspec.ValidationError as error:
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
    objects: dict[str, dict[int, dict[str, Any]]] = {}  # feature -> frame -> what is there
    verdicts = {verdict for verdict, _ in _answers(found.classifications, labels) if verdict}
    for number, frame in sorted(_frames(found.frames)):
        there = frame.get("objects") or {}
        for one in there.values() if isinstance(there, dict) else there:
            if isinstance(one, dict) and isinstance(one.get("feature_id"), str):
                objects.setdefault(one["feature_id"], {})[number] = one
        verdicts |= {verdict for verdict, _ in _answers(frame.get("classifications"), labels) if verdict}
    if len(verdicts) > 1:
        raise ValueError("contradiction: a label says both real and fake")
    traces = [_trace(feature, frames, found) for feature, frames in objects.items()]
    return Label(next(iter(verdicts), ""), [trace for trace in traces if trace])


def _frames(frames: Mapping[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, frame in frames.items():
        if not (number.isascii() and number.isdigit() and len(number) < 10) or not isinstance(frame, dict):
            raise ValueError(f"frames: {number[:20]!r} is no number of a frame, or holds none")
        yield int(number), frame


def _trace(feature: str, frames: Mapping[int, dict[str, Any]], found: Annotations) -> Trace | None:
    """A feature's trace; None for what has no box, such as a mask or a point."""
    boxed = {number: one for number, one in frames.items() if isinstance(one.get("bounding_box"), dict)}
    if not boxed:
        return None
    keyed = found.key_frame_feature_map.get(feature, [])
    spans = [span for span in found.segments.get(feature, []) if len(span) == 2]
    numbers = (
        [int(number) for number in keyed if str(number).isdigit()] + [*boxed] + [n for span in spans for n in span]
    )
    sides = boxed[min(boxed)]["bounding_box"]
    try:
        left, top, width, height = (float(sides[name]) for name in _NUMBERS)
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"box: needs left, top, width and height, got {sides!r:.80}") from None
    if not (width > 0 and height > 0 and all(abs(n) < 1e6 for n in (left, top, width, height))):
        raise ValueError(f"box: {sides!r:.80} is none")
    texts, tags = [], [worded(str(boxed[min(boxed)].get("name") or ""))]
    for one in frames.values():
        for _, answer in _answers(one.get("classifications"), {}):
            (texts if answer[0] else tags).append(answer[1])
    return Trace(
        (left, top, left + width, top + height),
        min(numbers),
        max(numbers) if spans else None,
        " ".join(dict.fromkeys(texts)),
        tuple(tag for tag in dict.fromkeys(tags) if tag),
    )


def _answers(classifications: Any, labels: Mapping[str, str], depth: int = 0) -> Iterator[tuple[str, tuple[bool, str]]]:
    """(the verdict that it is, "" for none; (whether it is free text, the text)) of each answer, nested ones too."""
    for one in classifications if isinstance(classifications, list) and depth < 8 else ():
        if not isinstance(one, dict):
            continue
        if isinstance(text := (one.get("text_answer") or {}).get("content"), str) and worded(text):
            yield "", (True, worded(text))
        chosen = [one.get("radio_answer"), *(one.get("checklist_answers") or ())]
        for answer in chosen:
            if isinstance(answer, dict) and (name := worded(str(answer.get("name") or answer.get("value") or ""))):
                yield labels.get(meaning(name, labels), ""), (False, name)
                yield from _answers(answer.get("classifications"), labels, depth + 1)
