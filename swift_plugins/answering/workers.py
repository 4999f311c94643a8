"""The model in several processes, of this machine or of a Ray cluster, as one back end."""

from __future__ import annotations

import ctypes
import functools
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from swift_plugins.answering.asking import Asking, BackEnd, Result, answer_batch, error_text
from swift_plugins.core.commands import stage
from swift_plugins.core.model_folders import DATA_ALONE
from swift_plugins.core.printable import Terminal
from swift_plugins.core.records import Row
from swift_plugins.core.settings import VISION_ENV

Answers = tuple[list[Result], float]  # of each row, and the seconds that they took
Ask = Callable[[list[Row]], "Future[Answers]"]  # of one process
Started = tuple[list[Ask], frozenset[str], type[Exception]]  # processes, special tokens, what says that one is lost
_DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux


class Workers:
    """Each process has the model and its share of the GPUs, and answers one batch at a time."""

    def __init__(self, asking: Asking):
        alone = replace(asking, data_parallel=1, ray_workers=None)
        start = _local if asking.ray_workers is None else _on_ray
        count = asking.data_parallel if asking.ray_workers is None else asking.ray_workers
        stage(
            f"starting {count} processes with the model" if count else "starting a process for each GPU of the cluster"
        )
        self.workers, self.special_tokens, self.lost = start(alone, count)

    def stream(self, batches: Iterable[tuple[int, list[Row]]]) -> Iterator[tuple[int, list[Result], float]]:
        """As Streaming has it: as many batches are on the way as there are processes."""
        idle = [*self.workers]
        running: dict[Future[Answers], tuple[int, Ask]] = {}
        for number, rows in batches:
            worker = idle.pop()
            running[worker(rows)] = number, worker
            if not idle:
                yield from self._done(running, idle)
        while running:
            yield from self._done(running, idle)

    def _done(
        self, running: dict[Future[Answers], tuple[int, Ask]], idle: list[Ask]
    ) -> Iterator[tuple[int, list[Result], float]]:
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            number, worker = running.pop(future)
            idle.append(worker)
            try:
                results, seconds = future.result()
            except self.lost:
                raise OSError("a process with the model ended, perhaps for want of memory; a rerun goes on") from None
            yield number, results, seconds


class Worker:
    """What one process does."""

    def __init__(self, asking: Asking):
        self.backend = cast("BackEnd", asking.start())

    def special_tokens(self) -> frozenset[str]:
        return self.backend.special_tokens

    def answer(self, rows: list[Row]) -> Answers:
        """What went wrong is sent as text: not every error can be."""
        begin = time.perf_counter()
        results = answer_batch(self.backend, rows) if rows else []
        sent: list[Result] = [result if isinstance(result, dict) else error_text(result) for result in results]
        return sent, time.perf_counter() - begin


_worker: Worker  # of a process that _begin has made one


def _begin(asking: Asking, devices: str | None) -> None:
    """Make this process a worker that ends with the one that started it."""
    global _worker
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the one that started it
    sys.stdout, sys.stderr = Terminal(sys.stdout), Terminal(sys.stderr)  # type: ignore[assignment]
    if devices is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = devices
    _worker = Worker(asking)


def _answer(rows: list[Row]) -> Answers:
    return _worker.answer(rows)


def _special_tokens() -> frozenset[str]:
    return _worker.special_tokens()


def _local(asking: Asking, count: int) -> Started:
    """As many processes of this machine, and the special tokens of their model."""
    context = multiprocessing.get_context("spawn")  # a process that has loaded CUDA cannot be forked
    pools = [
        ProcessPoolExecutor(1, context, _begin, (asking, devices))
        for devices in device_shares(visible_devices(), count)
    ]
    begun = [pool.submit(_special_tokens) for pool in pools]
    try:
        return [functools.partial(_submit_here, pool) for pool in pools], begun[0].result(), BrokenProcessPool
    except BrokenProcessPool:
        raise OSError("a process could not load the model: what it printed above says why") from None


def visible_devices() -> list[str] | None:
    """The GPUs that this process may use, by name; None where there are none, and what is set stays."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    if told is not None:
        return [name.strip() for name in told.split(",") if name.strip() not in ("", "-1")] or None
    folder = Path("/proc/driver/nvidia/gpus")
    return [str(number) for number in range(len(list(folder.iterdir())))] if folder.is_dir() else None


def device_shares(devices: Sequence[str] | None, count: int) -> list[str | None]:
    """CUDA_VISIBLE_DEVICES of each of `count` processes, all of them as many as possible."""
    if devices is None:
        return [None] * count
    if len(devices) < count:
        raise ValueError(
            f"--data-parallel {count} needs as many GPUs, {len(devices)} are visible: {', '.join(devices)}"
        )
    each = len(devices) // count
    return [",".join(devices[i * each : (i + 1) * each]) for i in range(count)]


def _on_ray(asking: Asking, count: int) -> Started:
    """As many actors of a Ray cluster, or one for each of its GPUs; one that is lost is started anew."""
    try:
        import ray
    except ImportError:
        raise ValueError("--ray-workers needs the extra: pip install -e '.[cluster]'") from None

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to others
    ray.init(runtime_env={"env_vars": ray_environment()}, log_to_driver=False, configure_logging=False)
    gpus = int(ray.cluster_resources().get("GPU", 0))
    if not (count := count or gpus):
        raise ValueError("the Ray cluster has no GPU: say how many processes it is to have, as --ray-workers 2")
    actor: Any = ray.remote(num_gpus=1 if gpus else 0, max_restarts=2, max_task_retries=2)(Worker)
    actors = [actor.remote(asking) for _ in range(count)]
    try:
        tokens: Any = ray.get(actors[0].special_tokens.remote())
    except ray.exceptions.RayError as error:
        raise OSError(f"a process of the Ray cluster could not load the model: {error}") from None
    return [functools.partial(_submit_on_ray, one) for one in actors], tokens, ray.exceptions.RayError


def _submit_here(pool: ProcessPoolExecutor, rows: list[Row]) -> Future[Answers]:
    return pool.submit(_answer, rows)


def _submit_on_ray(actor: Any, rows: list[Row]) -> Future[Answers]:
    return actor.answer.remote(rows).future()


def ray_environment() -> dict[str, str]:
    """What the processes of a cluster must have in theirs: this project, and the vision settings that are in force."""
    root = str(Path(__file__).resolve().parents[2])
    found = {name: os.environ[name] for name in (*VISION_ENV, *DATA_ALONE, "LOG_LEVEL") if name in os.environ}
    return found | {"PYTHONPATH": os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])}
