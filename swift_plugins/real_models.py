"""The bases that recipes train, in their real sizes and with random weights: for measuring, without a download."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import swift_plugins  # noqa: F401
from swift_plugins.core.names import unknown
from swift_plugins.core.speed import Shape

_QWEN2_5_TEXT = {"max_position_embeddings": 128000, "tie_word_embeddings": False}
_QWEN2_5_ROPE = {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6}
_QWEN2_7B = {
    "vocab_size": 152064,
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
}
_QWEN2_5_VISION = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "fullatt_block_indexes": [7, 15, 23, 31],
}
_QWEN3_8B_VISION = {  # of Qwen3-VL 8B and Qwen3.5 9B
    "depth": 27,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_heads": 16,
    "out_hidden_size": 4096,
    "num_position_embeddings": 2304,
}
_QWEN3_TEXT = {
    "vocab_size": 151936,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 262144,
    "rope_parameters": {
        "rope_type": "default",
        "mrope_section": [24, 20, 20],
        "mrope_interleaved": True,
        "rope_theta": 5e6,
    },
}
# The last part of a model's name, in small letters -> what its published config.json has in other sizes than the tiny
# model of the same architecture; `image` is the side in px to which a processor of its own crops.
SIZES: dict[str, dict[str, Any]] = {
    "qwen2.5-vl-7b-instruct": {
        "text_config": _QWEN2_7B | _QWEN2_5_TEXT | {"rope_parameters": _QWEN2_5_ROPE},
        "vision_config": _QWEN2_5_VISION | {"out_hidden_size": 3584},
    },
    "qwen2.5-vl-3b-instruct": {
        "text_config": _QWEN2_5_TEXT
        | {
            "vocab_size": 151936,
            "hidden_size": 2048,
            "intermediate_size": 11008,
            "num_hidden_layers": 36,
            "num_attention_heads": 16,
            "num_key_value_heads": 2,
            "rope_parameters": _QWEN2_5_ROPE,
            "tie_word_embeddings": True,
        },
        "vision_config": _QWEN2_5_VISION | {"out_hidden_size": 2048},
    },
    "qwen3-vl-8b-instruct": {
        "text_config": _QWEN3_TEXT | {"hidden_size": 4096, "intermediate_size": 12288, "tie_word_embeddings": False},
        "vision_config": _QWEN3_8B_VISION | {"deepstack_visual_indexes": [8, 16, 24]},
    },
    "qwen3-vl-4b-instruct": {
        "text_config": _QWEN3_TEXT | {"hidden_size": 2560, "intermediate_size": 9728, "tie_word_embeddings": True},
        "vision_config": {
            "depth": 24,
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_heads": 16,
            "out_hidden_size": 2560,
            "num_position_embeddings": 2304,
            "deepstack_visual_indexes": [5, 11, 17],
        },
    },
    "qwen3.5-9b": {
        "text_config": {
            "vocab_size": 248320,
            "hidden_size": 4096,
            "intermediate_size": 12288,
            "num_hidden_layers": 32,  # of which every fourth has full attention
            "num_attention_heads": 16,
            "num_key_value_heads": 4,
            "head_dim": 256,
            "linear_num_key_heads": 16,
            "linear_num_value_heads": 32,
            "linear_key_head_dim": 128,
            "linear_value_head_dim": 128,
            "max_position_embeddings": 262144,
            "rope_parameters": {
                "rope_type": "default",
                "mrope_section": [11, 11, 10],
                "mrope_interleaved": True,
                "rope_theta": 1e7,
                "partial_rotary_factor": 0.25,
            },
            "tie_word_embeddings": False,
        },
        "vision_config": _QWEN3_8B_VISION,
    },
    "videollama3-7b": {
        "text_config": _QWEN2_7B
        | {
            "max_position_embeddings": 32768,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
            "tie_word_embeddings": False,
        },
        "vision_config": {
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "num_hidden_layers": 27,
            "num_attention_heads": 16,
        },
    },
    "llava-1.5-7b-hf": {
        "text_config": {
            "vocab_size": 32064,
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "head_dim": 128,
            "tie_word_embeddings": False,
        },
        "vision_config": {
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "projection_dim": 768,
            "image_size": 336,
        },
        "image": 336,
    },
}


def sizes_of(name: str) -> dict[str, Any]:
    """The sizes of the base that a recipe's `model` names, a hub id or a folder; ValueError for one without."""
    base = name.rpartition("/")[2].lower()
    if base not in SIZES:
        raise ValueError(unknown("base to build without a download", base, SIZES))
    return SIZES[base]


def real_config(name: str, config: Any) -> Any:
    """The configuration of a tiny model in the sizes of the named base."""
    sizes, found = sizes_of(name), config.to_dict()
    for part in ("text_config", "vision_config"):
        found[part] = {key: value for key, value in found[part].items() if key != "layer_types"} | sizes[part]
        found[part]["initializer_range"] = 0.02  # by a narrow model's wider weights bfloat16's rounding grows to chaos
    found["tie_word_embeddings"] = sizes["text_config"]["tie_word_embeddings"]
    if "image" in sizes:
        found["image_seq_length"] = (sizes["image"] // found["vision_config"]["patch_size"]) ** 2
    return type(config).from_dict(found)


def build_real(name: str, tiny: Path, out: Path, device: str) -> None:
    """Write the named base with random bfloat16 weights, drawn on `device`, from a tiny model of its architecture.

    Tokenizer and processor are that one's: a vocabulary of few texts, in a table of the real size.

    ValueError for a base without sizes here, OSError where the disk has no room.
    """
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

    config, processor = real_config(name, AutoConfig.from_pretrained(tiny)), AutoProcessor.from_pretrained(tiny)
    needed = 2 * sum(parts_of(on_paper(config)).values()) + 2**31
    if (free := shutil.disk_usage(out).free) < needed:
        raise OSError(f"{out} needs {needed / 2**30:.0f} GiB for random weights, {free / 2**30:.0f} are free")
    if side := sizes_of(name).get("image"):
        processor.image_processor.size = {"shortest_edge": side}
        processor.image_processor.crop_size = {"height": side, "width": side}
    with torch.device(device):
        model = AutoModelForImageTextToText.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(out)
    processor.save_pretrained(out)
    shutil.copy(tiny / "generation_config.json", out)


def on_paper(config: Any) -> Any:
    """A model of a configuration without its weights."""
    import torch
    from transformers import AutoModelForImageTextToText

    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(config)


def parts_of(model: Any) -> dict[str, int]:
    """language, connector and vision -> the parameters that each token or patch meets; tables are only looked up."""
    counts = {"language": 0, "connector": 0, "vision": 0}
    for name, weights in model.named_parameters():
        if any(word in name for word in ("embed_tokens", "lm_head", "pos_embed", "position_embedding")):
            continue
        connects = any(word in name for word in ("merger", "projector"))
        sees = any(word in name for word in ("visual.", "vision_tower.", "vision_model."))
        counts["connector" if connects else "vision" if sees else "language"] += weights.numel()
    return counts


def shape_of(config: Any) -> Shape:
    """How the work of a model with this configuration is counted; no weights are made."""
    parts = parts_of(on_paper(config))
    text, vision = config.text_config, config.vision_config
    kinds = getattr(text, "layer_types", None) or ["full_attention"] * text.num_hidden_layers
    whole = getattr(vision, "fullatt_block_indexes", None) or []
    merge = getattr(vision, "spatial_merge_size", 2 if config.model_type == "video_llama_3" else 1)
    return Shape(
        **parts,
        language_layers=sum(kind != "linear_attention" for kind in kinds),
        language_width=text.num_attention_heads
        * (getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads),
        vision_layers=getattr(vision, "depth", None) or vision.num_hidden_layers,
        vision_width=vision.hidden_size,
        merged=merge**2,
        window=(vision.window_size // vision.patch_size) ** 2 if whole else 0,
        whole=len(whole),
    )
