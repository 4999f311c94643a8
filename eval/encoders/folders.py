"""Where an encoder of sentences lies or comes from, weights as safetensors alone; why an encoder cannot be had."""

from __future__ import annotations

from pathlib import Path

from swift_plugins.core.model_folders import inspect

FILES = ("*.json", "*.txt", "*.model", "*.safetensors")  # what an encoder is loaded from, and all that is downloaded
TOKENIZERS = ("tokenizer.json", "vocab.*", "*.model")


def folder_of(model: str) -> Path:
    """The encoder's folder, downloaded where a hub id is named; ValueError for one whose weights are not safetensors.

    Pickled weights could run code as they are read: they are neither downloaded nor loaded.
    """
    folder = Path(model)
    if not folder.is_dir():
        folder = _download(model)
    try:
        inspect(folder)
    except ValueError as error:
        raise ValueError(f"--css {model}: cannot be loaded: {error}") from None
    if not any(folder.rglob("*.safetensors")):
        raise ValueError(f"--css {model}: it holds no safetensors; only weights as safetensors are loaded")
    if not any(any(folder.rglob(name)) for name in TOKENIZERS):  # transformers would make up an empty one
        raise ValueError(f"--css {model}: it holds no tokenizer ({', '.join(TOKENIZERS)})")
    return folder


def _download(model: str) -> Path:
    from httpx import HTTPError
    from huggingface_hub import snapshot_download

    name, _, revision = model.partition("@")
    try:
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=list(FILES)))
    except (OSError, ValueError, HTTPError) as error:
        raise ValueError(f"--css {model}: neither a folder nor to be had: {first_line(error)}") from None


def not_installed(option: str, error: ImportError) -> ValueError:
    return ValueError(f"--{option}: {error}: install the extra, pip install -e '.[neural]'")


def first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def fingerprint(folder: Path) -> str:
    """A short hash of the files that an encoder is loaded from, the same for a download and a copy of it."""
    from swift_plugins.core.records import sha256_file, sha256_text

    files = sorted(path for pattern in FILES for path in folder.rglob(pattern))
    lines = [f"{path.relative_to(folder).as_posix()} {sha256_file(path)}" for path in files if path.is_file()]
    return sha256_text("\n".join(lines))[:16]
