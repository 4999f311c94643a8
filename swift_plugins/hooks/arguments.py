"""What every command of ms-swift takes from a checkpoint, once the plug-ins are loaded.

`swift infer`, deploy, app and export load the plug-ins that a checkpoint's args.json names, but know nothing of the
vision settings, without which the model sees other frames than it was trained on and answers at random. Here they are
put into effect, and what `swift export` makes of a checkpoint carries the record along. Training goes by its recipe;
of its validation files those without a row are left out, on which ms-swift would stop. The processes that read its rows
are forked, also where that is no longer Python's default: one started anew would have none of the plug-ins.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import swift.model.utils
from swift.arguments import BaseArguments, SftArguments

from swift_plugins.core.exports import find_record
from swift_plugins.core.mixtures import sampled
from swift_plugins.core.records import has_lines, write_json
from swift_plugins.core.settings import CHECKPOINT_FILE, apply_vision_settings
from swift_plugins.hooks.remote_code import replace


def _settled_first(prepare: Callable[[Any], None]) -> Callable[[Any], None]:
    """The arguments' first step after the plug-ins are loaded, before which the checkpoint's settings are applied."""

    @functools.wraps(prepare)
    def call(self: Any) -> None:
        if isinstance(self, SftArguments):
            if "fork" in multiprocessing.get_all_start_methods():
                multiprocessing.set_start_method("fork", force=True)
            files = [(stated, sampled(stated)[0]) for stated in self.val_dataset]
            self.val_dataset = [stated for stated, file in files if not os.path.isfile(file) or has_lines(file)]
        else:
            _apply(self)
        prepare(self)

    return call


def _apply(arguments: Any) -> None:
    """Several adapters of one server must agree: the settings of the first clash with others."""
    named = getattr(arguments, "adapter_mapping", {})  # of `swift deploy --adapters NAME=PATH`
    for folder in [*arguments.adapters, *named.values()] or [arguments.model]:
        if folder and (found := find_record(Path(folder).absolute())):
            origin, record = found
            apply_vision_settings(record["vision"], str(origin / CHECKPOINT_FILE))
            replace({(swift.model.utils, "save_checkpoint"): _carrying(swift.model.utils.save_checkpoint, record)})


def _carrying(save: Callable[..., None], record: dict[str, Any]) -> Callable[..., None]:
    """ms-swift's function that saves what an export made, which writes the record beside it."""

    @functools.wraps(save)
    def call(model: Any, processor: Any, output_dir: str, **options: Any) -> None:
        save(model, processor, output_dir, **options)
        write_json(Path(output_dir) / CHECKPOINT_FILE, record)

    return call


BaseArguments._init_model_kwargs = _settled_first(BaseArguments._init_model_kwargs)  # type: ignore[method-assign]
