"""Exports of annotation tools, in the forms that the tools write."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Spans = Mapping[str, tuple[int, int, Sequence[float]]]  # feature -> first and last frame, left, top, width, height


def radio(name: str, answer: str) -> dict[str, Any]:
    return {"name": name, "radio_answer": {"name": answer, "value": answer, "classifications": []}}


def labelbox_label(
    traces: Spans, verdict: str = "", newer: bool = True, reason: str = "The leg melts."
) -> dict[str, Any]:
    """What one person said: the answers stand at a trace's first frame alone, as Labelbox leaves them."""
    frames: dict[str, Any] = {}
    for feature, (first, last, (left, top, width, height)) in traces.items():
        for frame in (first, last):
            one = {
                "feature_id": feature,
                "name": "trace",
                "annotation_kind": "VideoBoundingBox",
                "bounding_box": {"left": left + frame - first, "top": top, "width": width, "height": height},
                "classifications": [],
            }
            if frame == first:
                one["classifications"] = [
                    {"name": "why", "text_answer": {"content": reason}},
                    {"name": "kind", "checklist_answers": [{"name": "object merging", "classifications": []}]},
                ]
            there = frames.setdefault(str(frame), {"objects": {}, "classifications": [], "relationships": []})
            there["objects"][feature] = one
    keys = {feature: [first, last] for feature, (first, last, _) in traces.items()}
    return {
        "label_details": {"created_by": "someone@lab.example"},
        "performance_details": {"skipped": False},
        "annotations": {
            "frames": frames,
            "segments": {feature: [[first, last]] for feature, (first, last, _) in traces.items()},
            "key_frame_feature_map": {
                feature: {str(frame): True for frame in there} if newer else there for feature, there in keys.items()
            },
            "classifications": [radio("verdict", verdict)] if verdict else [],
        },
    }


def labelbox_row(name: str, *labels: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A data row of a clip of 64x48 px and 12 frames, 25 a second."""
    return {
        "data_row": {"id": f"id-{name}", "external_id": name, "row_data": f"https://lab.example/x/{name}?sig=1"}
        | changes,
        "media_attributes": {"width": 64, "height": 48, "frame_rate": 25, "frame_count": 12},
        "projects": {"p1": {"name": "Traces", "labels": [*labels]}},
    }


def write_labelbox(path: Path, *rows: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


CVAT_LABELS = (
    "<labels><label><name>trace</name><attributes><attribute><name>why</name><input_type>text</input_type></attribute>"
    "<attribute><name>kind</name><input_type>select</input_type></attribute></attributes></label></labels>"
)


def write_cvat(path: Path, name: str, *tracks: tuple[int, int, Sequence[float]], tag: str = "", body: str = "") -> Path:
    """One task: each track has its first frame, the frame from which it is outside, its box as xyxy."""
    lines = []
    for i, (first, gone, (x0, y0, x1, y1)) in enumerate(tracks):
        boxes = "".join(
            f'<box frame="{frame}" keyframe="1" outside="{int(frame == gone)}" occluded="0" xtl="{x0}" ytl="{y0}" '
            f'xbr="{x1}" ybr="{y1}" z_order="0"><attribute name="why">The leg melts.</attribute>'
            '<attribute name="kind">object merging</attribute></box>'
            for frame in (first, gone)
        )
        lines.append(f'<track id="{i}" label="trace" source="manual">{boxes}</track>')
    lines += [f'<tag label="{tag}" frame="0" source="manual"></tag>'] if tag else []
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version><meta><task><id>1</id>'
        f"<name>task of it</name><size>12</size><mode>interpolation</mode>{CVAT_LABELS}"
        f"<original_size><width>64</width><height>48</height></original_size><source>{name}</source></task></meta>"
        f"{''.join(lines)}{body}</annotations>"
    )
    return path


def studio_annotation(*traces: tuple[int, int, Sequence[float]], verdict: str = "") -> dict[str, Any]:
    """What one person said: each trace has its first frame, the frame where it is switched off, its box in percent."""
    result: list[dict[str, Any]] = []
    for i, (first, off, (x, y, width, height)) in enumerate(traces):
        box = {"x": x, "y": y, "width": width, "height": height, "rotation": 0}
        keys = [{"frame": frame, "enabled": frame != off, "time": frame / 25, **box} for frame in (first, off)]
        value = {"framesCount": 12, "duration": 0.48, "sequence": keys, "labels": ["object merging"]}
        result.append({"type": "videorectangle", "id": f"r{i}", "from_name": "box", "to_name": "video", "value": value})
        result.append({"type": "textarea", "id": f"r{i}", "value": {**value, "text": ["The leg melts."]}})
    if verdict:
        result.append({"type": "choices", "id": "c", "value": {"choices": [verdict]}})
    return {"id": 7, "completed_by": 3, "was_cancelled": False, "result": result}


def studio_task(name: str, *annotations: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, "data": {"video": name}, "annotations": [*annotations]}
