"""Which model answers, with which settings, and what a run's record says of it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swift_plugins.core import exports, model_folders, settings, trained_rows
from swift_plugins.core.printable import say
from swift_plugins.core.records import Row, encode, sha256_file, sha256_text
from swift_plugins.core.settings import CHECKPOINT_FILE
from swift_plugins.core.speed import SPEED
from swift_plugins.core.tasks import get_task
from swift_plugins.core.videollama3 import MODEL_TYPE, TYPE

if TYPE_CHECKING:
    from swift_plugins.answering.asking import Asking

ROOT = Path(__file__).resolve().parents[2]
# What a checkpoint tells of itself.
TRAINED = ("data", "seed", "global_step", "loss_weights", "answer_form", "versions")


def model_settings(model: Path, recipe: Path | None, base: Path | None = None) -> dict[str, Any]:
    """model, adapter, model_type, template and vision settings, from the checkpoint or from a recipe.

    `base` is where an adapter's base model lies now, unless it is where training found it.
    """
    model_folders.inspect(model)
    record = exports.find_record(model)
    if record is not None and recipe is not None:
        raise ValueError(f"the settings of {model} are recorded ({record[0] / CHECKPOINT_FILE}): leave out --recipe")
    if record is None:
        found = recipe_settings(model, recipe)
    else:
        origin, found = record
        if origin != model:
            say(f"note: {model} holds no {CHECKPOINT_FILE}: that of {origin} applies", sys.stderr)
    is_adapter = (model / "adapter_config.json").is_file()
    if base is not None and not is_adapter:
        raise ValueError(f"{model} is no adapter, it has no base model: leave out --base")
    home = model_folders.base_of(model, str(base.resolve()) if base else found.get("model")) if is_adapter else model
    return {
        "model": str(home),
        "adapter": str(model) if is_adapter else None,
        "model_type": found.get("model_type"),
        "template": found.get("template"),
        "torch_dtype": found.get("torch_dtype"),
        "task_type": found.get("task_type") or "causal_lm",
        "vision": found["vision"],
        "trained": {k: found.get(k) for k in TRAINED},
    }


def recipe_settings(model: Path, recipe: Path | None) -> dict[str, Any]:
    """What a recipe says of a folder without a record; ValueError without one, or where args.json contradicts it."""
    args = exports.read_args(model)
    here = exports.trained_here(args)
    if recipe is None:
        if here:
            raise ValueError(
                f"{model} was made of a checkpoint of {args.get('output_dir')}, but without its {CHECKPOINT_FILE}: "
                "copy it from there, or make the folder anew by `bash shell/export.sh`, which carries it along. Where "
                "that checkpoint is lost, name by --recipe the recipe that it was trained by"
            )
        raise ValueError(
            f"{model} holds no {CHECKPOINT_FILE}: name the recipe whose template and vision settings apply, "
            f"for example --recipe {fitting_recipe(model)}"
        )
    content = settings.read_recipe(recipe)
    if content.get("task_type") == "seq_cls":
        raise ValueError(f"{recipe} trains a linear head, of which {model} has none: name a checkpoint of it")
    keys = ("model_type", "template")
    if here and (wrong := [key for key in keys if args.get(key) and content.get(key) != args[key]]):
        found = ", ".join(f"{key} {args[key]}, not {content.get(key)}" for key in wrong)
        raise ValueError(f"{model} was not trained by {recipe}: its {exports.ARGS} says {found}")
    if here:
        say(f"note: whether {model} was trained with the vision settings of {recipe} is not known", sys.stderr)
    vision = {k: str(v) for k, v in content["ENV"].items() if k in settings.VISION_ENV}
    return {"vision": vision} | {key: content.get(key) for key in (*keys, "torch_dtype")}


def fitting_recipe(model: Path) -> str:
    """A recipe of the folder's architecture, by its config.json; no particular one where there is none."""
    try:
        kind = str(json.loads((model / "config.json").read_text(encoding="utf-8"))["model_type"])
    except (OSError, ValueError, KeyError, TypeError):
        kind = ""
    for path in sorted((ROOT / "recipes").glob("*/*_full.yaml")) if kind else ():
        if str(settings.read_recipe(path).get("model_type")).startswith({TYPE: MODEL_TYPE}.get(kind, kind)):
            return path.relative_to(ROOT).as_posix()
    return "RECIPE.yaml"


def model_fingerprint(model: Mapping[str, Any]) -> dict[str, str]:
    """What tells one model from another: hashes of its folder's files, of an adapter's base too; sizes of huge ones."""
    found = {}
    for folder in (model["adapter"], model["model"]):
        if folder is None or not os.path.isdir(folder):
            continue
        for file in model_folders.model_files(Path(folder)):
            name = f"{'adapter' if folder == model['adapter'] else 'model'}/{file.relative_to(folder).as_posix()}"
            facts = file.stat()
            huge = facts.st_size > 1 << 30
            found[name] = f"{facts.st_size} bytes, modified {facts.st_mtime:.0f}" if huge else hash_of(file)
    return found


def hash_of(file: Path) -> str:
    """The sha256 of a model's file; of a checkpoint's record without the speed of its training, which is never twice
    the same and on which no answer depends."""
    if file.name == CHECKPOINT_FILE and SPEED in (record := settings.read_checkpoint_settings(file.parent) or {}):
        return sha256_text(encode({key: value for key, value in record.items() if key != SPEED}).decode())
    return sha256_file(file)


def run_record(asking: Asking, data: Path, rows: list[Row]) -> dict[str, Any]:
    """What the answers to the rows of a file depend on, but for the media, which answer_file adds."""
    folder = Path(asking.settings["adapter"] or asking.settings["model"])
    others = {} if asking.backend != "openai" else {"others": "as the server sets them"}
    prompts = {m["content"] for row in rows for m in row["messages"] if m["role"] == "user"}
    return {
        "model": asking.settings,
        "fingerprint": model_fingerprint(asking.settings),
        "data": {"path": str(data.resolve()), "sha256": sha256_file(data), "rows": len(rows)},
        "trained_on": trained_rows.overlap(rows, trained_rows.read(folder)) if folder.is_dir() else None,
        "tasks": {name: get_task(name).VERSION for name in sorted({row["task"] for row in rows if "task" in row})},
        "prompts_sha256": sha256_text("\n".join(sorted(prompts))),
        "generation": {"max_tokens": asking.max_tokens, **asking.sampling, "batch_size": asking.batch_size}
        | others,  # a local model has none (see greedy in engine.py)
        "backend": asking.backend,
        "check": asking.check,
        "versions": settings.library_versions()
        | (settings.library_versions(["vllm"]) if asking.backend == "vllm" else {}),
    }
