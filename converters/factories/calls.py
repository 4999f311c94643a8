"""Calls to models, each kept in a log before its reply is used: a killed run is resumed, and asks nothing twice.

What a factory makes of one image is a `Job`, a generator that yields calls and is sent what their replies say. Many run
at once; run again, each is told from the log what it heard before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from swift_plugins.answering.asking import Result, error_text
from swift_plugins.answering.outfile import OutFile
from swift_plugins.core.records import Row, read_rows, sha256_text

FORM = "\n\n{tried} of your replies could not be read, the last: {fault}. Reply in exactly the form that is asked for."
# From a role and the rows of its calls: the place of each row, what the model said to it, and after how many seconds.
Ask = Callable[[str, list[Row]], Iterable[tuple[int, Result, float]]]


class NoReply(ValueError):
    """A call that came to nothing: the model was not reached, or no try of it gave a reply that can be read."""


@dataclass(frozen=True)
class Call:
    """One question to the model of a role.

    `task` is the task whose answers the reply's form is nearest to. `read` takes a reply by its grammar, whose
    ValueError says what is wrong. `example` is a reply as it should be, with which a dry run goes on.
    """

    role: str
    task: str
    prompt: str
    read: Callable[[str], Any]
    example: str


Job = Generator[Call, Any, Any]


class Source(NamedTuple):
    """A job that is to be run, under a name that no other has, on an image of that hash and size in px."""

    name: str
    image: str
    sha256: str
    size: tuple[int, int] | None
    start: Callable[[], Job]


class Work:
    """A job under way: the call that it waits for, and what the log says of its calls so far."""

    def __init__(self, source: Source, heard: dict[str, Row], tries: int):
        self.source, self.heard, self.tries = source, heard, tries
        self.told: set[str] = set()
        self.job = job = handled(source.start())
        self.call: Call | None = None
        self.result: Any = None
        self._go_on(lambda: next(job))

    def _go_on(self, step: Callable[[], Call]) -> None:
        self.tried, self.fault = 0, ""
        try:
            self.call = step()
        except StopIteration as end:
            self.call, self.result = None, end.value

    @property
    def row(self) -> Row:
        """The call as a row of the back ends; its id tells it from all others by who is asked what of which image."""
        assert self.call
        role = self.call.role
        prompt = self.call.prompt + (FORM.format(tried=self.tried, fault=self.fault) if self.fault else "")
        return {
            "id": f"{self.source.name}#{sha256_text(role + self.source.sha256 + prompt)[:16]}",
            "task": self.call.task,
            "messages": [{"role": "user", "content": prompt}],
            "images": [self.source.image],
            "meta": {"example": self.call.example, "size": self.source.size},
        }

    def take(self, line: Mapping[str, Any]) -> str | None:
        """Go on with the reply to the call, a line of the log; what could not be read about it is returned."""
        assert self.call
        role = self.call.role
        if (error := line.get("error")) is not None:
            self._go_on(lambda: self.job.throw(NoReply(f"{role}: {error}")))
            return None
        try:
            found = self.call.read(line["response"])
        except ValueError as wrong:
            self.tried, self.fault = self.tried + 1, str(wrong)
            fault = self.fault
            if self.tried == self.tries:
                self._go_on(lambda: self.job.throw(NoReply(f"{role}: no reply in {self.tries} tries: {fault}")))
            return fault
        self._go_on(lambda: self.job.send(found))
        return None

    def replay(self) -> Iterator[tuple[str, Row, str | None]]:
        """(role, line, what could not be read) of each call that there is a reply to; one that a job makes again, in
        the very same words, hears what it heard before and is told of once."""
        while self.call and (line := self.heard.get(self.row["id"])):
            role, again = self.call.role, line["id"] in self.told
            fault = self.take(line)
            if not again:
                self.told.add(line["id"])
                yield role, line, fault


@dataclass
class Tally:
    """What a role was asked, over all runs."""

    calls: int = 0
    failed: int = 0  # without a reply
    unread: Counter[str] = field(default_factory=Counter)  # replies that could not be read, by what was wrong
    prompt_tokens: int = 0
    completion_tokens: int = 0
    uncounted: int = 0  # replies of servers that do not count tokens

    def add(self, line: Mapping[str, Any], fault: str | None) -> None:
        self.calls += 1
        self.failed += "error" in line
        if fault:
            self.unread[fault] += 1
        usage = line.get("usage") or {}
        for kind in ("prompt_tokens", "completion_tokens"):
            setattr(self, kind, getattr(self, kind) + (usage.get(kind) or 0))
        self.uncounted += "error" not in line and None in (usage.get("prompt_tokens"), usage.get("completion_tokens"))

    def facts(self) -> dict[str, Any]:
        return {**vars(self), "unread": dict(self.unread.most_common(20))}


class Log:
    """The log of the calls, one line for each reply or for what went wrong, written to the first of the files.

    The others are those of other shards; all are locked and read.
    """

    def __init__(self, paths: Sequence[Path], retry_errors: bool):
        self.outs = [OutFile(path) for path in paths]
        self.lines: dict[str, dict[str, Row]] = {}
        for out in self.outs:
            out.resume(retry_errors)
            for _, row in read_rows(out.path):
                self.lines.setdefault(row["id"].rpartition("#")[0], {})[row["id"]] = row

    def heard(self, name: str) -> dict[str, Row]:
        return self.lines.pop(name, {})

    def write(self, lines: list[Row]) -> None:
        self.outs[0].write(lines)

    def close(self) -> None:
        for out in self.outs:
            out.file.close()


@dataclass
class Runner:
    """Runs jobs, `width` of them at a time, with at most so many calls to each role at once."""

    ask: Ask
    log: Log | None  # None: nothing is kept, as in a dry run
    width: int
    tries: int  # of each call
    tallies: dict[str, Tally] = field(default_factory=dict)
    writing: Lock = field(default_factory=Lock)

    def run(self, sources: Sequence[Source], unit: str) -> dict[str, Any]:
        """name -> what each job returned, in order; its NoReply where it did not handle one."""
        from tqdm import tqdm

        results: dict[str, Any] = dict.fromkeys(source.name for source in sources)
        waiting, active = iter(sources), list[Work]()
        with tqdm(total=len(sources), unit=unit, desc="ask") as progress:
            while True:
                while len(active) < self.width and (source := next(waiting, None)):
                    active.append(self._started(source))
                for work in active:
                    if work.call is None:
                        results[work.source.name] = work.result
                        progress.update()
                active, done = [work for work in active if work.call], len(active)
                if active and len(active) == done:
                    self._round(active)
                elif not active and not done:
                    return results

    def _started(self, source: Source) -> Work:
        heard = self.log.heard(source.name) if self.log else {}
        work = Work(source, heard, self.tries)
        self._go_on(work)
        return work

    def _go_on(self, work: Work) -> None:
        for role, line, fault in work.replay():
            self.tallies.setdefault(role, Tally()).add(line, fault)

    def _round(self, active: list[Work]) -> None:
        """Ask what the jobs wait for, of all roles at once, keep the replies, and go on."""
        by_role: dict[str, list[Work]] = {}
        for work in active:
            by_role.setdefault(work.call.role, []).append(work)  # type: ignore[union-attr]
        with ThreadPoolExecutor(len(by_role)) as pool:
            lines = list(pool.map(self._asked, by_role, by_role.values()))
        for works, some in zip(by_role.values(), lines, strict=True):
            for work, line in zip(works, some, strict=True):
                work.heard[line["id"]] = line
                self._go_on(work)

    def _asked(self, role: str, works: list[Work]) -> list[Row]:
        lines: dict[int, Row] = {}
        for i, result, seconds in self.ask(role, [work.row for work in works]):
            lines[i] = line_of(role, works[i], result, seconds)
            if self.log:
                with self.writing:
                    self.log.write([lines[i]])
        return [lines[i] for i in range(len(works))]


def handled(job: Job) -> Job:
    """The job, with the NoReply that it does not handle as its result."""
    try:
        return (yield from job)
    except NoReply as fault:
        return fault


def line_of(role: str, work: Work, result: Result, seconds: float) -> Row:
    """A line of the log: what was asked, by its hash, how long it took, and what came of it."""
    line = {"id": work.row["id"], "role": role, "seconds": round(seconds, 3)}
    if isinstance(result, dict):
        return line | {"response": result["response"], "usage": result.get("usage")}
    return line | {"error": error_text(result)}
