"""What a row's texts must not hold: whatever ms-swift or a tokenizer of the supported bases takes for more than text.

`<img>path</img>` would open a local file, `<|video_pad|>` add a place for a video that is not there, `<|im_end|>` end
a turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import swift_plugins  # noqa: F401

# What ms-swift writes a row's `objects` in the place of.
OBJECT_TAGS = ("<bbox>", "<ref-object>")
# ms-swift's template/base.py: Template.special_tokens, and what _replace_image_tags and _replace_start_image_tags read.
SWIFT_TAGS = ("<image>", "<video>", "<audio>", *OBJECT_TAGS, "<cot-process>", "<start-image>", "<img>", "</img>")
# Those that every Qwen-VL has, the first of its vocabulary.
QWEN_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
# The special tokens of the tokenizers of Qwen2-VL, Qwen2.5-VL and Qwen3-VL (VideoLLaMA3 adds those of streams to
# Qwen2.5's, Qwen3.5 those of speech to Qwen3-VL's), of InternVL 3.5, of LLaVA-1.5 on Llama 2 or Vicuna, of Llama 3, and
# the turns of Llama 2's chat. <think> and <tool_call>, which Qwen adds as words and not as special tokens, are text.
SPECIAL_TOKENS = (
    *QWEN_TOKENS,
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<|stream_start|>",
    "<|stream_end|>",
    "<tts_pad>",
    "<tts_text_bos>",
    "<tts_text_eod>",
    "<tts_text_bos_single>",
    "<IMG_CONTEXT>",
    "<quad>",
    "</quad>",
    "<ref>",
    "</ref>",
    "<box>",
    "</box>",
    "<unk>",
    "<s>",
    "</s>",
    "<pad>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<</SYS>>",
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|python_tag|>",
)
# Any <|…|> is a special token of some version of these.
_SPECIAL = re.compile("|".join(map(re.escape, (*SWIFT_TAGS, *SPECIAL_TOKENS))) + r"|<\|[^<>|\s]{1,60}\|>")


def special_in(text: str) -> list[str]:
    """Whatever in a text is more than text, in its order."""
    return _SPECIAL.findall(text)


def check_texts(messages: Sequence[Mapping[str, Any]], media_tags: Iterable[str], anywhere: Iterable[str] = ()) -> None:
    """Raise ValueError where a message holds a special text, other than the media's own tags in the user's message.

    Those of `anywhere` may stand in every message.
    """
    of_user, of_all = {*media_tags, *anywhere}, set(anywhere)
    for message in messages:
        own = of_user if message.get("role") == "user" else of_all
        for found in special_in(message["content"]):
            if found not in own:
                raise ValueError(
                    f"the {message.get('role')}'s message holds {found!r}, which ms-swift or a tokenizer takes for "
                    "more than text: take it out"
                )


def check_tokens(ids: Sequence[int], special: Iterable[int], expected: int) -> None:
    """Raise ValueError unless `ids`, a whole prompt as it was tokenized, hold as many special tokens as its frame has.

    `special` are the tokenizer's special ids, `expected` their number in the same template around an empty text with
    the same media. More of them come from a row's own text.
    """
    known = set(special)
    found = sum(1 for token in ids if token in known)
    if found != expected:
        raise ValueError(f"the prompt holds {found} special tokens, its template {expected}: its text holds the others")
