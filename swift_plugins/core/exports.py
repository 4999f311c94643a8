"""The record of a folder that was made of a checkpoint, merged or quantised.

An export by shell/export.sh carries it along. One that was made without this kit's plug-ins leaves it behind, but the
folder's args.json, which ms-swift writes, still tells of which training it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from swift_plugins.core.settings import CHECKPOINT_FILE, read_checkpoint_settings

ARGS = "args.json"
_STEPS = 4  # exports of exports that are followed


def read_args(folder: Path) -> dict[str, Any]:
    """What ms-swift wrote down of the run that made a folder; empty where it did not."""
    try:
        found = json.loads((folder / ARGS).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def trained_here(args: dict[str, Any]) -> bool:
    """Whether the run was one of this kit: such a checkpoint has a record."""
    return str(args.get("template")).startswith("forensic_") or "forensics" in (args.get("callbacks") or ())


def find_record(folder: Path, steps: int = _STEPS) -> tuple[Path, dict[str, Any]] | None:
    """(the folder that holds it, the record): a folder's own, else that of what it was made of; None where neither is.

    ValueError for a record that is none. Of a checkpoint of the same run whose step is another one, or not known, the
    record holds all the same but for `global_step`.
    """
    if (own := read_checkpoint_settings(folder)) is not None:
        return folder, own
    args = read_args(folder)
    if not trained_here(args) or not steps:
        return None
    for origin in _origins(folder, args):
        if origin.is_dir() and (found := find_record(origin, steps - 1)):
            return found
    for checkpoint in _checkpoints(folder, args):
        if (record := read_checkpoint_settings(checkpoint)) is not None:
            same = folder.name.startswith(f"{checkpoint.name}-")
            return checkpoint, record if same else record | {"global_step": None}
    return None


def _origins(folder: Path, args: dict[str, Any]) -> Iterator[Path]:
    """What an export was made of, where args.json is that of the export and not of the training."""
    if "merge_lora" in args:
        adapters = args.get("adapters") or []
        for path in adapters if isinstance(adapters, list) and adapters else [args.get("model_dir"), args.get("model")]:
            if isinstance(path, str) and Path(path) != folder:
                yield Path(path)


def _checkpoints(folder: Path, args: dict[str, Any]) -> list[Path]:
    """The folders with the very same args.json, where the run wrote its own or beside this one, which comes first that
    it is named for."""
    written = (folder / ARGS).read_bytes()
    places = [folder.parent, Path(str(args.get("output_dir")))]
    near = {path.parent for place in places for path in place.glob(f"*/{CHECKPOINT_FILE}")}
    same = [path for path in near if (path / ARGS).is_file() and (path / ARGS).read_bytes() == written]
    return sorted(
        same, key=lambda path: (not folder.name.startswith(f"{path.name}-"), path.parent != folder.parent, path)
    )
