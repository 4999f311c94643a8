"""Ask a model many things: its settings, and the loop from the rows to their answers.

What prediction, judging and the robustness suites share.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.engine import Engine, Row, Server
from eval.outfile import OutFile, check_run
from swift_plugins import settings
from swift_plugins.commands import whole_number
from swift_plugins.media import LEVELS, check_many
from swift_plugins.records import sha256_file, sha256_text
from swift_plugins.tasks import get_task

# What a checkpoint tells of itself.
TRAINED = ("data", "seed", "global_step", "loss_weights", "answer_form", "versions")
Result = Row | Exception | str  # what the model said, or what went wrong


@dataclass(frozen=True)
class Item:
    """One line of the output: its id and the rows to ask for it (two, where a pair is asked in both orders).

    `untrusted` are texts in the rows that must reach the model as text: one that holds a special token of its tokenizer
    costs the item. `problem` says why there is nothing to ask, where there is not.
    """

    id: str
    rows: Sequence[Row]
    untrusted: Sequence[str] = ()
    problem: str | None = None


# One line of the output, from an item, the result of each of its rows and the seconds they took.
Finish = Callable[[Item, Sequence[Result], float], Row]


def model_settings(model: Path, recipe: Path | None) -> dict[str, Any]:
    """model, adapter, model_type, template and vision settings, from the checkpoint or from a recipe."""
    if not model.is_dir():
        raise ValueError(f"{model} is not a folder: name a checkpoint or a downloaded model")
    found = settings.read_checkpoint_settings(model)
    if found is not None and recipe is not None:
        raise ValueError(f"{model} holds its own settings ({settings.CHECKPOINT_FILE}): leave out --recipe")
    if found is None and recipe is None:
        raise ValueError(
            f"{model} holds no {settings.CHECKPOINT_FILE}: name the recipe whose template and vision settings apply, "
            "for example --recipe recipes/deeptrace/qwen2_5_vl_7b_full.yaml"
        )
    if found is None and recipe is not None:
        import yaml

        try:
            content = yaml.safe_load(recipe.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise ValueError(f"{recipe}: not YAML: {str(error).splitlines()[0]}") from None
        if not isinstance(content, dict) or not isinstance(content.get("ENV"), dict):
            raise ValueError(f"{recipe}: not a recipe: it has no ENV block")
        if content.get("task_type") == "seq_cls":
            raise ValueError(f"{recipe} trains a linear head, of which {model} has none: name a checkpoint of it")
        found = {"vision": {k: str(v) for k, v in content["ENV"].items() if k in settings.VISION_ENV}}
        found |= {key: content.get(key) for key in ("model_type", "template", "torch_dtype")}
    assert found is not None
    is_adapter = (model / "adapter_config.json").is_file()
    base = str(found.get("model")) if is_adapter else str(model)
    if base.startswith("/") and not os.path.isdir(base):
        raise ValueError(f"{model} is an adapter of {base}, which is no longer there")
    return {
        "model": base,
        "adapter": str(model) if is_adapter else None,
        "model_type": found.get("model_type"),
        "template": found.get("template"),
        "torch_dtype": found.get("torch_dtype"),
        "task_type": found.get("task_type") or "causal_lm",
        "vision": found["vision"],
        "trained": {k: found.get(k) for k in TRAINED},
    }


def server_settings(name: str, base_url: str | None) -> dict[str, Any]:
    """The same of a server, which sees to template and pixels itself; a password in the address is not recorded."""
    from urllib.parse import urlsplit

    if base_url is None:
        raise ValueError("--backend openai needs --base-url, for example http://127.0.0.1:8000/v1")
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ValueError("--base-url must be http(s)://host[:port]/path, without a name or password in it")
    return {"model": name, "adapter": None, "base_url": base_url, "vision": {}, "trained": {}}


def model_fingerprint(model: dict[str, Any]) -> dict[str, str]:
    """What tells one model from another: hashes of its folder's files, of an adapter's base too; sizes of huge ones."""
    found = {}
    for folder in (model["adapter"], model["model"]):
        if folder is None or not os.path.isdir(folder):
            continue
        for file in sorted(Path(folder).iterdir()):
            if file.suffix not in (".json", ".jinja", ".safetensors"):
                continue
            name = f"{'adapter' if folder == model['adapter'] else 'model'}/{file.name}"
            facts = file.stat()
            huge = facts.st_size > 1 << 30
            found[name] = f"{facts.st_size} bytes, modified {facts.st_mtime:.0f}" if huge else sha256_file(file)
    return found


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """The model's settings, from its folder, a recipe or a server; its vision settings are put into effect."""
    if args.backend == "openai":
        return server_settings(args.model, args.base_url)
    model = model_settings(Path(args.model).resolve(), args.recipe)
    settings.apply_vision_settings(model["vision"], f"{args.model} (or its recipe)")
    return model


def run_record(args: argparse.Namespace, model: dict[str, Any], rows: list[Row]) -> dict[str, Any]:
    """What the answers depend on."""
    prompts = {m["content"] for row in rows for m in row["messages"] if m["role"] == "user"}
    return {
        "model": model,
        "fingerprint": model_fingerprint(model),
        "data": {"path": str(args.data.resolve()), "sha256": sha256_file(args.data), "rows": len(rows)},
        "tasks": {name: get_task(name).VERSION for name in sorted({row["task"] for row in rows})},
        "prompts_sha256": sha256_text("\n".join(sorted(prompts))),
        "generation": {"max_tokens": args.max_tokens, "temperature": 0.0, "batch_size": args.batch_size},
        "backend": args.backend,
        "check": args.check,
        "versions": settings.library_versions(),
    }


def error_text(fault: Result) -> str:
    return (f"{type(fault).__name__}: {fault}" if isinstance(fault, Exception) else str(fault))[:500]


def answer_batch(engine: Engine | Server, rows: list[Row]) -> list[Row | Exception]:
    """The result of each row; if a whole batch fails, its rows are tried one by one."""
    try:
        return engine.answer(rows)
    except (RuntimeError, ValueError, OSError) as error:
        if len(rows) == 1:
            return [error]
        return [result for row in rows for result in answer_batch(engine, [row])]


def answer_file(
    items: list[Item],
    args: argparse.Namespace,
    model: dict[str, Any],
    run: dict[str, Any],
    finish: Finish,
    record: str = "run",
) -> int:
    """Answer the items that --out does not have yet; returns how many of them failed.

    `run`, what the answers depend on, stands in OUT.<record>.json.
    """
    out = OutFile(args.out)
    check_run(args.out.with_name(f"{args.out.name}.{record}.json"), run, has_output=args.out.stat().st_size > 0)
    out.resume(args.retry_errors)
    # Batches are cut by place in the input, so a row shares its batch with the same rows in every run.
    batches = [items[i : i + args.batch_size] for i in range(0, len(items), args.batch_size)]
    todo = [batch for batch in batches if any(item.id not in out.done for item in batch)]
    failed = run_batches(todo, args, model, out, finish) if todo else 0
    out.finish([item.id for item in items])
    return failed


def make_engine(args: argparse.Namespace, model: dict[str, Any]) -> Engine | Server:
    os.environ.setdefault("LOG_LEVEL", "ERROR")  # ms-swift's; its settings stand in run.json
    return (Server if args.backend == "openai" else Engine)(model, args.batch_size, args.max_tokens)


def media_of(rows: Sequence[Row]) -> list[str]:
    return [path for row in rows for path in (*row.get("images", []), *row.get("videos", []))]


def check_paths(paths: set[str], args: argparse.Namespace) -> dict[str, str]:
    """path -> why it cannot be used, of the files that cannot."""
    from tqdm import tqdm

    if args.check == "none":
        return {}
    checks = tqdm(check_many(sorted(paths), args.check, args.workers), total=len(paths), unit="file",
                  desc="check media", disable=len(paths) < 2)  # fmt: skip
    return {path: found for path, found in checks if isinstance(found, str)}


def run_batches(
    todo: list[list[Item]], args: argparse.Namespace, model: dict[str, Any], out: OutFile, finish: Finish
) -> int:
    """Answer the batches and write each as it is done; returns how many items failed."""
    from tqdm import tqdm

    bad = check_paths({path for batch in todo for item in batch for path in media_of(item.rows)}, args)
    engine = make_engine(args, model)
    failed = 0
    with tqdm(total=sum(map(len, todo)), unit="row", desc="predict") as progress:
        for batch in todo:
            begin = time.monotonic()
            asked = answer_items(engine, batch, bad)
            seconds = (time.monotonic() - begin) / len(batch)
            done = [finish(item, results, seconds) for item, results in zip(batch, asked, strict=True)]
            out.write([row for row in done if row["id"] not in out.done])
            failed += sum("error" in row for row in done)
            progress.update(len(batch))
    return failed


def answer_items(engine: Engine | Server, batch: Sequence[Item], bad: dict[str, str]) -> list[list[Result]]:
    """For each item the result of each of its rows; a row with a bad file or an unsafe text is not asked."""
    rows = [row for item in batch for row in item.rows]
    faults = [fault_of(item, row, engine, bad) for item in batch for row in item.rows]
    good = [row for row, fault in zip(rows, faults, strict=True) if fault is None]
    answers = iter(answer_batch(engine, good) if good else [])
    results = iter([next(answers) if fault is None else fault for fault in faults])
    return [[next(results) for _ in item.rows] for item in batch]


def fault_of(item: Item, row: Row, engine: Engine | Server, bad: dict[str, str]) -> str | None:
    """Why a row is not asked."""
    if item.problem:
        return item.problem
    for path in media_of([row]):
        if path in bad:
            return bad[path]
    for token in engine.special_tokens:
        if any(token in text for text in item.untrusted):
            return f"the candidate holds {token!r}, a special token of this model"
    return None


def add_model_options(parser: argparse.ArgumentParser, model: str) -> None:
    """The options of everything that runs a model on files: which one, how, and how to check the files."""
    parser.add_argument("--model", required=True, help=model)
    parser.add_argument("--recipe", type=Path, help="for a model not trained here: the recipe whose template, model "
                        "type and ENV (pixels, fps, frames) apply")  # fmt: skip
    parser.add_argument("--batch-size", type=whole_number(), default=8,
                        help="rows answered at once (default 8)")  # fmt: skip
    parser.add_argument("--check", choices=LEVELS, default="decode",
                        help="check each media file first, in a process with a time limit, so that a damaged one gives "
                        "an error row instead of hanging the run (default decode)")  # fmt: skip
    parser.add_argument("--workers", type=whole_number(), default=os.cpu_count() or 1,
                        help="processes for --check (default all)")  # fmt: skip


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """The options of everything that asks a model: which one, how, and what to do with files and errors."""
    add_model_options(
        parser, "checkpoint folder (full or LoRA), a base model's folder, or the name of a server's model"
    )
    parser.add_argument("--backend", choices=("transformers", "openai"), default="transformers",
                        help="transformers: a folder on this machine; openai: a server that speaks OpenAI's protocol, "
                        "its key in OPENAI_API_KEY (default transformers)")  # fmt: skip
    parser.add_argument("--base-url", help="the server's address, such as http://127.0.0.1:8000/v1")
    parser.add_argument("--max-tokens", type=whole_number(), default=512,
                        help="longest answer in tokens (default 512)")  # fmt: skip
    parser.add_argument("--retry-errors", action="store_true", help="answer the rows with an error again")
