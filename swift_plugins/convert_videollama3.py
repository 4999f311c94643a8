"""Bring published VideoLLaMA 3 weights into the layout that transformers, and so this kit, loads.

    hf download DAMO-NLP-SG/VideoLLaMA3-7B --local-dir VideoLLaMA3-7B
    python swift_plugins/convert_videollama3.py --src VideoLLaMA3-7B --out videollama3-7b

The tensors keep their values and their precision; only their names change, shard by shard, so that the memory of one
shard is enough. The settings and limits of the published processor are written out. No code of the folder is run. Every
tensor must find its place, with its shape, and every place its tensor; nothing stands at --out before all of it does.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from swift_plugins.core.commands import run
from swift_plugins.core.names import few
from swift_plugins.core.printable import say
from swift_plugins.core.records import read_json, write_json
from swift_plugins.core.videollama3 import (
    CHAT_TEMPLATE,
    IMAGE_PROCESSOR,
    IMAGE_TOKEN,
    VIDEO_PROCESSOR,
    VIDEO_TOKEN,
    new_config,
    new_name,
)

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
SPARE = 64 * 2**20  # bytes: what stands beside the weights


def read_part(path: Path) -> dict[str, Any]:
    """A JSON of the folder; ValueError for one that is missing or none."""
    if not path.is_file():
        raise ValueError(f"{path} is missing: name the folder of a published VideoLLaMA 3 in --src")
    return read_json(path)


def shards_of(src: Path) -> list[Path]:
    """The files of the weights; ValueError where one is missing or they are pickles."""
    if (src / SINGLE).is_file():
        return [src / SINGLE]
    if not (src / INDEX).is_file():
        pickles = " (weights in .bin files are not read: they can run code)" if list(src.glob("*.bin")) else ""
        raise ValueError(f"{src} has neither {SINGLE} nor {INDEX}{pickles}")
    named = read_part(src / INDEX).get("weight_map")
    if not isinstance(named, dict) or not all(isinstance(name, str) for name in named.values()):
        raise ValueError(f"{src / INDEX} has no weight_map of names and files")
    shards = [src / name for name in sorted(set(named.values()))]
    if outside := [shard.name for shard in shards if shard.parent != src]:
        raise ValueError(f"{src / INDEX} names files in other folders: {few(outside)}")
    if missing := [shard.name for shard in shards if not shard.is_file()]:
        raise ValueError(f"{src} lacks {few(missing)}: download it again")
    return shards


def tensors_of(shards: list[Path]) -> Iterator[tuple[Path, str, tuple[int, ...]]]:
    """(file, published name, shape) of every tensor, from the files' headers."""
    from safetensors import SafetensorError, safe_open

    for shard in shards:
        try:
            with safe_open(shard, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 - no mapping
                    yield shard, name, tuple(file.get_slice(name).get_shape())
        except SafetensorError as error:
            raise ValueError(f"{shard} cannot be read ({error}): it was not downloaded whole") from None


def plan(shards: list[Path], expected: Mapping[str, tuple[int, ...]]) -> dict[Path, dict[str, str]]:
    """File -> published name -> new name; ValueError unless tensors and places match one to one, shapes and all."""
    places: dict[Path, dict[str, str]] = {}
    unknown, misshaped, found = [], [], {}
    for shard, name, shape in tensors_of(shards):
        try:
            new = new_name(name)
        except ValueError:
            unknown.append(name)
            continue
        if new is None:
            continue
        if new not in expected or new in found:
            unknown.append(name)
        elif shape != expected[new]:
            misshaped.append(f"{name} {shape}, expected {expected[new]}")
        found[new] = name
        places.setdefault(shard, {})[name] = new
    missing = sorted(expected.keys() - found.keys())
    for problem, names in (("unknown or doubled", unknown), ("of another shape", misshaped), ("missing", missing)):
        if names:
            raise ValueError(f"{len(names)} tensor(s) {problem}: {few(names)}")
    return places


def model_of(config: dict[str, Any]) -> tuple[Any, dict[str, tuple[int, ...]]]:
    """(transformers' configuration, the name and shape of every tensor that a file must hold)."""
    import torch
    from transformers import VideoLlama3Config, VideoLlama3ForConditionalGeneration

    whole = VideoLlama3Config(**config)
    with torch.device("meta"):
        model = VideoLlama3ForConditionalGeneration(whole)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if whole.tie_word_embeddings:
        del shapes["lm_head.weight"]
    return whole, shapes


def processor_of(src: Path, vocabulary: int) -> Any:
    """The processor with the published limits; ValueError for a tokenizer that is not Qwen2.5's."""
    from transformers import Qwen2Tokenizer, VideoLlama3ImageProcessor, VideoLlama3Processor, VideoLlama3VideoProcessor

    try:
        tokenizer = Qwen2Tokenizer.from_pretrained(src)
    except (ValueError, OSError, TypeError) as error:
        raise ValueError(f"{src} has no tokenizer that can be read: {str(error).splitlines()[0]:.200}") from None
    known = tokenizer.get_vocab()
    absent = [token for token in (IMAGE_TOKEN, VIDEO_TOKEN, "<|im_start|>", "<|im_end|>") if token not in known]
    if absent or max(known.values()) >= vocabulary:
        raise ValueError(
            f"the tokenizer of {src} is not this model's: "
            + (f"it has no {few(absent)}" if absent else f"it has ids above the {vocabulary} embeddings")
        )
    return VideoLlama3Processor(
        image_processor=VideoLlama3ImageProcessor(**IMAGE_PROCESSOR),
        video_processor=VideoLlama3VideoProcessor(**VIDEO_PROCESSOR),
        tokenizer=tokenizer,
        chat_template=CHAT_TEMPLATE,
    )


def write_weights(places: dict[Path, dict[str, str]], out: Path) -> None:
    """Write each shard under its name with the new names of its tensors, and the index of several."""
    from safetensors.torch import load_file, save_file
    from tqdm import tqdm

    weight_map: dict[str, str] = {}
    size = 0
    for shard, names in tqdm(places.items(), "convert", unit="file", disable=None):
        tensors = {names[name]: tensor for name, tensor in load_file(shard).items() if name in names}
        size += sum(tensor.nbytes for tensor in tensors.values())
        save_file(tensors, out / shard.name, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(tensors, shard.name)
    if len(places) > 1:
        index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(weight_map.items()))}
        write_json(out / INDEX, index)


def check_room(shards: list[Path], out: Path) -> None:
    """Say what the conversion needs on the disk; OSError where there is less."""
    needed = sum(shard.stat().st_size for shard in shards) + SPARE
    free = shutil.disk_usage(out.parent).free
    say(f"{out} will take {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free")
    if free < needed:
        raise OSError(f"the disk of {out} is too full: make room for {needed / 1e9:.1f} GB or name another --out")


def convert(args: argparse.Namespace) -> None:
    """Write the model under another name, which it loses when it is whole."""
    from transformers import GenerationConfig

    if args.out.exists():
        raise ValueError(f"{args.out} exists already: name another --out or remove it")
    published = read_part(args.src / "config.json")
    config, expected = model_of(new_config(published))
    shards = shards_of(args.src)
    places = plan(shards, expected)
    processor = processor_of(args.src, config.text_config.vocab_size)
    token = processor.tokenizer.convert_tokens_to_ids
    config.image_token_id, config.video_token_id = token(IMAGE_TOKEN), token(VIDEO_TOKEN)
    config.dtype = published.get("torch_dtype") or "bfloat16"
    config.architectures = ["VideoLlama3ForConditionalGeneration"]
    ends = [token("<|im_end|>"), token("<|endoftext|>")]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    check_room(shards, args.out)
    half = args.out.with_name(f".{args.out.name}.half")
    shutil.rmtree(half, ignore_errors=True)  # of a run that was killed
    half.mkdir()
    try:
        write_weights(places, half)
        config.save_pretrained(half)
        GenerationConfig(eos_token_id=ends, pad_token_id=ends[1]).save_pretrained(half)
        processor.save_pretrained(half)
        half.rename(args.out)
    finally:
        shutil.rmtree(half, ignore_errors=True)
    count = sum(math.prod(shape) for shape in expected.values())
    say(f"wrote VideoLLaMA 3 with {count:,} parameters to {args.out}")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--src", type=Path, required=True, help="folder of the published model")
    parser.add_argument("--out", type=Path, required=True, help="folder to write; it must not exist")
    return run(convert, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
