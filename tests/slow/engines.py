"""A stand-in for ms-swift's vLLM engine, which does not start without a GPU: its interface by ms-swift's source,
over ms-swift's transformers engine."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar


def signature_of(name: str) -> inspect.Signature:
    """Of a method of VllmEngine, whose module cannot be imported without vllm; defaults are not evaluated."""
    place = Path(importlib.util.find_spec("swift").submodule_search_locations[0], "infer_engine", "vllm_engine.py")
    tree = ast.parse(place.read_text(encoding="utf-8"))
    engine = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "VllmEngine")
    method = next(node for node in engine.body if isinstance(node, ast.FunctionDef) and node.name == name)
    needed = len(method.args.args) - len(method.args.defaults)
    kinds = inspect.Parameter
    found = [
        kinds(one.arg, kinds.POSITIONAL_OR_KEYWORD, default=kinds.empty if i < needed else None)
        for i, one in enumerate(method.args.args)
    ]
    found += [kinds(one.arg, kinds.KEYWORD_ONLY, default=None) for one in method.args.kwonlyargs]
    return inspect.Signature(found)


def stand_in() -> type:
    from swift.infer_engine import TransformersEngine
    from swift.model import get_model_processor

    class VllmEngine(TransformersEngine):
        asked: ClassVar[list[dict[str, Any]]] = []

        def __init__(self, *args: Any, **options: Any):
            given = signature_of("__init__").bind(self, *args, **options).arguments
            VllmEngine.asked.append({name: value for name, value in given.items() if name not in ("self", "template")})
            network, _ = get_model_processor(
                given["model_id_or_path"], model_type=given["model_type"], torch_dtype=given["torch_dtype"]
            )
            adapters = given.get("adapters")
            super().__init__(
                network, template=given["template"], adapters=adapters, max_batch_size=given["max_num_seqs"]
            )

        def infer(self, *args: Any, **options: Any) -> list[Any]:
            given = signature_of("infer").bind(self, *args, **options).arguments
            VllmEngine.asked.append(vars(given["request_config"]))
            # What this engine does otherwise is left to it: it knows no seed of a request.
            config = replace(given["request_config"], seed=None, min_p=None)
            return super().infer(given["infer_requests"], config, use_tqdm=given["use_tqdm"])

    return VllmEngine
