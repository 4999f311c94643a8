"""Files and folders that one process writes at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import swift_plugins  # noqa: F401


def lock(descriptor: int, path: Path) -> None:
    """Hold an open file or folder until it is closed; ValueError where another process does, or nothing can be held.

    Between machines that share a disk a file is held where the disk knows locks, a folder of NFS is not.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ValueError(f"{path} is being written by another process") from None
    except OSError as error:
        raise ValueError(f"{path} is on a disk without locks ({error.strerror}): write to another disk") from None


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Make a folder, if it is not there, and hold it; what fails before it has put anything there leaves none."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        lock(descriptor, folder)
        try:
            yield
        except BaseException:
            with contextlib.suppress(OSError):
                folder.rmdir()
            raise
    finally:
        os.close(descriptor)
