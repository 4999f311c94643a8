"""No model folder runs code of its own.

ms-swift loads every configuration, tokenizer and model with trust_remote_code=True, which runs the Python files that a
folder's `auto_map` names. All of that goes through one function of transformers; here it refuses.
"""

from __future__ import annotations

from typing import Any, NoReturn

from transformers import dynamic_module_utils


def _refuse(name: str, module_file: str, *args: Any, **kwargs: Any) -> NoReturn:
    raise ValueError(f"{name} wants to run code of its own ({module_file}): use a model that transformers itself knows")


dynamic_module_utils.get_cached_module_file = _refuse  # type: ignore[assignment]
