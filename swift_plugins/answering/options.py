"""The options of every command that asks a model."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from swift_plugins.answering.asking import BACKENDS, Asking
from swift_plugins.core.commands import whole_number
from swift_plugins.core.media import LEVELS


def asking_of(args: argparse.Namespace) -> Asking:
    """Who is asked and how, by the options below; a command with some of them sets the others."""
    settings = BACKENDS[args.backend].settings(args.model, args.recipe, args.base_url, args.base)
    names = ("model", "backend", "base_url", "batch_size", "max_tokens", "check", "workers", "retry_errors")
    return Asking(settings=settings, **{name: getattr(args, name) for name in names})


def add_model_options(parser: argparse.ArgumentParser, model: str) -> None:
    """The options of everything that runs a model on files: which one, how, and how to check the files."""
    parser.add_argument("--model", required=True, help=model)
    parser.add_argument(
        "--recipe",
        type=Path,
        help="for a model not trained here: the recipe whose template, model type and ENV (pixels, fps, frames) apply",
    )
    parser.add_argument(
        "--base",
        type=Path,
        help="an adapter's base model, where it does not lie where training found it (default: as forensics.json says)",
    )
    parser.add_argument("--batch-size", type=whole_number(), default=8, help="rows answered at once (default 8)")
    parser.add_argument(
        "--check",
        choices=LEVELS,
        default="decode",
        help="check each media file first, in a process with a time limit, so that a damaged one gives "
        "an error row instead of hanging the run (default decode)",
    )
    parser.add_argument(
        "--workers", type=whole_number(), default=os.cpu_count() or 1, help="processes for --check (default all)"
    )


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """The options of everything that asks a model: which one, how, and what to do with files and errors."""
    add_model_options(
        parser, "checkpoint folder (full or LoRA), a base model's folder, or the name of a server's model"
    )
    parser.add_argument(
        "--backend",
        choices=tuple(BACKENDS),
        default="transformers",
        help="transformers: a folder on this machine; openai: a server that speaks OpenAI's protocol, "
        "its key in OPENAI_API_KEY (default transformers)",
    )
    parser.add_argument("--base-url", help="the server's address, such as http://127.0.0.1:8000/v1")
    parser.add_argument("--max-tokens", type=whole_number(), default=512, help="longest answer in tokens (default 512)")
    parser.add_argument(
        "--retry-errors",
        action="store_true",
        help="answer the rows with an error again, whose files may have been repaired",
    )
