"""Build a tiny random model that any code for the real one can load: Qwen2.5-VL, Qwen3-VL or another --architecture.

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
from swift_plugins.tiny_architectures import ARCHITECTURES


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


def build(out: Path, texts: list[str], vocab_size: int = 1200, seed: int = 0, architecture: str = "qwen2_5_vl") -> int:
    """Write model, tokenizer and processor to `out`; `texts` shape the vocabulary. Returns the number of parameters."""
    stage("loading torch and transformers")
    import torch
    from transformers import GenerationConfig

    torch.manual_seed(seed)
    model, processor = ARCHITECTURES[architecture][0](texts, vocab_size)
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
    say(f"wrote a random {ARCHITECTURES[args.architecture][1]} with {count:,} parameters to {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
