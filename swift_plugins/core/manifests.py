"""The manifest beside a converter's files: what it says of them, and how it is found from one of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict

import msgspec

from swift_plugins.core.records import sha256_file, write_json
from swift_plugins.core.tasks import get_task, made_for

FILE = "manifest.json"


class Facts(TypedDict, total=False):
    """What training records of its data: as a manifest tells it of all its files, or of that of one subset."""

    task: str
    task_version: str
    box_space: str
    setting: str
    pixel_limits: list[int] | None
    prompt: Any
    prompt_sha256: Any
    media_checked: str


class Described(Facts, total=False):
    """What training reads: `files` are SHA-256 by path below the manifest's folder, `subsets` facts by file or folder.

    A file is described by the subset of its name without the suffix, else by that of its folder, else by the whole.
    """

    files: dict[str, str]
    subsets: dict[str, Facts]


class Manifest(Described, total=False):
    """What every converter tells, before the dataset's own sections: `counts` are rows by split and label."""

    rows_in: int
    rows_out: int
    rows_rejected: int
    reject_reasons: dict[str, int]
    counts: dict[str, dict[str, int]]
    sources: dict[str, str]
    options: dict[str, Any]
    versions: dict[str, str | None]


def write_manifest(out: Path, told: Manifest, sections: Mapping[str, Any]) -> dict[str, Any]:
    """Write what every converter tells and the dataset's own sections to a folder's manifest; returns all of it."""
    manifest = {**told, **sections}
    write_json(out / FILE, manifest)
    return manifest


def _read(path: Path) -> Described:
    """A manifest; empty for a file that is none of ours, or that cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Described)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def find_manifest(file: Path) -> tuple[Path, str, dict[str, Any]] | None:
    """(the nearest manifest that names a dataset file, the hash that it states, its facts of it), in any folder above.

    A manifest.json of something else tells nothing.
    """
    for folder in file.absolute().parents:
        path, name = folder / FILE, PurePosixPath(file.absolute().relative_to(folder).as_posix())
        manifest = _read(path)
        if (stated := manifest.get("files", {}).get(str(name))) is None:
            continue
        subsets = manifest.get("subsets", {})
        facts: dict[str, Any] = {
            **manifest,
            **subsets.get(str(name.with_suffix("")), subsets.get(str(name.parent), {})),
        }
        if "task" in facts:
            return path, stated, facts
    return None


def describe_data(path: str) -> dict[str, Any]:
    """What is known of a dataset file: its hash, and the facts of the manifest that was written with it.

    Raises ValueError if the file is not the one the manifest describes, or if it was made for another task version.
    """
    file = Path(path)
    found: dict[str, Any] = {"path": str(file), "sha256": sha256_file(file)}
    if (home := find_manifest(file)) is None:
        return found
    manifest, stated, facts = home
    if stated != found["sha256"]:
        raise ValueError(f"{file} is not the file that {manifest} describes: convert the dataset again")
    task, version = get_task(facts["task"]), facts.get("task_version")
    if made_for(version) != made_for(task.VERSION):
        raise ValueError(f"{file} was made for {task.NAME} {version}, this is {task.VERSION}")
    return found | {key: facts.get(key) for key in Facts.__annotations__}
