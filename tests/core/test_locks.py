"""A file that another process writes is told from a disk on which none can be held."""

import errno
import fcntl

import pytest

from swift_plugins.core.locks import lock


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (BlockingIOError(errno.EWOULDBLOCK, "busy"), "is being written by another process"),
        (OSError(errno.ENOLCK, "No locks available"), "is on a disk without locks"),
    ],
)
def test_why_a_file_cannot_be_held_is_said(monkeypatch, tmp_path, fault, said):
    def flock(descriptor, how):
        raise fault

    monkeypatch.setattr(fcntl, "flock", flock)
    with open(tmp_path / "out", "wb") as file, pytest.raises(ValueError, match=f"out {said}"):
        lock(file.fileno(), tmp_path / "out")
