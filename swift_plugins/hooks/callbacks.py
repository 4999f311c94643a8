"""A training callback that makes every checkpoint say what it was trained on and with."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from swift.callbacks import TrainerCallback, callbacks_map

from swift_plugins.core import trained_rows
from swift_plugins.core.frame_cache import frame_quality
from swift_plugins.core.mixtures import describe_all, sampled
from swift_plugins.core.printable import say
from swift_plugins.core.records import check_training_texts, write_json
from swift_plugins.core.settings import CHECKPOINT_FILE, answer_form, library_versions, vision_settings
from swift_plugins.core.speed import PACKS, SPEED, SPEED_FILE
from swift_plugins.hooks.losses import loss_weights
from swift_plugins.hooks.speed import Speed
from swift_plugins.hooks.vision_cache import FrozenVision


def restore_weights(model, checkpoint: str, recorded: dict[str, Any]) -> None:
    """Load the weights of a full checkpoint into a model, in place; `recorded` are the run's arguments.

    transformers 5 saves Qwen2.5-VL and others under the weight names of their release but resumes by the names in
    memory, which differ: without DeepSpeed nothing is loaded and training goes on from the base model with only a
    warning (huggingface/transformers issue 43701). Loading the checkpoint as a model translates the names.
    """
    from swift.model import get_model_processor

    kinds = {key: recorded.get(key) for key in ("model_type", "task_type", "num_labels", "problem_type")}
    saved, _ = get_model_processor(checkpoint, torch_dtype=model.dtype, **kinds)
    model.load_state_dict(saved.state_dict())


class ForensicsCallback(TrainerCallback):
    """Checks the data against their manifests when training begins and writes forensics.json into each checkpoint, with
    the speed so far."""

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        recorded = json.loads((Path(args.output_dir) / "args.json").read_text(encoding="utf-8"))
        if args.resume_from_checkpoint and recorded["tuner_type"] == "full" and not (args.deepspeed or args.fsdp):
            restore_weights(model, args.resume_from_checkpoint, recorded)
        for path in (sampled(text)[0] for key in ("dataset", "val_dataset") for text in recorded.get(key) or []):
            if path.endswith(".jsonl") and os.path.isfile(path):
                check_training_texts(path)
        taken, vision = recorded.get("dataset") or [], vision_settings()
        self.record = {
            "data": describe_all(taken, vision, recorded.get("model_type"), recorded.get("data_seed")),
            "model": recorded.get("model_dir"),  # where a hub's model lies too: an adapter finds its base again
            "model_type": recorded.get("model_type"),
            "template": recorded.get("template"),
            "task_type": recorded.get("task_type"),
            "answer_form": answer_form(),
            "tuner_type": recorded.get("tuner_type"),
            "torch_dtype": recorded.get("torch_dtype"),
            "seed": args.seed,
            "vision": vision,
            "frame_cache": frame_quality(),
            "loss_weights": loss_weights(),
            "batches": next((way for way in ("packing", "padding_free") if recorded.get(way)), "padded"),
            "versions": library_versions(),
        }
        if state.is_world_process_zero:
            earlier = [recorded.get("model_dir"), args.resume_from_checkpoint, *(recorded.get("adapters") or [])]
            self.record["trained_rows"] = trained_rows.described([one["path"] for one in self.record["data"]], earlier)
            if packs := getattr(self.trainer.train_dataset, "packed_idx", None):
                say(PACKS.format(rows=sum(map(len, packs)), packs=len(packs)))
        self.vision = FrozenVision(self.trainer)
        self.speed = Speed(self.trainer)

    def so_far(self) -> dict[str, Any] | None:
        """The record of the speed, whose patches are those that the vision tower was shown."""
        speed = self.speed.so_far()
        if speed and self.vision.cache:
            told = self.vision.cache.summary()
            share = told["computed"] / max(told["media"], 1)
            shown = {name: round(share * speed["per_row"][name], 2) for name in ("patches", "patches_squared")}
            speed |= {"vision_cache": told, "per_row": speed["per_row"] | shown}
        return speed

    def on_step_end(self, args, state, control, **kwargs):
        self.speed.step()

    def on_save(self, args, state, control, **kwargs):
        speed = self.so_far()
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            record = self.record | {"global_step": state.global_step}
            write_json(folder / CHECKPOINT_FILE, record | ({SPEED: speed} if speed else {}))

    def on_train_end(self, args, state, control, **kwargs):
        self.vision.end()
        speed = self.so_far()
        if speed and state.is_world_process_zero:
            write_json(Path(args.output_dir) / SPEED_FILE, speed | {"batches": self.record["batches"]})


callbacks_map["forensics"] = ForensicsCallback
