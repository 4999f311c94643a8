#!/usr/bin/env bash
# Train a judge that scores one candidate, 1 to 5:  bash shell/train_pointwise.sh [--tiny] [any flag of swift sft]
# See shell/train_judge.sh.
set -euo pipefail
exec bash "$(dirname "${BASH_SOURCE[0]}")/train_judge.sh" pointwise "$@"
