"""How large benchmarks are: BENCH_SMALLER=N in the environment divides their rows by N, to see whether they run."""

from __future__ import annotations

import os

SMALLER = int(os.environ.get("BENCH_SMALLER", "1"))
REPEATS = 3 if SMALLER == 1 else 1


def fewer(count: int) -> int:
    return max(1, count // SMALLER)
