#!/usr/bin/env bash
# Train by a recipe:  bash shell/train.sh RECIPE.yaml [any flag of swift sft]
# MODEL, DATASET, OUTPUT_DIR, TUNER, DEEPSPEED and the GPUs' variables take the place of what the recipe says:
# bash shell/train.sh --help
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/shell/setup.sh"
exec "$root/.venv/bin/python" "$root/swift_plugins/launch.py" "$@"
