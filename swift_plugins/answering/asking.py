"""Ask a model many things: who is asked and how, and the loop from the rows to their answers.

What prediction, judging and the robustness suites share.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from swift_plugins.answering.cache import Cache, through
from swift_plugins.answering.engine import Engine
from swift_plugins.answering.forecast import forecast
from swift_plugins.answering.limits import Budget
from swift_plugins.answering.outfile import OutFile, check_run, done_in
from swift_plugins.answering.probabilities import GREEDY
from swift_plugins.answering.server import Server
from swift_plugins.answering.shards import SHARD, Shard
from swift_plugins.answering.vllm_engine import VllmEngine
from swift_plugins.core import trained_rows
from swift_plugins.core.checks import check_many
from swift_plugins.core.media import MEDIA, Media, check_kind, content_hash, content_hashes
from swift_plugins.core.printable import masked, printable, say
from swift_plugins.core.records import Row, encode_line, media_of, write_json

Result = Row | Exception | str  # what the model said, or what went wrong


class BackEnd(Protocol):
    """Who answers batches of rows: for each {"response", "usage", "finish_reason"} with the probabilities of what the
    answer decides between, `p_fake` where that is real or fake, else `choice_probs` (value -> probability)."""

    batched: ClassVar[bool]  # whether it answers the rows of a batch together; else each is a batch of its own
    special_tokens: frozenset[str]  # of its tokenizer; empty where that is not known

    def __init__(
        self, settings: Mapping[str, Any], batch_size: int, max_tokens: int, sampling: Mapping[str, Any] = GREEDY
    ): ...

    @staticmethod
    def settings(name: str, recipe: Path | None, base_url: str | None, base: Path | None = None) -> dict[str, Any]:
        """What a run's record says of the model of that name; what must be in the environment is put there."""

    @staticmethod
    def video_reader() -> str | None:
        """The reader by which it takes the frames of a video; None where that is not known."""

    def answer(self, rows: list[Row]) -> list[Row | Exception]: ...


# From numbered batches of rows, the number, the result of each row and the seconds of each batch, as soon as it is
# answered, in any order.
Stream = Callable[[Iterable[tuple[int, list[Row]]]], Iterator[tuple[int, list[Any], float]]]


@runtime_checkable
class Streaming(Protocol):
    """A back end that answers many batches at once."""

    special_tokens: frozenset[str]

    def stream(self, batches: Iterable[tuple[int, list[Row]]]) -> Iterator[tuple[int, list[Any], float]]:
        """As Stream has it."""


BACKENDS: dict[str, type[BackEnd]] = {"transformers": Engine, "vllm": VllmEngine, "openai": Server}


@dataclass(frozen=True)
class Asking:
    """Who is asked and how. `model` is named as on the command line; `settings` are those that were found of it.

    `base_url` names servers, with spaces between. `sampling` has "temperature" and, if wanted, "top_p" and "seed".
    """

    model: str
    settings: Mapping[str, Any]
    backend: str
    base_url: str | None
    batch_size: int
    max_tokens: int
    check: str  # one of media.LEVELS
    workers: int
    retry_errors: bool = False
    sampling: Mapping[str, Any] = field(default_factory=lambda: {**GREEDY})
    budget: Budget | None = None
    dry_run: bool = False
    shard: Shard | None = None
    cache: Path | None = None
    data_parallel: int = 1
    ray_workers: int | None = None

    def start(self) -> BackEnd | Streaming:
        os.environ.setdefault("LOG_LEVEL", "ERROR")  # ms-swift's; its settings stand in run.json
        if self.data_parallel > 1 or self.ray_workers is not None:
            from swift_plugins.answering.workers import Workers

            return Workers(self)
        budget = {"budget": self.budget} if self.backend == "openai" and self.budget else {}
        return BACKENDS[self.backend](self.settings, self.batch_size, self.max_tokens, self.sampling, **budget)

    @property
    def rows_together(self) -> int:
        """How many items one batch has."""
        return self.batch_size if BACKENDS[self.backend].batched else 1

    def batches(self, items: list[Item]) -> list[list[Item]]:
        """The items as they are asked together, those of the shard. They are cut by place in the input, so a row shares
        its batch with the same rows in every run."""
        size = self.rows_together
        cut = [items[i : i + size] for i in range(0, len(items), size)]
        return self.shard.of(cut) if self.shard else cut


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
) -> int | None:
    """Answer the items that the output at `path`, a shard's own beside it, does not have yet.

    `run`, what the answers depend on, stands beside it in <output>.<record>.json, with a hash of the media's content.
    Returns how many failed; None where no whole output is there then: of a shard, and of a dry run.
    """
    batches = asking.batches(items)
    if asking.shard:
        told = asking.shard.record([item.id for item in items], asking.rows_together)
        path, run = asking.shard.place(path), run | {SHARD: told}
    if asking.dry_run:
        done = done_in(path, asking.retry_errors)
        left = [item for batch in batches for item in batch if item.id not in done]
        for line in forecast([row for item in left for row in item.rows], asking):
            say(line)
        return None
    out = OutFile(path)
    place = path.with_name(f"{path.name}.{record}.json")
    check_run(place, run, path.stat().st_size > 0)
    if warning := trained_rows.warning(run.get("trained_on")):
        say(warning, sys.stderr)
    out.resume(asking.retry_errors)
    todo = [batch for batch in batches if any(item.id not in out.done for item in batch)]
    failed = 0
    if todo or not place.is_file():
        whole = [item for batch in batches for item in batch]
        media = {item.id: media_of_all(item.rows) for item in whole}
        hashes = content_hashes(path for paths in media.values() for path in paths)
        out.check_media(found := {row_id: content_hash(paths, hashes) for row_id, paths in media.items()})
        rows = [row for item in whole for row in item.rows]
        write_json(place, run | {MEDIA: hashes if asking.shard else media_hash(rows, hashes)})
        cache = Cache(asking.cache, asking, hashes) if asking.cache else None
        failed = run_batches(todo, asking, out, finish, found, cache) if todo else 0
    out.finish([item.id for batch in batches for item in batch])
    if asking.shard:
        asking.shard.finished(path, len(out.done), failed)
        return None
    return failed


def run_batches(
    todo: list[list[Item]],
    asking: Asking,
    out: OutFile,
    finish: Finish,
    hashes: Mapping[str, str | None],
    cache: Cache | None,
) -> int:
    """Answer the batches and write each as it is done; returns how many items failed.

    `hashes` tell by id what the media of an item held; its line tells it, too.
    """
    from tqdm import tqdm

    bad = check_paths([row for batch in todo for item in batch for row in item.rows], asking)
    backend = asking.start()
    failed = 0
    with tqdm(total=sum(map(len, todo)), unit="row", desc="predict") as progress:
        for batch, asked, seconds in answered(backend, todo, bad, cache):
            done = [
                finished(item, results, seconds, finish, {MEDIA: hashes[item.id]} if hashes[item.id] else {})
                for item, results in zip(batch, asked, strict=True)
            ]
            out.write([row for row in done if row["id"] not in out.done])
            failed += sum("error" in row for row in done)
            progress.update(len(batch))
    if asking.budget and asking.budget.used.requests:
        say(f"asked: {asking.budget.told()}", sys.stderr)
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


def answer_items(backend: BackEnd | Streaming, batch: Sequence[Item], bad: dict[str, str]) -> list[list[Result]]:
    """For each item the result of each of its rows."""
    ((_, results, _),) = answered(backend, [batch], bad)
    return results


def answered(
    backend: BackEnd | Streaming, batches: Iterable[Sequence[Item]], bad: dict[str, str], cache: Cache | None = None
) -> Iterator[tuple[Sequence[Item], list[list[Result]], float]]:
    """(batch, for each item the result of each of its rows, seconds that an item took), as they are answered.

    A row with a bad file or an unsafe text is not asked.
    """
    waiting: dict[int, tuple[Sequence[Item], list[str | None]]] = {}

    def asked() -> Iterator[tuple[int, list[Row]]]:
        for number, batch in enumerate(batches):
            rows = [row for item in batch for row in item.rows]
            faults = [fault_of(item, row, backend, bad) for item in batch for row in item.rows]
            waiting[number] = batch, faults
            yield number, [row for row, fault in zip(rows, faults, strict=True) if fault is None]

    stream: Stream = backend.stream if isinstance(backend, Streaming) else functools.partial(in_turn, backend)
    if cache:
        stream = functools.partial(through, cache, stream)
    for number, answers, seconds in stream(asked()):
        batch, faults = waiting.pop(number)
        given = iter(answers)
        results = iter([next(given) if fault is None else fault for fault in faults])
        yield batch, [[next(results) for _ in item.rows] for item in batch], seconds / len(batch)


def in_turn(
    backend: BackEnd, batches: Iterable[tuple[int, list[Row]]]
) -> Iterator[tuple[int, list[Row | Exception], float]]:
    """The stream of a back end that answers one batch at a time."""
    for number, rows in batches:
        begin = time.perf_counter()
        answers = answer_batch(backend, rows) if rows else []
        yield number, answers, time.perf_counter() - begin


def answer_batch(backend: BackEnd, rows: list[Row]) -> list[Row | Exception]:
    """The result of each row; if a whole batch fails, its rows are tried one by one."""
    try:
        return backend.answer(rows)
    except (RuntimeError, ValueError, OSError) as error:
        if len(rows) == 1:
            return [error]
        return [result for row in rows for result in answer_batch(backend, [row])]


def fault_of(item: Item, row: Row, backend: BackEnd | Streaming, bad: dict[str, str]) -> str | None:
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
