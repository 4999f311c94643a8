"""The architectures of tiny models: the real ones' layout and special tokens, at sizes that two CPU cores train."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from swift_plugins.core.special_texts import QWEN_TOKENS
from swift_plugins.core.videollama3 import CHAT_TEMPLATE as VIDEOLLAMA3_CHAT
from swift_plugins.core.videollama3 import IMAGE_PROCESSOR, VIDEO_PROCESSOR

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Qwen3.5 thinks before it answers, unless it is told not to.
THINKING_CHAT_TEMPLATE = CHAT_TEMPLATE.removesuffix("{% endif %}") + (
    "{% if enable_thinking is false %}<think>\n\n</think>\n\n{% else %}<think>\n{% endif %}{% endif %}"
)
FRAME_PIXELS = 84 * 84
MAX_LENGTH = 4096  # tokens
LLAVA_TOKENS = ["<unk>", "<s>", "</s>", "<pad>", "<image>"]
LLAVA_SIDE, LLAVA_PATCH = 84, 14  # px; 36 image tokens
INTERNVL_SIDE, INTERNVL_TILES = 56, 4  # px of a tile, of which an image has at most so many, and a small one of it all
INIT_STD = 0.08  # about 1/sqrt(width); the 0.02 of wide models leaves narrow ones nearly linear and slow to learn
# A vision tower, by the names of most of them.
TOWER: dict[str, Any] = {
    "hidden_size": 96,
    "intermediate_size": 192,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "initializer_range": INIT_STD,
}


def build_tokenizer(texts: list[str], vocab_size: int, special_tokens: Sequence[str], **options: Any):
    """A byte-level BPE that may merge across spaces: a number, a mark or a phrase between marks can be one token.

    The long fixed prompt shrinks from about 80 tokens to 20, which more than halves the training time on a CPU.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    phrase = Regex(r" ?[0-9]+|[A-Za-z ]+|[^0-9A-Za-z ]+")
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(phrase, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=list(special_tokens), initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, additional_special_tokens=list(special_tokens), model_max_length=MAX_LENGTH, **options
    )


def qwen_vl_config(tokenizer, text: dict[str, Any], vision: dict[str, Any]) -> dict[str, Any]:
    """What the configurations of Qwen2.5-VL, Qwen3-VL and Qwen3.5 share, with what sets each apart."""
    token = tokenizer.convert_tokens_to_ids
    text = text | {
        "vocab_size": len(tokenizer),
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": MAX_LENGTH,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": True,
        "bos_token_id": token("<|endoftext|>"),
        "eos_token_id": token("<|im_end|>"),
        "pad_token_id": token("<|endoftext|>"),
        "initializer_range": INIT_STD,
    }
    vision = vision | {
        "depth": 3,
        "hidden_size": 96,
        "intermediate_size": 192,
        "num_heads": 4,
        "out_hidden_size": 128,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "initializer_range": INIT_STD,
    }
    return {
        "text_config": text,
        "vision_config": vision,
        "image_token_id": token("<|image_pad|>"),
        "video_token_id": token("<|video_pad|>"),
        "vision_start_token_id": token("<|vision_start|>"),
        "vision_end_token_id": token("<|vision_end|>"),
        "tie_word_embeddings": True,
    }


def qwen_tokenizer(
    texts: list[str],
    vocab_size: int,
    chat_template: str = CHAT_TEMPLATE,
    special_tokens: Sequence[str] = QWEN_TOKENS,
    names: dict[str, str] | None = None,
):
    """A tokenizer with Qwen's special tokens, or more, of which some have `names`, and the chat of Qwen2.5-VL and
    Qwen3-VL, or another one."""
    frame = ["system\nYou are a helpful assistant.", "user\n", "assistant\n"]
    return build_tokenizer(
        frame * 100 + texts,
        vocab_size,
        special_tokens,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=chat_template,
        model_specific_special_tokens=names or {},
    )


def qwen2_5_vl(texts: list[str], vocab_size: int):
    """(model, processor) of a Qwen2.5-VL of about 1.3 million parameters; the caller sets the seed of its weights."""
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
    )

    tokenizer = qwen_tokenizer(texts, vocab_size)
    size = {"shortest_edge": 28 * 28, "longest_edge": FRAME_PIXELS}
    processor = Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=size),
        video_processor=Qwen2VLVideoProcessor(size=size),
        tokenizer=tokenizer,
        chat_template=CHAT_TEMPLATE,
    )
    text = {"rope_parameters": {"rope_type": "default", "mrope_section": [4, 6, 6], "rope_theta": 10000.0}}
    vision = {"patch_size": 14, "window_size": 112, "fullatt_block_indexes": [2], "tokens_per_second": 2}
    config = Qwen2_5_VLConfig(**qwen_vl_config(tokenizer, text, vision))
    return Qwen2_5_VLForConditionalGeneration(config), processor


def qwen3_processor(tokenizer):
    """The processor of Qwen3-VL and Qwen3.5, for small frames."""
    from transformers import Qwen2VLImageProcessor, Qwen3VLProcessor, Qwen3VLVideoProcessor

    size = {"shortest_edge": 32 * 32, "longest_edge": 96 * 96}
    return Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=size, patch_size=16),
        video_processor=Qwen3VLVideoProcessor(size=size),
        tokenizer=tokenizer,
        chat_template=tokenizer.chat_template,
    )


def qwen3_vl(texts: list[str], vocab_size: int):
    """(model, processor) of a Qwen3-VL of about 1.6 million parameters; the caller sets the seed of its weights."""
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    tokenizer = qwen_tokenizer(texts, vocab_size)
    rope = {"rope_type": "default", "mrope_section": [4, 6, 6], "mrope_interleaved": True, "rope_theta": 10000.0}
    text = {"rope_parameters": rope, "head_dim": 32}
    vision = {"patch_size": 16, "num_position_embeddings": 36, "deepstack_visual_indexes": [0, 1]}
    config = Qwen3VLConfig(**qwen_vl_config(tokenizer, text, vision))
    return Qwen3VLForConditionalGeneration(config), qwen3_processor(tokenizer)


def qwen3_5(texts: list[str], vocab_size: int):
    """(model, processor) of a Qwen3.5 of about 1.4 million parameters; the caller sets the seed of its weights.

    Two layers of linear attention and one of full attention, where the released models have three to one.
    """
    from transformers import Qwen3_5Config, Qwen3_5ForConditionalGeneration

    tokenizer = qwen_tokenizer(["<think>\n\n</think>\n\n"] * 100 + texts, vocab_size, THINKING_CHAT_TEMPLATE)
    rope = {"rope_type": "default", "mrope_section": [2, 1, 1], "mrope_interleaved": True, "rope_theta": 10000.0}
    text = {
        "rope_parameters": rope | {"partial_rotary_factor": 0.25},
        "head_dim": 32,
        "layer_types": ["linear_attention", "linear_attention", "full_attention"],
        "linear_num_key_heads": 4,
        "linear_num_value_heads": 8,
        "linear_key_head_dim": 16,
        "linear_value_head_dim": 16,
    }
    config = Qwen3_5Config(**qwen_vl_config(tokenizer, text, {"patch_size": 16, "num_position_embeddings": 36}))
    return Qwen3_5ForConditionalGeneration(config), qwen3_processor(tokenizer)


def videollama3(texts: list[str], vocab_size: int):
    """(model, processor) of a VideoLLaMA 3 of about 1.2 million parameters; the caller sets the seed of its weights."""
    from transformers import (
        VideoLlama3Config,
        VideoLlama3ForConditionalGeneration,
        VideoLlama3ImageProcessor,
        VideoLlama3Processor,
        VideoLlama3VideoProcessor,
    )

    # Times stand before frames, as texts that repeat in every prompt.
    times = [f"Time {tenths / 10:.1f}s:" for tenths in range(0, 40)]
    tokenizer = qwen_tokenizer(times * 20 + texts, vocab_size, VIDEOLLAMA3_CHAT)
    size = {"shortest_edge": 28 * 28, "longest_edge": FRAME_PIXELS}
    processor = VideoLlama3Processor(
        image_processor=VideoLlama3ImageProcessor(**IMAGE_PROCESSOR | {"size": size}),
        video_processor=VideoLlama3VideoProcessor(
            **VIDEO_PROCESSOR | {"size": size | {"longest_edge": 8 * FRAME_PIXELS}}
        ),
        tokenizer=tokenizer,
        chat_template=VIDEOLLAMA3_CHAT,
    )
    shared = qwen_vl_config(tokenizer, {"model_type": "qwen2"}, {})
    config = VideoLlama3Config(
        text_config=shared["text_config"],
        vision_config=TOWER | {"patch_size": 14},
        image_token_id=shared["image_token_id"],
        video_token_id=shared["video_token_id"],
        tie_word_embeddings=True,
    )
    return VideoLlama3ForConditionalGeneration(config), processor


def internvl(texts: list[str], vocab_size: int):
    """(model, processor) of an InternVL 3.5 of about 1.5 million parameters, whose language model is a Qwen3."""
    from transformers import (
        GotOcr2ImageProcessor,
        InternVLConfig,
        InternVLForConditionalGeneration,
        InternVLProcessor,
        InternVLVideoProcessor,
    )

    names = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>"}
    names |= {"video_token": "<video>"}
    tokenizer = qwen_tokenizer(texts, vocab_size, special_tokens=[*QWEN_TOKENS, *names.values()], names=names)
    side = {"height": INTERNVL_SIDE, "width": INTERNVL_SIDE}
    processor = InternVLProcessor(
        image_processor=GotOcr2ImageProcessor(size=side, crop_to_patches=True, max_patches=INTERNVL_TILES),
        video_processor=InternVLVideoProcessor(size=side),
        tokenizer=tokenizer,
        image_seq_length=(INTERNVL_SIDE // 28) ** 2,
        chat_template=CHAT_TEMPLATE,
    )
    text = {"model_type": "qwen3", "head_dim": 32}
    config = InternVLConfig(
        text_config=qwen_vl_config(tokenizer, text, {})["text_config"],
        vision_config=TOWER | {"image_size": [INTERNVL_SIDE] * 2},
        image_token_id=tokenizer.context_image_token_id,
        image_seq_length=processor.image_seq_length,
        tie_word_embeddings=True,
    )
    return InternVLForConditionalGeneration(config), processor


def llava_config(tokenizer):
    """A LLaVA-1.5 configuration of about 1.4 million parameters: CLIP, whose last layer but one is read, and Llama."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

    token = tokenizer.convert_tokens_to_ids
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=MAX_LENGTH,
        tie_word_embeddings=True,
        initializer_range=INIT_STD,
        bos_token_id=token("<s>"),
        eos_token_id=token("</s>"),
        pad_token_id=token("<pad>"),
    )
    vision = CLIPVisionConfig(
        hidden_size=96,
        intermediate_size=192,
        projection_dim=96,
        num_hidden_layers=4,
        num_attention_heads=4,
        image_size=LLAVA_SIDE,
        patch_size=LLAVA_PATCH,
        initializer_factor=INIT_STD / 0.02,
    )
    return LlavaConfig(  # type: ignore[call-arg]
        text_config=text,
        vision_config=vision,
        image_token_index=token("<image>"),
        tie_word_embeddings=True,
        image_seq_length=(LLAVA_SIDE // LLAVA_PATCH) ** 2,
        pad_token_id=token("<pad>"),
    )


def llava1_5(texts: list[str], vocab_size: int):
    """(model, processor) of a LLaVA-1.5; the caller sets the seed of its weights."""
    from transformers import CLIPImageProcessor, LlavaForConditionalGeneration, LlavaProcessor

    tokenizer = build_tokenizer(
        ["USER: ", " ASSISTANT:"] * 100 + texts,
        vocab_size,
        LLAVA_TOKENS,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
    )
    images = CLIPImageProcessor(
        size={"shortest_edge": LLAVA_SIDE}, crop_size={"height": LLAVA_SIDE, "width": LLAVA_SIDE}
    )
    processor = LlavaProcessor(
        images,
        tokenizer,
        patch_size=LLAVA_PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
    return LlavaForConditionalGeneration(llava_config(tokenizer)), processor


# --architecture -> what builds it, what it is called
ARCHITECTURES = {
    "qwen2_5_vl": (qwen2_5_vl, "Qwen2.5-VL"),
    "qwen3_vl": (qwen3_vl, "Qwen3-VL"),
    "qwen3_5": (qwen3_5, "Qwen3.5"),
    "videollama3": (videollama3, "VideoLLaMA 3"),
    "internvl": (internvl, "InternVL 3.5"),
    "llava1_5": (llava1_5, "LLaVA-1.5"),
}
