"""Jobs in worker processes that are killed when they take too long: one that hangs or crashes costs itself alone."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Sequence
from typing import Any

import swift_plugins  # noqa: F401

TIME_LIMIT = 30.0  # seconds for one file


class Stopped(str):
    """Why a job has no result that was ended, or ended its process: it did not get to say so."""

    __slots__ = ()


def run_guarded(
    function: Callable[..., Any],
    jobs: Sequence[tuple],
    workers: int = 2,
    time_limit: float = TIME_LIMIT,
    chunk: int = 1,
) -> Generator[Any, None, None]:
    """Yield function(*job) for each job, in order, or the reason (a str) why that job has no result.

    Each runs in a worker process; one that hangs, crashes or raises costs itself, not the run. Quick jobs go faster
    in chunks: `time_limit` then holds for a whole chunk, and the jobs of one that fails are run again one by one.
    """
    if workers < 1:
        raise ValueError(f"--workers must be at least 1, got {workers}")
    if jobs:
        pool = _started_pool(workers)
        try:
            yield from _run_chunks(pool, function, jobs, time_limit, chunk)
        finally:  # Ctrl-C, too, does not wait for what is queued
            pool.stop()
            pool.join()


def _started_pool(workers: int):
    """A pool whose workers never see Ctrl-C: they, and the threads that start more of them, begin with it blocked."""
    from pebble import ProcessPool

    pool = ProcessPool(max_workers=workers)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        if not pool.active:  # asking starts it
            raise RuntimeError("the worker processes did not start")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pool


def _run_chunks(pool, function: Callable[..., Any], jobs: Sequence[tuple], time_limit: float, size: int):
    from concurrent.futures import TimeoutError

    from pebble import ProcessExpired

    chunks = [jobs[i : i + size] for i in range(0, len(jobs), size)]
    futures = [pool.schedule(_run_all, args=(function, chunk), timeout=time_limit) for chunk in chunks]
    for chunk, future in zip(chunks, futures, strict=True):
        try:
            results = future.result()
        except TimeoutError:
            results = [Stopped(f"reading took more than {time_limit:g} s")]
        except ProcessExpired as error:
            results = [Stopped(f"the reader crashed (exit code {error.exitcode})")]
        except Exception as error:  # such as a result that cannot be sent; it costs one file, not the run
            results = [f"{type(error).__name__}: {error}"]
        if len(results) < len(chunk):  # which of its jobs it was is not known
            yield from _run_chunks(pool, function, chunk, time_limit, 1)
        else:
            yield from results


def _run_all(function: Callable[..., Any], jobs: Sequence[tuple]) -> list[Any]:
    results: list[Any] = []
    for job in jobs:
        try:
            results.append(function(*job))
        except ValueError as error:
            results.append(str(error))
        except Exception as error:  # whatever a decoder throws at a damaged file
            results.append(f"{type(error).__name__}: {error}")
    return results
