"""The options of every command that asks a model."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from swift_plugins.answering.asking import BACKENDS, Asking
from swift_plugins.answering.limits import Budget, read_prices
from swift_plugins.answering.shards import Shard, shard, shard_of_job
from swift_plugins.core.commands import number_from, whole_number
from swift_plugins.core.media import LEVELS
from swift_plugins.core.printable import say

# What a command without these options has.
ALONE = {"dry_run": False, "cache": None, "data_parallel": 1, "ray_workers": None}


def asking_of(args: argparse.Namespace) -> Asking:
    """Who is asked and how, by the options below; a command with some of them sets the others."""
    names = ("model", "backend", "batch_size", "max_tokens", "check", "workers", "retry_errors")
    found = {name: getattr(args, name) for name in names}
    found |= {name: getattr(args, name, default) for name, default in ALONE.items()}
    server = args.backend == "openai"
    if server and (found["data_parallel"] > 1 or found["ray_workers"] is not None):
        raise ValueError(
            "--data-parallel and --ray-workers are for models that run here: name more servers by --base-url"
        )
    found["base_url"] = " ".join(args.base_url) if args.base_url else None
    settings = BACKENDS[args.backend].settings(args.model, args.recipe, found["base_url"], args.base)
    if hasattr(args, "temperature"):
        given = {"temperature": args.temperature, "top_p": args.top_p, "seed": args.seed}
        found["sampling"] = {name: value for name, value in given.items() if value is not None}
        found["budget"] = budget_of(args)
        found["shard"] = shard_to_do(args.shard) if hasattr(args, "shard") else None
    return Asking(settings=settings, **found)


def budget_of(args: argparse.Namespace) -> Budget:
    limits = {"requests": args.budget_requests, "tokens": args.budget_tokens, "cost": args.budget_cost}
    if (
        args.backend != "openai"
        and not getattr(args, "dry_run", False)
        and any(limit is not None for limit in limits.values())
    ):
        raise ValueError("a budget is for --backend openai: a model that runs here costs nothing by the request")
    if args.budget_cost is not None and args.prices is None:
        raise ValueError("--budget-cost needs the model's prices: --prices FILE")
    return Budget(**limits, prices=read_prices(args.prices, args.model) if args.prices else None)


def shard_to_do(given: Shard | None) -> Shard | None:
    """The shard that is named, or that of this task of an array or process of torchrun; 1/1 is no shard."""
    if given is None and (found := shard_of_job()):
        given, told = found
        say(f"note: shard {given}, as {told} says (--shard 1/1 for all rows)", sys.stderr)
    return given if given and given.of_all > 1 else None


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
    parser.add_argument(
        "--batch-size", type=whole_number(), default=8, help="rows answered at once, by each server (default 8)"
    )
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


def add_engine_options(parser: argparse.ArgumentParser, in_parts: bool = True) -> None:
    """The options of everything that asks a model: which one, how, and what to do with files and errors.

    `in_parts`: whether the command's whole output is that of one answer_file, which can be made in parts or forecast.
    """
    add_model_options(
        parser, "checkpoint folder (full or LoRA), a base model's folder, or the name of a server's model"
    )
    parser.add_argument(
        "--backend",
        choices=tuple(BACKENDS),
        default="transformers",
        help="transformers, or vllm: a folder on this machine, by that engine of ms-swift's; openai: a server that "
        "speaks OpenAI's protocol, its key in OPENAI_API_KEY (default transformers)",
    )
    parser.add_argument(
        "--base-url", action="append", help="a server's address, such as http://127.0.0.1:8000/v1; several are a pool"
    )
    parser.add_argument("--max-tokens", type=whole_number(), default=512, help="longest answer in tokens (default 512)")
    parser.add_argument(
        "--temperature", type=number_from(0, 2), default=0.0, help="0: the likeliest answer (default 0.0)"
    )
    parser.add_argument(
        "--top-p", type=number_from(0, 1), help="draw from the likeliest tokens of this probability alone"
    )
    parser.add_argument(
        "--seed", type=whole_number(0), help="of what is drawn with a temperature (default 0 here; a server's own)"
    )
    parser.add_argument(
        "--retry-errors",
        action="store_true",
        help="answer the rows with an error again, whose files may have been repaired",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="FOLDER",
        help="keep answers there, and take those that are there of the same row, media, prompt, model and sampling",
    )
    add_budget_options(parser)
    add_sharing_options(parser)
    if in_parts:
        add_part_options(parser)


def add_budget_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("budget of a server", "of this run; when it is used up, a rerun goes on")
    group.add_argument("--budget-requests", type=whole_number(), metavar="N", help="requests, those asked again too")
    group.add_argument("--budget-tokens", type=whole_number(), metavar="N", help="tokens read and written")
    group.add_argument("--budget-cost", type=number_from(0, 1e9), metavar="X", help="what they cost by --prices")
    group.add_argument(
        "--prices", type=Path, help="JSON of {model: [price of a million tokens read, of a million written]}"
    )


def add_sharing_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("many processes", "each with the model")
    group.add_argument(
        "--data-parallel",
        type=whole_number(),
        default=1,
        metavar="N",
        help="processes with the model on this machine, each with its share of the visible GPUs (default 1)",
    )
    group.add_argument(
        "--ray-workers",
        type=whole_number(0),
        metavar="N",
        help="processes with the model on a Ray cluster, that of RAY_ADDRESS or one started here; 0: one for each GPU",
    )


def add_part_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("parts of a run")
    group.add_argument(
        "--dry-run", action="store_true", help="say how many requests and tokens it would be, at most; ask nothing"
    )
    group.add_argument(
        "--shard",
        type=shard,
        metavar="I/N",
        help="answer only the I-th of N parts, into OUT's name with .I-of-N; eval/merge.py joins them "
        "(default the task of a Slurm array, or RANK of WORLD_SIZE, where they are set; 1/1 for all rows)",
    )
