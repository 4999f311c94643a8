"""The files that a training takes together: what is known of each, and that none contradicts it or another."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from swift_plugins.core.manifests import describe_data
from swift_plugins.core.records import read_rows
from swift_plugins.core.vision import PATCHES, Vision, frame_fault

BOXLESS = "label_only"  # the setting of deeptrace whose answers have no box


def sampled(stated: str) -> tuple[str, int | None]:
    """(file, how many of its rows are drawn) of a dataset as ms-swift takes it, `file#n`; None for all of them."""
    match = re.fullmatch(r"(.*)#([0-9]+)", stated, re.S)
    return (match[1], int(match[2])) if match and not os.path.exists(stated) else (stated, None)


def describe_all(
    stated: Iterable[str], settings: Mapping[str, Any], model_type: str | None, seed: int | None
) -> list[dict[str, Any]]:
    """What training records of its datasets, those of them that are files; of a sample also its size and seed.

    `settings` are the vision settings in force. Raises ValueError as `describe_data` does, for boxes that are stated on
    another frame than the model sees, and for boxes in more than one space, which no question tells apart.
    """
    found: list[dict[str, Any]] = []
    spaces: dict[tuple[str, str], str] = {}  # (task, box space) -> the first file with boxes in it
    for file, count in map(sampled, stated):
        if not os.path.isfile(file):
            continue
        facts = describe_data(file)
        for task, space in spaces_of(file, facts, settings, model_type):
            spaces.setdefault((task, space), file)
        found.append(facts if count is None else facts | {"sample": count, "data_seed": seed})
    for (task, space), file in spaces.items():
        for (other_task, other), elsewhere in spaces.items():
            if task == other_task and space < other:
                raise ValueError(
                    f"{file} has boxes in the space {space}, {elsewhere} in {other}: one question cannot ask for both; "
                    "convert them with the same --box-space"
                )
    return found


def spaces_of(
    file: str, facts: Mapping[str, Any], settings: Mapping[str, Any], model_type: str | None
) -> set[tuple[str, str]]:
    """(task, box space) of the boxes in a file's answers, by its manifest, or where it has none by its rows.

    Boxes on resized frames are held against the frames that the model sees, row by row.
    """
    if facts.get("setting") == BOXLESS:
        return set()
    if "task" in facts and facts.get("box_space") != "resized":
        return {(facts["task"], facts["box_space"])} if facts.get("box_space") else set()
    if not file.endswith(".jsonl"):  # one of the other forms that ms-swift reads
        return set()
    kind = model_type or "qwen2_5_vl"
    vision = Vision(settings, kind) if kind in PATCHES else None
    found = set()
    for line, row in read_rows(file):
        meta = row.get("meta")
        if not isinstance(meta, dict) or not meta.get("box_space") or meta.get("setting") == BOXLESS:
            continue
        found.add((str(row.get("task")), str(meta["box_space"])))
        if vision is None and meta["box_space"] == "resized":
            raise ValueError(f"{file}:{line}: which frame {kind} sees is not known: convert with another --box-space")
        if vision is not None and (fault := frame_fault(meta, vision)):
            limits = ", ".join(f"{key}={value}" for key, value in settings.items()) or "its defaults"
            raise ValueError(
                f"{file}:{line}: {fault} by {limits}: set VIDEO_MIN_PIXELS and VIDEO_MAX_PIXELS in the recipe's ENV, "
                f"or convert with --min-pixels and --max-pixels (the data: {facts.get('pixel_limits')})"
            )
    return found
