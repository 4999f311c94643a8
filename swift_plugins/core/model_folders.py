"""A folder of a model, an adapter or an encoder, looked at before anything of it is loaded.

Such a folder is data. transformers, peft, ms-swift and sentence-transformers would run code that one holds or names, by
any of the routes below, or ask a hub for what one names. Its weights are safetensors: a pickle runs code as it is read.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from swift_plugins.core.records import decode_json, read_json
from swift_plugins.core.settings import CHECKPOINT_FILE, read_checkpoint_settings
from swift_plugins.core.videollama3 import PUBLISHED_TYPE

PICKLES = {".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth"}
# The states that training adds to a checkpoint: those of transformers, and those of DeepSpeed and FSDP. Only training
# reads any (see states_of), and nothing reads training_args.bin.
_RESUMED = re.compile(r"(optimizer|scheduler|scaler)\.(pt|bin)|rng_state(_\d+)?\.pth")
_UNRESTRICTED = re.compile(r"[\w-]+_(model|optim)_states\.pt|\.metadata")
TRAINING_STATE = re.compile(rf"{_RESUMED.pattern}|{_UNRESTRICTED.pattern}|training_args\.bin")
_WEIGHTS_ALONE = "or take the weights alone by --resume_only_model true"
# For a process that only reads models of this machine: no hub is asked, and no unpickling makes more than tensors.
DATA_ALONE = {"HF_HUB_OFFLINE": "1", "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1"}
QUANTISATIONS = ("bitsandbytes", "bnb", "gptq", "awq")  # by installed packages alone; bnb is ms-swift's name
TEXTS = {"tokenizer.json", "vocab.json", "added_tokens.json"}  # their keys are tokens
_WEIGHTS = re.compile(r"(pytorch_model|adapter_model)(-\d+-of-\d+)?\.bin(\.index\.json)?")
_RAW = re.compile(r"openvino_model[\w.-]*\.bin")  # plain numbers, beside the weights of some encoders
_SAFETENSORS = re.compile(r"[^/\\]+\.safetensors")
_ELSEWHERE = re.compile(r"(hf[-_]hub|local-dir):", re.I)  # as timm names models
_PATHS = ("external_plugins", "custom_register_path")  # of args.json
_LORA_EXTRAS = {"lora_dtype", "lorap_lr_ratio", "lorap_emb_lr"}  # what ms-swift writes to additional_config.json


def inspect(folder: str | os.PathLike) -> None:
    """ValueError, naming the file, the key and what to do, unless loading this folder is reading data and no more."""
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder: name a checkpoint or a downloaded model")
    _check_layout(root / "config.json")
    for file in _files(root):
        if "custom_generate" in file.relative_to(root).parts[:-1]:
            raise ValueError(f"{file} wants to run code of its own: delete its folder, which is not needed")
        if _is_pickle(file):
            raise ValueError(f"{file} is a pickle; only weights as safetensors are loaded: convert it, or take it out")
        if file.suffix.lower() == ".json" and file.name not in TEXTS:
            _check_json(root, file)
    read_checkpoint_settings(root)


def _check_layout(config: Path) -> None:
    """ValueError for VideoLLaMA 3 as it is published, in a layout that the code beside it alone can load."""
    kind = None
    with contextlib.suppress(ValueError, OSError):  # of what else is wrong with it _check_json tells
        kind = read_json(config).get("model_type")
    if kind == PUBLISHED_TYPE:
        raise ValueError(
            f"{config.parent} is VideoLLaMA 3 as it is published: bring it into the layout that is loaded here by "
            f"python swift_plugins/convert_videollama3.py --src {config.parent} --out NEW"
        )


def _files(root: Path) -> Iterator[Path]:
    """Every file at any depth; ValueError for a pipe, or a link to a folder: loaders follow that, a walk does not."""
    for path, folders, names in os.walk(root):
        for name in folders:
            if os.path.islink(os.path.join(path, name)):
                raise ValueError(f"{os.path.join(path, name)} is a link to a folder: put the folder itself there")
        for file in (Path(path, name) for name in sorted(names)):
            if not file.is_file():
                raise ValueError(f"{file} is not a file that can be read: take it out")
            yield file


def _is_pickle(file: Path) -> bool:
    """Whether a file is one that some loader unpickles; not weights with safetensors beside them, which come first."""
    weights = _WEIGHTS.fullmatch(file.name)
    if weights is None:
        return file.suffix.lower() in PICKLES and not (TRAINING_STATE.fullmatch(file.name) or _RAW.fullmatch(file.name))
    name = weights[1].removeprefix("pytorch_") + ".safetensors"
    return not (file.with_name(name).is_file() or file.with_name(f"{name}.index.json").is_file())


def _check_json(root: Path, file: Path) -> None:
    try:
        content = decode_json(file.read_bytes())
    except ValueError as error:
        raise ValueError(f"{file}: not JSON: {error}") from None
    check = _OF_FILE.get(file.name, _check_index if file.name.endswith(".safetensors.index.json") else None)
    try:
        for key, value in _pairs(content):
            _check_key(root, key, value)
        if check:
            check(content)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def _pairs(content: Any) -> Iterator[tuple[str, Any]]:
    """Every (key, value) at any depth."""
    left = [content]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            yield from value.items()
            left += value.values()
        elif isinstance(value, list):
            left += value


def _check_key(root: Path, key: str, value: Any) -> None:
    """ValueError for what any file of a folder must not say, wherever it stands."""
    if key in ("auto_map", "custom_pipelines", "custom_generate") and value:
        raise ValueError(f"{key} wants to run code of its own: use a model that transformers itself knows")
    if key in ("trust_remote_code", "use_pretrained_backbone") and value:
        raise ValueError(f"{key} must not be set by a folder: take it out")
    if (key.startswith("audio_tokenizer") and value) or (isinstance(value, str) and _ELSEWHERE.match(value)):
        raise ValueError(f"{key} {value!r:.80} names another model, which would be fetched or loaded: take it out")
    if key.lstrip("_").startswith(("attn_impl", "experts_impl")):
        for text in [value] if isinstance(value, str) else [text for _, text in _pairs(value)]:
            if isinstance(text, str) and re.search(r"[/:@]", text):
                raise ValueError(
                    f"{key} {text!r:.80} names code on a hub: take it out, or name one of transformers' own"
                )
    if key == "transformers_weights" and value and not (isinstance(value, str) and _SAFETENSORS.fullmatch(value)):
        raise ValueError(f"{key} {value!r:.80} must be the name of a safetensors file in the folder")
    if key == "activation_function" and "." in str(value) and not re.fullmatch(r"torch\.nn(\.\w+)+", str(value)):
        raise ValueError(f"{key} {value!r:.80} must be a class of torch.nn")
    if key == "quant_method" and value and value not in QUANTISATIONS:
        raise ValueError(
            f"{key} {value!r:.80} may fetch kernels from a hub; known not to are {', '.join(QUANTISATIONS)}"
        )
    if key in _PATHS:
        for path in value if isinstance(value, list) else [value]:
            if isinstance(path, str) and _is_inside(root, path):
                raise ValueError(f"{key} {path!r:.80} is a file of the folder, of which none is run: take it out")


def _is_inside(root: Path, path: str) -> bool:
    home = os.path.realpath(root)
    places = [os.path.realpath(os.path.join(base, path)) for base in ("", home)]
    return any(os.path.exists(place) and place.startswith(home + os.sep) for place in places)


def _check_index(content: Any) -> None:
    weights = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(weights, dict):
        raise ValueError("weight_map must be an object: the index of the weights is damaged")
    for name in set(map(str, weights.values())):
        if not _SAFETENSORS.fullmatch(name):
            raise ValueError(f"weight_map names {name!r:.80}, which is no safetensors file in the folder")


def _check_adapter(content: Any) -> None:
    """Only LoRA: other kinds load adapters, tokenizers or states that the file names."""
    if not isinstance(content, dict) or content.get("peft_type") != "LORA":
        raise ValueError("peft_type must be LORA, the only adapters that are loaded")
    for key in ("auto_mapping", "megatron_config", "corda_config", "lora_ga_config"):
        if content.get(key):
            raise ValueError(f"{key} names modules to import or files to unpickle: take it out")


def _check_adapter_extras(content: Any) -> None:
    if not isinstance(content, dict) or (other := sorted(content.keys() - _LORA_EXTRAS)):
        found = f"{other[0]!r:.80}" if isinstance(content, dict) else f"{content!r:.40}"
        raise ValueError(f"only {', '.join(sorted(_LORA_EXTRAS))} may stand here, found {found}: take it out")


def _check_modules(content: Any) -> None:
    """sentence-transformers imports the class that each module's `type` names and reads the folder of its `path`."""
    for module in content if isinstance(content, list) else [content]:
        kind, path = (module.get("type"), module.get("path")) if isinstance(module, dict) else (None, None)
        if not (isinstance(kind, str) and kind.startswith("sentence_transformers.")):
            raise ValueError(
                f"type {kind!r:.80} is not part of Sentence Transformers, of which alone modules are loaded"
            )
        if not isinstance(path, str) or os.path.isabs(path) or ".." in Path(path).parts:
            raise ValueError(f"path must be a folder in this one, got {path!r:.80}")


_OF_FILE: dict[str, Callable[[Any], None]] = {
    "adapter_config.json": _check_adapter,
    "additional_config.json": _check_adapter_extras,
    "modules.json": _check_modules,
}


def base_of(adapter: Path, base: Any) -> str:
    """The base model's folder, inspected, as --base or an adapter's forensics.json names it; no hub is asked."""
    if not (isinstance(base, str) and os.path.isabs(base) and os.path.isdir(base)):
        raise ValueError(
            f"{adapter} is an adapter of {base!r:.200}, which is no folder here: name the folder of its base model by "
            "--base, and download it first where it is not here"
        )
    inspect(base)
    return base


def states_of(checkpoint: str, output_dir: str) -> list[Path]:
    """The states with which a training would go on from `checkpoint`, which must hold tensors and numbers alone.

    ValueError for a folder that is no checkpoint of this kit's training, whole: forensics.json is written last. Those
    of DeepSpeed and FSDP are left out: they are unpickled without restriction, so what is trusted of them is the place,
    the run's own output_dir, where only its training writes; elsewhere they are refused.
    """
    inspect(checkpoint)
    folder, home = Path(os.path.realpath(checkpoint)), Path(os.path.realpath(output_dir))
    recorded = read_checkpoint_settings(folder)
    if recorded is None or folder.name != f"checkpoint-{recorded.get('global_step')}":
        raise ValueError(
            f"{folder} holds no {CHECKPOINT_FILE} of its step: it was not written by training here, or not to its end: "
            f"go on from another, {_WEIGHTS_ALONE}"
        )
    files = list(_files(folder))
    free = [file for file in files if _UNRESTRICTED.fullmatch(file.name)]
    if free and folder.parent != home:
        raise ValueError(
            f"{free[0]} is a pickle that DeepSpeed or FSDP would read without restriction, and lies outside "
            f"--output_dir {output_dir}: name the output_dir that it was written to, {_WEIGHTS_ALONE}"
        )
    return [file for file in files if file not in free and _RESUMED.fullmatch(file.name)]


def model_files(folder: Path) -> list[Path]:
    """The files that what a model answers may depend on: all but states of training, hidden files and notes."""
    return [
        file
        for file in _files(folder)
        if not (TRAINING_STATE.fullmatch(file.name) or file.name.startswith(".") or file.suffix.lower() == ".md")
    ]
