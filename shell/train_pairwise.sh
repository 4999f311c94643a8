#!/usr/bin/env bash
# Train a judge that names the better of two candidates:  bash shell/train_pairwise.sh [--tiny] [any flag of swift sft]
# See shell/train_judge.sh.
set -euo pipefail
exec bash "$(dirname "${BASH_SOURCE[0]}")/train_judge.sh" pairwise "$@"
