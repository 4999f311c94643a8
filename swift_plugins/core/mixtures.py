"""The files that a training takes together: what is known of each, and that none contradicts it or another."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from swift_plugins.core.box_rows import restated, space_of
from swift_plugins.core.boxes import check_space
from swift_plugins.core.manifests import describe_data
from swift_plugins.core.records import Row, read_rows
from swift_plugins.core.settings import BOX_SPACE
from swift_plugins.core.vision import frame_fault, vision_of

BOXLESS = "label_only"  # the setting of deeptrace whose answers have no box


def sampled(stated: str) -> tuple[str, int | None]:
    """(file, how many of its rows are drawn) of a dataset as ms-swift takes it, `file#n`; None for all of them."""
    match = re.fullmatch(r"(.*)#([0-9]+)", stated, re.S)
    return (match[1], int(match[2])) if match and not os.path.exists(stated) else (stated, None)


def describe_all(
    stated: Iterable[str], settings: Mapping[str, Any], model_type: str | None, seed: int | None
) -> list[dict[str, Any]]:
    """What training records of its datasets, those of them that are files; of a sample also its size and seed.

    `settings` are the vision settings in force, and with them the space in which boxes are stated, which is recorded.
    Raises ValueError as `describe_data` does, for boxes in a space that the base does not have, or on another frame
    than it sees, and for boxes in more than one space, which no question tells apart.
    """
    found: list[dict[str, Any]] = []
    spaces: dict[tuple[str, str], str] = {}  # (task, box space) -> the first file with boxes in it
    for file, count in map(sampled, stated):
        if not os.path.isfile(file):
            continue
        facts = describe_data(file)
        for task, space in spaces_of(file, facts, settings, model_type):
            spaces.setdefault((task, space), file)
            facts |= {"box_space": space} if facts.get("box_space") else {}
        found.append(facts if count is None else facts | {"sample": count, "data_seed": seed})
    for (task, space), file in spaces.items():
        for (other_task, other), elsewhere in spaces.items():
            if task == other_task and space < other:
                raise ValueError(
                    f"{file} has boxes in the space {space}, {elsewhere} in {other}: one question cannot ask for both; "
                    "convert them with the same --box-space"
                )
    for (_, space), file in spaces.items():
        try:
            check_space(space, model_type)
        except ValueError as error:
            raise ValueError(
                f"{file}: {error}: convert without --box-space, and leave {BOX_SPACE} to the recipe"
            ) from None
    return found


def spaces_of(
    file: str, facts: Mapping[str, Any], settings: Mapping[str, Any], model_type: str | None
) -> set[tuple[str, str]]:
    """(task, box space) of the boxes in a file's answers as they are trained, by its manifest, or by its rows.

    Boxes on resized frames are held against the frames that the model sees, row by row; so is what is to be restated.
    """
    if facts.get("setting") == BOXLESS:
        return set()
    stated = facts.get("box_space")
    if "task" in facts and (stated is None or stated == settings.get(BOX_SPACE, stated) != "resized"):
        return {(facts["task"], stated)} if stated else set()
    if not file.endswith(".jsonl"):  # one of the other forms that ms-swift reads
        return set()
    found = set()
    for line, row in read_rows(file):
        if not space_of(row) or row["meta"].get("setting") == BOXLESS:
            continue
        try:
            row = restated(row, settings)
            if space_of(row) == "resized":
                _check_frame(row, facts, settings, model_type or "qwen2_5_vl")
        except ValueError as error:
            raise ValueError(f"{file}:{line}: {error}") from None
        found.add((str(row["task"]), str(space_of(row))))
    return found


def _check_frame(row: Row, facts: Mapping[str, Any], settings: Mapping[str, Any], model_type: str) -> None:
    """ValueError for a row whose box, on a resized frame, is on another one than the model sees."""
    check_space("resized", model_type)
    if (vision := vision_of(settings, model_type)) is None:
        raise ValueError(f"which frame {model_type} sees is not known: convert with another --box-space")
    if fault := frame_fault(row["meta"], vision):
        limits = ", ".join(f"{key}={value}" for key, value in settings.items()) or "its defaults"
        raise ValueError(
            f"{fault} by {limits}: set VIDEO_MIN_PIXELS and VIDEO_MAX_PIXELS in the recipe's ENV, or convert with "
            f"--min-pixels and --max-pixels (the data: {facts.get('pixel_limits')})"
        )
