#!/usr/bin/env bash
# Train on DeepTraceReward:  [MODEL=…] [TUNER=full|lora] bash shell/train_deeptrace.sh [any flag of swift sft]
#   MODEL    the base: Qwen2.5-VL 7B (default), or a converted one with videollama3 in its name
#   TUNER    full (default) is the paper's run on 8 GPUs, lora fits one of 24 to 48 GB
# Other variables: see shell/train.sh.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
case ${MODEL:-} in *[Vv]ideo[Ll][Ll]a[Mm][Aa]*3*) base=videollama3_7b ;; *) base=qwen2_5_vl_7b ;; esac
exec bash "$here/train.sh" "$here/../recipes/deeptrace/${base}_${TUNER:-full}.yaml" "$@"
