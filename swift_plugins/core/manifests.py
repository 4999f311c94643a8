"""The manifest beside a converter's files: what it says of them, and how it is found from one of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from swift_plugins.core.records import sha256_file
from swift_plugins.core.tasks import get_task

_FROM_MANIFEST = (
    "task",
    "task_version",
    "box_space",
    "setting",
    "pixel_limits",
    "prompt",
    "prompt_sha256",
    "media_checked",
)


def _manifest_of(file: Path) -> tuple[Path, str, dict[str, Any]] | None:
    """(the manifest that names a dataset file, the file's name in it, its content); it may stand a folder higher."""
    for folder in (file.parent, file.parent.parent):
        path, name = folder / "manifest.json", file.relative_to(folder).as_posix()
        manifest = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
        if isinstance(manifest, dict) and name in manifest.get("files", {}):  # another's manifest.json tells nothing
            return path, name, manifest
    return None


def describe_data(path: str) -> dict[str, Any]:
    """What is known of a dataset file: its hash, and the facts of the manifest that was written with it.

    Raises ValueError if the file is not the one the manifest describes, or if it was made for another task version or
    for other pixel limits than training uses.
    """
    file = Path(path)
    found: dict[str, Any] = {"path": str(file), "sha256": sha256_file(file)}
    if (home := _manifest_of(file.absolute())) is None:
        return found
    manifest_path, name, manifest = home
    if manifest["files"][name] != found["sha256"]:
        raise ValueError(f"{file} is not the file that {manifest_path} describes: convert the dataset again")
    manifest |= manifest.get("subsets", {}).get(name.removesuffix(".jsonl"), {})
    task = get_task(manifest["task"])
    if manifest["task_version"] != task.VERSION:
        raise ValueError(f"{file} was made for {task.NAME} {manifest['task_version']}, this is {task.VERSION}")
    limits = [os.environ.get("VIDEO_MIN_PIXELS"), os.environ.get("VIDEO_MAX_PIXELS")]
    if manifest.get("pixel_limits") and [str(n) for n in manifest["pixel_limits"]] != limits:
        raise ValueError(
            f"{file} states boxes for frames of {manifest['pixel_limits']} pixels, training uses {limits}: set "
            "VIDEO_MIN_PIXELS and VIDEO_MAX_PIXELS in the recipe's ENV, or convert with --min-pixels and --max-pixels"
        )
    return found | {key: manifest.get(key) for key in _FROM_MANIFEST}
