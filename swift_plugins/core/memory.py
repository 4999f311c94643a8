"""How much memory of the host a process may keep: VISION_CACHE=GB in a recipe's ENV, or in the environment."""

from __future__ import annotations

import math
import os
from pathlib import Path

import swift_plugins  # noqa: F401

VISION_CACHE = "VISION_CACHE"  # of each process, for hooks/vision_cache.py; 0 or nothing for none
SHARE = 2  # what the processes of a machine keep together is at most one in so many of the bytes that are left there


def bytes_of(stated: str) -> int:
    """The bytes that VISION_CACHE states; ValueError for what is no number of GB."""
    try:
        found = float(stated or 0)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise ValueError(f"{VISION_CACHE} must be how many GB each process may keep, 0 for none, got {stated!r}")
    return int(found * 1e9)


def left_over(root: Path = Path("/")) -> float:
    """The bytes that this machine has left, at most those that its job or container may have at all (cgroup v2).

    Infinite where the system does not tell.
    """
    try:
        told = dict(line.split(":") for line in (root / "proc/meminfo").read_text().splitlines())
        found: float = 1024 * int(told["MemAvailable"].split()[0])
        top = root / "sys/fs/cgroup"
        group = top / (root / "proc/self/cgroup").read_text().partition("0::/")[2].partition("\n")[0]
    except (OSError, KeyError):
        return math.inf
    limits = [folder / "memory.max" for folder in (group, *group.parents) if folder.is_relative_to(top)]
    for limit in filter(Path.is_file, limits):
        text = limit.read_text().strip()
        found = min(found, int(text) if text.isdecimal() else math.inf)  # "max" is no limit
    return found


def bytes_allowed() -> int:
    """What this process may keep by VISION_CACHE, less where all processes of this machine would take too much."""
    wanted, processes = bytes_of(os.environ.get(VISION_CACHE, "")), int(os.environ.get("LOCAL_WORLD_SIZE") or 1)
    return int(min(wanted, left_over() / SHARE / processes))
