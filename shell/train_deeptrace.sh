#!/usr/bin/env bash
# Train Qwen2.5-VL on DeepTraceReward:  [TUNER=full|lora] bash shell/train_deeptrace.sh [any flag of swift sft]
# full (default) is the paper's run on 8 GPUs, lora fits one of 24 to 48 GB. Other variables: see shell/train.sh.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
exec bash "$here/train.sh" "$here/../recipes/deeptrace/qwen2_5_vl_7b_${TUNER:-full}.yaml" "$@"
