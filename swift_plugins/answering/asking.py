"""Ask a model many things: its settings, and the loop from the rows to their answers.

What prediction, judging and the robustness suites share.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from swift_plugins.answering.engine import Engine
from swift_plugins.answering.outfile import OutFile, check_run
from swift_plugins.answering.server import Server
from swift_plugins.core.media import check_many, no_media
from swift_plugins.core.records import Row

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
        return no_media(paths)
    checks = tqdm(
        check_many(sorted(paths), args.check, args.workers),
        total=len(paths),
        unit="file",
        desc="check media",
        disable=len(paths) < 2,
    )
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
