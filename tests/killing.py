"""The states in which a kill can leave an output folder, of one run that is not killed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from swift_plugins.core import records

DEAD = "4194305"  # above the largest number that Linux gives a process


def beside(name: str, pid: int | str = DEAD, start: str = "") -> str:
    """The name under which a process of this machine, by default one that was killed, writes a file aside."""
    return f".{name}.{records._place()}-{pid}-{start or records._started(int(pid))}-0.tmp"


def states_of(run: Callable[[], object], out: Path, aside: Path) -> list[Path]:
    """Copies, in the folder `aside`, of `out` as it is before each step of `run` that makes what is written last.

    What is not flushed by then is lost, and a file that is half written bears the name of a process that is gone.
    """
    kept: list[Path] = []

    def keep() -> None:
        copy = shutil.copytree(out, aside / str(len(kept)))
        for path in [*copy.rglob(f".*-{os.getpid()}-*.tmp")]:
            path.rename(path.with_name(path.name.replace(f"-{os.getpid()}-", f"-{DEAD}-")))
        kept.append(copy)

    def keeping(step: Callable[..., None]) -> Callable[..., None]:
        def call(*args: object) -> None:
            keep()
            step(*args)

        return call

    with pytest.MonkeyPatch.context() as patched:
        for name in ("fsync", "replace"):
            patched.setattr(os, name, keeping(getattr(os, name)))
        run()
    return kept


def contents(out: Path) -> dict[str, bytes]:
    """path below the folder -> content, of all files in it."""
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def put(state: Path, out: Path) -> None:
    """Make the folder what it was in that state, as another process finds it."""
    records._remove_leftovers_once.cache_clear()
    shutil.rmtree(out)
    shutil.copytree(state, out)
