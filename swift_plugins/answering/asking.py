"""Ask a model many things: who is asked and how, and the loop from the rows to their answers.

What prediction, judging and the robustness suites share.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from swift_plugins.answering.engine import Engine
from swift_plugins.answering.outfile import OutFile, check_run
from swift_plugins.answering.server import Server
from swift_plugins.core import trained_rows
from swift_plugins.core.checks import check_many
from swift_plugins.core.media import MEDIA, Media, check_kind, content_hash, content_hashes
from swift_plugins.core.printable import masked, printable, say
from swift_plugins.core.records import Row, encode_line, media_of, write_json

Result = Row | Exception | str  # what the model said, or what went wrong


class BackEnd(Protocol):
    """Who answers batches of rows: for each {"response", "usage", "finish_reason"} with the probabilities of what the
    answer decides between, `p_fake` where that is real or fake, else `choice_probs` (value -> probability)."""

    special_tokens: frozenset[str]  # of its tokenizer; empty where that is not known

    def __init__(self, settings: Mapping[str, Any], batch_size: int, max_tokens: int): ...

    @staticmethod
    def settings(name: str, recipe: Path | None, base_url: str | None, base: Path | None = None) -> dict[str, Any]:
        """What a run's record says of the model of that name; what must be in the environment is put there."""

    @staticmethod
    def video_reader() -> str | None:
        """The reader by which it takes the frames of a video; None where that is not known."""

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

    `run`, what the answers depend on, stands beside it in <path>.<record>.json, with a hash of the media's content.
    """
    out = OutFile(path)
    place = path.with_name(f"{path.name}.{record}.json")
    check_run(place, run, path.stat().st_size > 0)
    if told := trained_rows.warning(run.get("trained_on")):
        say(told, sys.stderr)
    out.resume(asking.retry_errors)
    # Batches are cut by place in the input, so a row shares its batch with the same rows in every run.
    batches = [items[i : i + asking.batch_size] for i in range(0, len(items), asking.batch_size)]
    todo = [batch for batch in batches if any(item.id not in out.done for item in batch)]
    failed = 0
    if todo:
        media = {item.id: media_of_all(item.rows) for item in items}
        hashes = content_hashes(path for paths in media.values() for path in paths)
        out.check_media(found := {row_id: content_hash(paths, hashes) for row_id, paths in media.items()})
        write_json(place, run | {MEDIA: media_hash([row for item in items for row in item.rows], hashes)})
        failed = run_batches(todo, asking, out, finish, found)
    out.finish([item.id for item in items])
    return failed


def run_batches(
    todo: list[list[Item]], asking: Asking, out: OutFile, finish: Finish, hashes: Mapping[str, str | None]
) -> int:
    """Answer the batches and write each as it is done; returns how many items failed.

    `hashes` tell by id what the media of an item held; its line tells it, too.
    """
    from tqdm import tqdm

    bad = check_paths([row for batch in todo for item in batch for row in item.rows], asking)
    backend = asking.start()
    failed = 0
    with tqdm(total=sum(map(len, todo)), unit="row", desc="predict") as progress:
        for batch in todo:
            begin = time.monotonic()
            asked = answer_items(backend, batch, bad)
            seconds = (time.monotonic() - begin) / len(batch)
            done = [
                finished(item, results, seconds, finish, {MEDIA: hashes[item.id]} if hashes[item.id] else {})
                for item, results in zip(batch, asked, strict=True)
            ]
            out.write([row for row in done if row["id"] not in out.done])
            failed += sum("error" in row for row in done)
            progress.update(len(batch))
    return failed


def finished(item: Item, results: Sequence[Result], seconds: float, finish: Finish, media: Row) -> Row:
    """The line of an item, with what tells of its media; an answer with which it could not be read is an error."""
    row = finish(item, results, seconds) | media
    try:
        encode_line(row)
    except ValueError as error:
        return finish(item, [error] * len(item.rows), seconds) | media
    return row


def media_of_all(rows: Sequence[Row]) -> list[str]:
    return [path for row in rows for path in media_of(row)]


def media_hash(rows: Sequence[Row], hashes: Mapping[str, str]) -> str | None:
    """One hash of what the media of all these rows hold, in whatever order the rows are, of which records tell."""
    return content_hash(sorted(media_of_all(rows)), hashes)


def check_paths(rows: Sequence[Row], asking: Asking) -> dict[str, str]:
    """path -> why it cannot be used, of the files of the rows that cannot."""
    paths, videos = set(media_of_all(rows)), {path for row in rows for path in row.get("videos", [])}
    bad = {}
    for path, found in kinds_of(paths) if asking.check == "none" else checked(paths, asking):
        if isinstance(found, str):
            bad[path] = found
        elif found != (path in videos):
            bad[path] = f"{path[:200]!r} is {'a video, not an image' if found else 'an image, not a video'}"
    return bad


def kinds_of(paths: Iterable[str]) -> Iterator[tuple[str, bool | str]]:
    """(path, whether it is a video, or why it is no medium) of the files that are there, by how they begin."""
    for path in filter(os.path.isfile, paths):
        try:
            yield path, check_kind(path) is not None
        except (ValueError, OSError) as error:
            yield path, str(error)


def checked(paths: Iterable[str], asking: Asking) -> Iterator[tuple[str, bool | str]]:
    """The same of all of them, as --check asks for it."""
    from tqdm import tqdm

    paths = sorted(paths)
    checks = check_many(paths, asking.check, asking.workers, reader=BACKENDS[asking.backend].video_reader())
    for path, found in tqdm(checks, total=len(paths), unit="file", desc="check media", disable=len(paths) < 2):
        yield path, found.is_video if isinstance(found, Media) else found


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
    for path in media_of(row):
        if path in bad:
            return bad[path]
    for token in backend.special_tokens:
        if any(token in text for text in item.untrusted):
            return f"the candidate holds {token!r}, a special token of this model"
    return None
