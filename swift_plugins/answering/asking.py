"""Ask a model many things: who is asked and how, and the loop from the rows to their answers.

What prediction, judging and the robustness suites share.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from swift_plugins.answering.engine import Engine
from swift_plugins.answering.outfile import OutFile, check_run
from swift_plugins.answering.server import Server
from swift_plugins.core import trained_rows
from swift_plugins.core.media import check_many, no_media
from swift_plugins.core.printable import masked, printable
from swift_plugins.core.records import Row, encode_line

Result = Row | Exception | str  # what the model said, or what went wrong


class BackEnd(Protocol):
    """Who answers batches of rows: for each {"response", "usage", "finish_reason"} with the probabilities of what the
    answer decides between, `p_fake` where that is real or fake, else `choice_probs` (value -> probability)."""

    special_tokens: frozenset[str]  # of its tokenizer; empty where that is not known

    def __init__(self, settings: Mapping[str, Any], batch_size: int, max_tokens: int): ...

    @staticmethod
    def settings(name: str, recipe: Path | None, base_url: str | None, base: Path | None = None) -> dict[str, Any]:
        """What a run's record says of the model of that name; what must be in the environment is put there."""

    def answer(self, rows: list[Row]) -> list[Row | Exception]: ...


BACKENDS: dict[str, type[BackEnd]] = {"transformers": Engine, "openai": Server}


@dataclass(frozen=True)
class Asking:
    """Who is asked and how. `model` is named as on the command line; `settings` are those that were found of it."""

    model: str
    settings: Mapping[str, Any]
    backend: str
    base_url: str | None
    batch_size: int
    max_tokens: int
    check: str  # one of media.LEVELS
    workers: int
    retry_errors: bool = False

    def start(self) -> BackEnd:
        os.environ.setdefault("LOG_LEVEL", "ERROR")  # ms-swift's; its settings stand in run.json
        return BACKENDS[self.backend](self.settings, self.batch_size, self.max_tokens)


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
    """What went wrong, so that it can be written and shown: without secrets and control characters."""
    text = f"{type(fault).__name__}: {fault}" if isinstance(fault, Exception) else str(fault)
    return printable(masked(text))[:500]


def answer_file(
    items: list[Item], asking: Asking, path: Path, run: dict[str, Any], finish: Finish, record: str = "run"
) -> int:
    """Answer the items that the output at `path` does not have yet; returns how many of them failed.

    `run`, what the answers depend on, stands beside it in <path>.<record>.json.
    """
    out = OutFile(path)
    may_change = ["trained_on"]  # no answer depends on it, and older records do not tell
    may_change += ["media_sha256"] if asking.retry_errors else []  # a file that could not be read is another one then
    check_run(path.with_name(f"{path.name}.{record}.json"), run, path.stat().st_size > 0, may_change)
    if told := trained_rows.warning(run.get("trained_on")):
        print(told, file=sys.stderr)
    out.resume(asking.retry_errors)
    # Batches are cut by place in the input, so a row shares its batch with the same rows in every run.
    batches = [items[i : i + asking.batch_size] for i in range(0, len(items), asking.batch_size)]
    todo = [batch for batch in batches if any(item.id not in out.done for item in batch)]
    failed = run_batches(todo, asking, out, finish) if todo else 0
    out.finish([item.id for item in items])
    return failed


def run_batches(todo: list[list[Item]], asking: Asking, out: OutFile, finish: Finish) -> int:
    """Answer the batches and write each as it is done; returns how many items failed."""
    from tqdm import tqdm

    bad = check_paths({path for batch in todo for item in batch for path in media_of(item.rows)}, asking)
    backend = asking.start()
    failed = 0
    with tqdm(total=sum(map(len, todo)), unit="row", desc="predict") as progress:
        for batch in todo:
            begin = time.monotonic()
            asked = answer_items(backend, batch, bad)
            seconds = (time.monotonic() - begin) / len(batch)
            done = [finished(item, results, seconds, finish) for item, results in zip(batch, asked, strict=True)]
            out.write([row for row in done if row["id"] not in out.done])
            failed += sum("error" in row for row in done)
            progress.update(len(batch))
    return failed


def finished(item: Item, results: Sequence[Result], seconds: float, finish: Finish) -> Row:
    """The line of an item; an answer with which it could not be read back is an error."""
    row = finish(item, results, seconds)
    try:
        encode_line(row)
    except ValueError as error:
        return finish(item, [error] * len(item.rows), seconds)
    return row


def media_of(rows: Sequence[Row]) -> list[str]:
    return [path for row in rows for path in (*row.get("images", []), *row.get("videos", []))]


def check_paths(paths: set[str], asking: Asking) -> dict[str, str]:
    """path -> why it cannot be used, of the files that cannot."""
    from tqdm import tqdm

    if asking.check == "none":
        return no_media(paths)
    checks = check_many(sorted(paths), asking.check, asking.workers)
    shown = tqdm(checks, total=len(paths), unit="file", desc="check media", disable=len(paths) < 2)
    return {path: found for path, found in shown if isinstance(found, str)}


def answer_items(backend: BackEnd, batch: Sequence[Item], bad: dict[str, str]) -> list[list[Result]]:
    """For each item the result of each of its rows; a row with a bad file or an unsafe text is not asked."""
    rows = [row for item in batch for row in item.rows]
    faults = [fault_of(item, row, backend, bad) for item in batch for row in item.rows]
    good = [row for row, fault in zip(rows, faults, strict=True) if fault is None]
    answers = iter(answer_batch(backend, good) if good else [])
    results = iter([next(answers) if fault is None else fault for fault in faults])
    return [[next(results) for _ in item.rows] for item in batch]


def answer_batch(backend: BackEnd, rows: list[Row]) -> list[Row | Exception]:
    """The result of each row; if a whole batch fails, its rows are tried one by one."""
    try:
        return backend.answer(rows)
    except (RuntimeError, ValueError, OSError) as error:
        if len(rows) == 1:
            return [error]
        return [result for row in rows for result in answer_batch(backend, [row])]


def fault_of(item: Item, row: Row, backend: BackEnd, bad: dict[str, str]) -> str | None:
    """Why a row is not asked."""
    if item.problem:
        return item.problem
    for path in media_of([row]):
        if path in bad:
            return bad[path]
    for token in backend.special_tokens:
        if any(token in text for text in item.untrusted):
            return f"the candidate holds {token!r}, a special token of this model"
    return None
