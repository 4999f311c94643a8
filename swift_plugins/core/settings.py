"""The settings that a model is trained with and must be run with, and the file in which they travel.

Training writes them into every checkpoint (see callbacks.py), prediction reads them from there and applies them, and
each refuses to go on when they disagree with the environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from swift_plugins.core.names import unknown
from swift_plugins.core.records import decode_json

CHECKPOINT_FILE = "forensics.json"
BOX_SPACE = "BOX_SPACE"
# What ms-swift and qwen-vl-utils read from the environment and what changes the pixels a model sees, or where on them
# its boxes lie.
VISION_ENV = (
    "MIN_PIXELS",
    "MAX_PIXELS",
    "IMAGE_FACTOR",
    "VIDEO_MIN_PIXELS",
    "VIDEO_MAX_PIXELS",
    "VIDEO_TOTAL_PIXELS",
    "CLIP_MIN_PIXELS",  # VideoLLaMA 3's, of all frames of a clip together (hooks/videollama3.py)
    "CLIP_MAX_PIXELS",
    "FPS",
    "FPS_MIN_FRAMES",
    "FPS_MAX_FRAMES",
    "FORCE_QWENVL_VIDEO_READER",
    BOX_SPACE,  # one of boxes.SPACES, in which rows with boxes in source pixels are trained and asked (box_rows.py)
    "QWENVL_BBOX_FORMAT",
    "IMAGE_MIN_TOKEN_NUM",
    "IMAGE_MAX_TOKEN_NUM",
    "VIDEO_MIN_TOKEN_NUM",
    "VIDEO_MAX_TOKEN_NUM",
    "SPATIAL_MERGE_SIZE",
    "MODEL_SEQ_LEN",
    "FRAME_FACTOR",
    "MAX_RATIO",
)
# Setting -> what ms-swift takes it from when it loads a model (swift 4.6, model/models/qwen.py): it then stands in the
# environment and in a checkpoint's record, though the recipe does not state it.
FOLLOWS_FROM = {
    "VIDEO_TOTAL_PIXELS": "VIDEO_MAX_PIXELS",
    "IMAGE_MIN_TOKEN_NUM": "MIN_PIXELS",
    "IMAGE_MAX_TOKEN_NUM": "MAX_PIXELS",
    "VIDEO_MIN_TOKEN_NUM": "VIDEO_MIN_PIXELS",
    "VIDEO_MAX_TOKEN_NUM": "VIDEO_MAX_PIXELS",
}
ANSWER_FORMS = ("explained", "word")
LIBRARIES = ("swift-forensics", "ms-swift", "torch", "transformers", "peft", "deepspeed", "qwen-vl-utils", "decord")


Name = Annotated[str, msgspec.Meta(pattern=r"^[\w.-]+$")]


class RecordedData(msgspec.Struct):
    """What is read again of a dataset that a checkpoint was trained on."""

    task: str | None = None
    task_version: str | None = None
    box_space: str | None = None
    setting: str | None = None


class TrainedRows(msgspec.Struct):
    """The hashes of what was trained on, see trained_rows.py."""

    ids: bytes
    media: bytes


class Recorded(msgspec.Struct):
    """What is read again of what training records in a checkpoint."""

    vision: dict[str, str | int | float]
    data: list[RecordedData] | None = None
    model: str | None = None
    model_type: Name | None = None
    template: Name | None = None
    task_type: Literal["causal_lm", "seq_cls"] | None = None
    torch_dtype: Literal["float32", "float16", "bfloat16"] | None = None
    global_step: int | None = None
    trained_rows: TrainedRows | None = None


def answer_form() -> str:
    """The form in which FakeVLM's answers are trained: explained, as converted, or word; ValueError for another."""
    form = os.environ.get("ANSWER_FORM", ANSWER_FORMS[0])
    if form not in ANSWER_FORMS:
        raise ValueError(unknown("ANSWER_FORM", form, ANSWER_FORMS))
    return form


def vision_settings() -> dict[str, str]:
    """The vision settings of the environment, as strings."""
    return {key: os.environ[key] for key in VISION_ENV if os.environ.get(key)}


def apply_vision_settings(wanted: Mapping[str, Any], origin: str) -> None:
    """Put the settings into the environment; ValueError if it already holds others. Call before importing swift."""
    present = vision_settings()
    clashes = [
        f"{key} is {present.get(key, 'unset')!r}, {origin} says {wanted.get(key, 'unset')!r}"
        for key in VISION_ENV
        if key in present and str(wanted.get(key)) != present[key]
    ]
    if clashes:
        raise ValueError("the environment's vision settings differ: " + "; ".join(clashes) + ". Unset them.")
    os.environ.update({key: str(value) for key, value in wanted.items() if key in VISION_ENV})


def read_checkpoint_settings(checkpoint: Path) -> dict[str, Any] | None:
    """What training recorded in a checkpoint folder, or None if it recorded nothing; ValueError for anything else."""
    path = checkpoint / CHECKPOINT_FILE
    if not path.is_file():
        return None
    try:
        found = decode_json(path.read_bytes())
        msgspec.convert(found, Recorded)
    except ValueError as error:
        raise ValueError(f"{path}: not what training records: {error}") from None
    if strange := sorted(found["vision"].keys() - set(VISION_ENV)):
        raise ValueError(f"{path}: {unknown('vision setting', strange[0], VISION_ENV)}")
    return found


def read_recipe(path: Path) -> dict[str, Any]:
    """A recipe's keys; ValueError where the file is none."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(content, dict) or not isinstance(content.get("ENV"), dict):
        raise ValueError(f"{path}: not a recipe: it has no ENV block")
    return content


def library_versions(names: Iterable[str] = LIBRARIES) -> dict[str, str | None]:
    """The installed versions of these libraries, by default of those that training and prediction depend on."""
    found: dict[str, str | None] = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found
