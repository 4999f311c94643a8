"""No model folder runs code of its own, and none is loaded before it was inspected.

ms-swift loads every configuration, tokenizer and model with trust_remote_code=True. It turns whatever names a model or
an adapter into a folder by one function, before it reads any of it: there the folder is inspected. That function is
replaced as register.py is loaded, which is before a training's model is looked at but after its --adapters and
--resume_from_checkpoint were: those are inspected when the arguments are asked for the model, the first step that loads
anything. Behind that, the functions that would run a folder's code or clone a repository refuse.
"""

from __future__ import annotations

import functools
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import peft.utils.save_and_load
import swift.utils.hub_utils
import torch
from swift.arguments import BaseArguments
from transformers import dynamic_module_utils
from transformers.trainer_pt_utils import safe_globals

from swift_plugins.core import model_folders


def _refuse_code(name: str, module_file: Any, *args: Any, **kwargs: Any) -> NoReturn:
    raise ValueError(f"{name} wants to run code of its own ({module_file}): use a model that transformers itself knows")


def _refuse_clone(url: str, *args: Any, **kwargs: Any) -> NoReturn:
    raise ValueError(f"{url} would be fetched and run: name a copy of yours in --local_repo_path, or use another model")


def _inspected(find: Callable[..., str]) -> Callable[..., str]:
    """ms-swift's function from a name to a folder, whose folder is inspected; offline a name must be a folder."""

    @functools.wraps(find)
    def call(model_id_or_path: str, *args: Any, **kwargs: Any) -> str:
        if os.environ.get("HF_HUB_OFFLINE") == "1" and not os.path.isdir(os.path.expanduser(model_id_or_path)):
            raise ValueError(f"{model_id_or_path} is not a folder, and nothing is fetched from a hub")
        folder = find(model_id_or_path, *args, **kwargs)
        model_folders.inspect(folder)
        return folder

    return call


def _inspected_first(load: Callable[..., Any]) -> Callable[..., Any]:
    """A loader of adapter weights that inspects the folder."""

    @functools.wraps(load)
    def call(model_id: str, *args: Any, **kwargs: Any) -> Any:
        model_folders.inspect(model_id)
        return load(model_id, *args, **kwargs)

    return call


def check_states(files: list[Path]) -> None:
    """ValueError for a pickled state that names more than tensors, numbers and numpy's random state; none is read."""
    for file in files:
        try:
            with safe_globals():
                found = torch.serialization.get_unsafe_globals_in_checkpoint(str(file))
        except (ValueError, RuntimeError, pickle.UnpicklingError) as error:
            found = [str(error).splitlines()[0]]
        if found:
            raise ValueError(f"{file} holds more than the states of a training ({', '.join(found)[:200]}): not read")


def _checked_arguments(load: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments' get_model_processor, before which a training's adapters and checkpoint are inspected."""

    @functools.wraps(load)
    def call(self: Any, **kwargs: Any) -> Any:
        for name in ("adapters", "ref_adapters", "reward_adapters"):
            for folder in getattr(self, name, None) or ():
                model_folders.inspect(folder)
        if checkpoint := getattr(self, "resume_from_checkpoint", None):
            if self.resume_only_model:
                model_folders.inspect(checkpoint)
            else:
                check_states(model_folders.states_of(checkpoint, self.output_dir))
        return load(self, **kwargs)

    return call


def replace(substitutes: dict[tuple[Any, str], Callable[..., Any]]) -> None:
    """Put a function in the place of each (module, name), there and in every module that imported it by name."""
    originals = [(getattr(module, name), new) for (module, name), new in substitutes.items()]
    by_id = {id(original): new for original, new in originals}
    for module in [*sys.modules.values()]:
        space = getattr(module, "__dict__", {})
        for name, value in [*space.items()]:
            if new := by_id.get(id(value)):
                space[name] = new


hub = swift.utils.hub_utils
adapters = peft.utils.save_and_load
replace(
    {
        (dynamic_module_utils, "get_cached_module_file"): _refuse_code,
        (dynamic_module_utils, "get_class_in_module"): _refuse_code,
        (hub, "git_clone_github"): _refuse_clone,
        (hub, "safe_snapshot_download"): _inspected(hub.safe_snapshot_download),
        (adapters, "load_peft_weights"): _inspected_first(adapters.load_peft_weights),
    }
)
BaseArguments.get_model_processor = _checked_arguments(BaseArguments.get_model_processor)  # type: ignore[method-assign]
