#!/usr/bin/env bash
# Run every benchmark, tests/bench_*.py; each prints its numbers beside a target and beside the obvious alternative.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash shell/setup.sh
for bench in tests/bench_*.py; do
    echo "== $bench"
    .venv/bin/python "$bench"
done
