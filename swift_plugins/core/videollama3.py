"""VideoLLaMA 3 as it is published, and the layout in which transformers reads it.

The published folders (DAMO-NLP-SG/VideoLLaMA3-7B, -2B and the image models) name tensors, settings and limits after
the code that lies beside them; transformers has classes of its own for the same model, with other names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import swift_plugins  # noqa: F401

# In config.json as published and as transformers has it, and what it is called in recipes.
PUBLISHED_TYPE, TYPE, MODEL_TYPE = "videollama3_qwen2", "video_llama_3", "videollama3"
IMAGE_TOKEN, VIDEO_TOKEN = "<|image_pad|>", "<|video_pad|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|image_pad|>\n{% elif part['type'] == 'video' %}<|video_pad|>\n"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# The published processor's own limits; the defaults of transformers' classes are others. An image's are in px; a clip's
# are px of all its frames together.
IMAGE_LIMITS = {"shortest_edge": 3_136, "longest_edge": 3_211_264}
CLIP_LIMITS = {"shortest_edge": 12_544, "longest_edge": 12_845_056}
PATCH = 14  # px
# Where the environment states no others: table 4 of DeepTraceReward, and the fewest of the published processor.
FPS, MIN_FRAMES, MAX_FRAMES = 2.0, 4, 180
NORMALISED = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
IMAGE_PROCESSOR = NORMALISED | {"patch_size": PATCH, "merge_size": 1, "size": IMAGE_LIMITS}
VIDEO_PROCESSOR = NORMALISED | {
    "patch_size": PATCH,
    "merge_size": 2,
    "size": CLIP_LIMITS,
    "min_frames": MIN_FRAMES,
    "max_frames": MAX_FRAMES,
    "do_sample_frames": False,
}
_SHARED_KEYS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "hidden_act",
    "attention_dropout",
    "initializer_range",
)
_TEXT_KEYS = (
    *_SHARED_KEYS,
    "vocab_size",
    "num_key_value_heads",
    "max_position_embeddings",
    "rms_norm_eps",
    "rope_theta",
    "rope_scaling",
    "use_sliding_window",
    "sliding_window",
    "max_window_layers",
    "tie_word_embeddings",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
)
_VISION_KEYS = (*_SHARED_KEYS, "num_channels", "patch_size", "layer_norm_eps")
# A published name's beginning -> what stands for it; the first that fits, and a name that none fits is unknown.
_BEGINNINGS = (
    (
        re.compile(r"model\.vision_encoder\.(?:vision_encoder\.)?(?=(embeddings|encoder|post_layernorm)\.)"),
        "model.vision_model.",
    ),
    (re.compile(r"model\.mm_projector\.(?=readout\.)"), "model.projector."),
    (re.compile(r"model\.(?=(embed_tokens|layers\.\d+|norm)\.)"), "model.language_model."),
    (re.compile(r"(?=lm_head\.)"), ""),
)
_COMPUTED = re.compile(r"\.rotary_(pos_)?emb\.inv_freq$")  # written by some versions; a model computes it


def frames_taken(total: int, rate: float, fps: float, least: int, most: int) -> int:
    """How many of a clip's `total` frames, at `rate` per second, are taken at `fps` (sample_frames in transformers)."""
    return int(min(max(total / rate * fps, least), most, total))


def resized(width: int, height: int, least: float, most: float, factor: int) -> tuple[int, int]:
    """The (width, height) to which the processor resizes, within `least` and `most` px (smart_resize in transformers).

    Unlike qwen-vl-utils it never leaves a side of no patch.
    """
    if min(width, height) < 1 or max(width, height) > 200 * min(width, height):
        raise ValueError(f"a frame of {width}x{height} cannot be resized: the sides may differ 200-fold at most")
    wide, high = round(width / factor) * factor, round(height / factor) * factor
    if wide * high > most:
        shrink = math.sqrt(width * height / most)
        return (
            max(factor, math.floor(width / shrink / factor) * factor),
            max(factor, math.floor(height / shrink / factor) * factor),
        )
    if wide * high < least:
        grow = math.sqrt(least / (width * height))
        return math.ceil(width * grow / factor) * factor, math.ceil(height * grow / factor) * factor
    return wide, high


def new_name(name: str) -> str | None:
    """A published tensor's name in transformers; None for one that is computed, ValueError for an unknown one."""
    if _COMPUTED.search(name):
        return None
    for beginning, new in _BEGINNINGS:
        if found := beginning.match(name):
            return new + name[found.end() :]
    raise ValueError(f"no tensor of VideoLLaMA 3 is called {name!r:.120}")


def new_config(published: Mapping[str, Any]) -> dict[str, Any]:
    """The published config.json in transformers' form; ValueError for another model.

    The published id of an image token (`image_token_index` 151665) is one of its own; transformers writes Qwen2.5's
    <|image_pad|> and <|video_pad|>, whose embeddings are overwritten, so that their rows in the table do not matter.
    """
    kind, vision = published.get("model_type"), published.get("vision_encoder_config")
    if kind != PUBLISHED_TYPE or not isinstance(vision, Mapping):
        raise ValueError(
            f"not a published VideoLLaMA 3: model_type {kind!r:.60}, vision_encoder_config "
            f"{'there' if vision else 'missing'}; expected model_type {PUBLISHED_TYPE!r} and that part"
        )
    return {
        "text_config": {key: published[key] for key in _TEXT_KEYS if published.get(key) is not None}
        | {"model_type": "qwen2"},
        "vision_config": {key: vision[key] for key in _VISION_KEYS if vision.get(key) is not None},
        "tie_word_embeddings": bool(published.get("tie_word_embeddings")),
    }
