#!/usr/bin/env bash
# Train on DeepTraceReward:  [MODEL=…] [TUNER=full|lora] bash shell/train_deeptrace.sh [any flag of swift sft]
#   MODEL      the base: Qwen2.5-VL 7B (default) or 3B, Qwen3-VL 8B or 4B, Qwen3.5 9B or 4B, or a
#              converted VideoLLaMA 3, by its name
#   TUNER      full (default) is the paper's run on 8 GPUs, lora fits one of 24 to 48 GB
#   BOX_SPACE  pixel states boxes in pixels of the source video, as the paper does, and not as the base was taught
# Other variables: see shell/train.sh.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
case /${MODEL:-}/${TUNER:-full} in *[Vv]ideo[Ll][Ll]a[Mm][Aa]*3*) base=videollama3_7b ;;
    *[Qq]wen3-[Vv][Ll]* | *[Qq]wen3_vl*) base=qwen3_vl_8b ;; *[Qq]wen3[._]5*) base=qwen3_5_9b ;;
    *[!0-9a-fA-F]3[bB][!0-9a-fA-F]*/lora) base=qwen2_5_vl_3b ;; *) base=qwen2_5_vl_7b ;; esac
exec bash "$here/train.sh" "$here/../recipes/deeptrace/${base}_${TUNER:-full}.yaml" "$@"
