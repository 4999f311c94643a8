#!/usr/bin/env bash
# Install what is missing, then lint, type check and test:  bash shell/test.sh [fast|all] [any flag of pytest]
# fast leaves out the tests that train or run a model (marked slow). Default all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tier=${1:-all}
case $tier in fast | all) shift $(($# > 0)) ;; *) tier=all ;; esac
bash shell/setup.sh
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE CUDA_VISIBLE_DEVICES= TOKENIZERS_PARALLELISM=false
unset PYTHONDONTWRITEBYTECODE # the libraries are compiled once, not by each of the many processes that import them
step() { echo "== $1"; }
if [ -z "$(command -v chromium chromium-browser google-chrome)" ] && [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    step "Chromium, in which the tests look at reports; without one they skip that"
    { apt-get update && apt-get install --yes --no-install-recommends chromium; } > /dev/null 2>&1 || echo "not installed"
fi
step "ruff: lint and format"
.venv/bin/ruff check .
.venv/bin/ruff format --check .
step "mypy: types, about 20 s the first time"
.venv/bin/mypy
# Side by side, the tests of a file in one process: they share what a fixture has trained. tests/conftest.py puts the
# longest files first.
cores=$(env -u OMP_NUM_THREADS nproc 2> /dev/null || sysctl -n hw.ncpu) # nproc would answer with that variable
step "pytest: $tier; the processes collect the tests first"
[ "$tier" = all ] && some=() || some=(-m "not slow")
.venv/bin/python -m pytest --numprocesses $((cores < 4 ? cores : 4)) --dist loadfile --no-loadscope-reorder \
    --durations=10 ${some[@]+"${some[@]}"} "$@"
