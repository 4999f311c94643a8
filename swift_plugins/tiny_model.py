"""Build a tiny random Qwen2.5-VL, Qwen3-VL, VideoLLaMA 3 or LLaVA-1.5 that any code for the real one can load.

    python swift_plugins/tiny_model.py --data data/deeptrace/train.jsonl --out output/tiny_qwen2_5_vl

The architecture, file layout and special tokens are the real model's; the sizes and the vocabulary (a byte-level BPE of
the texts in --data) are small enough to train from scratch on two CPU cores. It is for tests and the embedded samples:
it knows nothing.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from swift_plugins.core.commands import stage
from swift_plugins.core.printable import line_of, say
from swift_plugins.core.records import MEDIA_TAG, read_training_rows
from swift_plugins.core.tasks import get_task
from swift_plugins.core.videollama3 import CHAT_TEMPLATE as VIDEOLLAMA3_CHAT
from swift_plugins.core.videollama3 import IMAGE_PROCESSOR, VIDEO_PROCESSOR

SPECIAL_TOKENS = [
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
]
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
FRAME_PIXELS = 84 * 84
MAX_LENGTH = 4096  # tokens
LLAVA_TOKENS = ["<unk>", "<s>", "</s>", "<pad>", "<image>"]
LLAVA_SIDE, LLAVA_PATCH = 84, 14  # px; 36 image tokens
INIT_STD = 0.08  # about 1/sqrt(width); the 0.02 of wide models leaves narrow ones nearly linear and slow to learn


def build_tokenizer(texts: list[str], vocab_size: int, special_tokens: list[str], **options: Any):
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
        vocab_size=vocab_size, special_tokens=special_tokens, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, additional_special_tokens=special_tokens, model_max_length=MAX_LENGTH, **options
    )


def qwen_vl_config(tokenizer, text: dict[str, Any], vision: dict[str, Any]) -> dict[str, Any]:
    """What the configurations of Qwen2.5-VL and Qwen3-VL share, with what sets each apart."""
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


def texts_of(rows: Iterable[dict[str, Any]]) -> list[str]:
    """The texts of training rows as they are tokenized: what stands beside the media, and the parts of the answers.

    All the questions of a task that has fixed ones count a hundredfold, so that they are few tokens, asked here or not.
    """
    questions: dict[str, None] = {}
    texts: list[str] = []
    for row in rows:
        task = get_task(row["task"])
        questions |= dict.fromkeys(task.QUESTIONS.values())
        for message in row["messages"]:
            if message["role"] == "assistant":
                texts += [piece for piece, _ in task.segments(message["content"])]
            elif message["content"] not in questions:
                texts.append(MEDIA_TAG.sub("", message["content"]))
    return [MEDIA_TAG.sub("", question) for question in questions] * 100 + texts


def qwen_tokenizer(texts: list[str], vocab_size: int, chat_template: str = CHAT_TEMPLATE):
    """A tokenizer with Qwen's special tokens and the chat of Qwen2.5-VL and Qwen3-VL, or another one."""
    frame = ["system\nYou are a helpful assistant.", "user\n", "assistant\n"]
    return build_tokenizer(
        frame * 100 + texts,
        vocab_size,
        SPECIAL_TOKENS,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=chat_template,
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


def qwen3_vl(texts: list[str], vocab_size: int):
    """(model, processor) of a Qwen3-VL of about 1.6 million parameters; the caller sets the seed of its weights."""
    from transformers import (
        Qwen2VLImageProcessor,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
        Qwen3VLProcessor,
        Qwen3VLVideoProcessor,
    )

    tokenizer = qwen_tokenizer(texts, vocab_size)
    size = {"shortest_edge": 32 * 32, "longest_edge": 96 * 96}
    processor = Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=size, patch_size=16),
        video_processor=Qwen3VLVideoProcessor(size=size),
        tokenizer=tokenizer,
        chat_template=CHAT_TEMPLATE,
    )
    rope = {"rope_type": "default", "mrope_section": [4, 6, 6], "mrope_interleaved": True, "rope_theta": 10000.0}
    text = {"rope_parameters": rope, "head_dim": 32}
    vision = {"patch_size": 16, "num_position_embeddings": 36, "deepstack_visual_indexes": [0, 1]}
    config = Qwen3VLConfig(**qwen_vl_config(tokenizer, text, vision))
    return Qwen3VLForConditionalGeneration(config), processor


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
    vision = {
        "hidden_size": 96,
        "intermediate_size": 192,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "patch_size": 14,
        "initializer_range": INIT_STD,
    }
    config = VideoLlama3Config(
        text_config=shared["text_config"],
        vision_config=vision,
        image_token_id=shared["image_token_id"],
        video_token_id=shared["video_token_id"],
        tie_word_embeddings=True,
    )
    return VideoLlama3ForConditionalGeneration(config), processor


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


ARCHITECTURES = {"qwen2_5_vl": qwen2_5_vl, "qwen3_vl": qwen3_vl, "videollama3": videollama3, "llava1_5": llava1_5}
NAMES = {"qwen2_5_vl": "Qwen2.5-VL", "qwen3_vl": "Qwen3-VL", "videollama3": "VideoLLaMA 3", "llava1_5": "LLaVA-1.5"}


def build(out: Path, texts: list[str], vocab_size: int = 1200, seed: int = 0, architecture: str = "qwen2_5_vl") -> int:
    """Write model, tokenizer and processor to `out`; `texts` shape the vocabulary. Returns the number of parameters."""
    stage("loading torch and transformers")
    import torch
    from transformers import GenerationConfig

    torch.manual_seed(seed)
    model, processor = ARCHITECTURES[architecture](texts, vocab_size)
    eos, pad = processor.tokenizer.eos_token_id, processor.tokenizer.pad_token_id
    model.generation_config = GenerationConfig(eos_token_id=[eos, pad], pad_token_id=pad)
    model.save_pretrained(out)
    processor.save_pretrained(out)
    return sum(p.numel() for p in model.parameters())


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--data", type=Path, required=True, nargs="+", help="converters' JSONL; their texts shape the vocabulary"
    )
    parser.add_argument(
        "--architecture", choices=ARCHITECTURES, default="qwen2_5_vl", help="what to build (default qwen2_5_vl)"
    )
    parser.add_argument("--vocab-size", type=int, default=1200, help="tokens in the vocabulary (default 1200)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random weights (default 0)")
    parser.add_argument(
        "--split-digits",
        action="store_true",
        help="one token a digit, as the released models have it and --loss_type forensics needs it for numbers",
    )
    args = parser.parse_args(argv)
    try:
        texts = texts_of(row for path in args.data for _, row in read_training_rows(path))
    except (ValueError, OSError) as error:
        parser.error(line_of(error))
    if args.split_digits:
        texts = [re.sub("[0-9]", " ", text) for text in texts]
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        count = build(args.out, texts, args.vocab_size, args.seed, args.architecture)
    except OSError as error:
        parser.error(line_of(f"cannot write to --out: {error}"))
    say(f"wrote a random {NAMES[args.architecture]} with {count:,} parameters to {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
