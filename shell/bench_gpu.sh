#!/usr/bin/env bash
# Measure how fast the recipes train on the GPUs at hand, with random weights of the real sizes:
#   bash shell/bench_gpu.sh [--tiny] [RECIPE.yaml …] | tee speed.md
# Prints a table as recipes/README.md has one; bash shell/bench_gpu.sh --help says how it is measured. --tiny needs no
# GPU: it measures the tiny recipes on the CPU in the same way.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/shell/setup.sh"
exec "$root/.venv/bin/python" "$root/swift_plugins/bench_gpu.py" "$@"
