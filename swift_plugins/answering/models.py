"""Which model answers, with which settings, and what a run's record says of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swift_plugins.core import model_folders, settings, trained_rows
from swift_plugins.core.media import content_hash
from swift_plugins.core.records import Row, sha256_file, sha256_text
from swift_plugins.core.tasks import get_task

if TYPE_CHECKING:
    from swift_plugins.answering.asking import Asking

# What a checkpoint tells of itself.
TRAINED = ("data", "seed", "global_step", "loss_weights", "answer_form", "versions")


def model_settings(model: Path, recipe: Path | None) -> dict[str, Any]:
    """model, adapter, model_type, template and vision settings, from the checkpoint or from a recipe."""
    model_folders.inspect(model)
    found = settings.read_checkpoint_settings(model)
    if found is not None and recipe is not None:
        raise ValueError(f"{model} holds its own settings ({settings.CHECKPOINT_FILE}): leave out --recipe")
    if found is None and recipe is None:
        raise ValueError(
            f"{model} holds no {settings.CHECKPOINT_FILE}: name the recipe whose template and vision settings apply, "
            "for example --recipe recipes/deeptrace/qwen2_5_vl_7b_full.yaml"
        )
    if found is None and recipe is not None:
        content = settings.read_recipe(recipe)
        if content.get("task_type") == "seq_cls":
            raise ValueError(f"{recipe} trains a linear head, of which {model} has none: name a checkpoint of it")
        found = {"vision": {k: str(v) for k, v in content["ENV"].items() if k in settings.VISION_ENV}}
        found |= {key: content.get(key) for key in ("model_type", "template", "torch_dtype")}
    assert found is not None
    is_adapter = (model / "adapter_config.json").is_file()
    base = model_folders.base_of(model, found.get("model")) if is_adapter else str(model)
    return {
        "model": base,
        "adapter": str(model) if is_adapter else None,
        "model_type": found.get("model_type"),
        "template": found.get("template"),
        "torch_dtype": found.get("torch_dtype"),
        "task_type": found.get("task_type") or "causal_lm",
        "vision": found["vision"],
        "trained": {k: found.get(k) for k in TRAINED},
    }


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
            found[name] = f"{facts.st_size} bytes, modified {facts.st_mtime:.0f}" if huge else sha256_file(file)
    return found


def run_record(asking: Asking, data: Path, rows: list[Row]) -> dict[str, Any]:
    """What the answers to the rows of a file depend on."""
    media = sorted({path for row in rows for path in (*row.get("images", []), *row.get("videos", []))})
    folder = Path(asking.settings["adapter"] or asking.settings["model"])
    prompts = {m["content"] for row in rows for m in row["messages"] if m["role"] == "user"}
    return {
        "model": asking.settings,
        "fingerprint": model_fingerprint(asking.settings),
        "data": {"path": str(data.resolve()), "sha256": sha256_file(data), "rows": len(rows)},
        "media_sha256": content_hash(media),
        "trained_on": trained_rows.overlap(rows, trained_rows.read(folder)) if folder.is_dir() else None,
        "tasks": {name: get_task(name).VERSION for name in sorted({row["task"] for row in rows})},
        "prompts_sha256": sha256_text("\n".join(sorted(prompts))),
        "generation": {"max_tokens": asking.max_tokens, "temperature": 0.0, "batch_size": asking.batch_size},
        "backend": asking.backend,
        "check": asking.check,
        "versions": settings.library_versions(),
    }
