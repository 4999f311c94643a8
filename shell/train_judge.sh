#!/usr/bin/env bash
# Train a DeepfakeJudge:  bash shell/train_judge.sh pointwise|pairwise [--tiny] [any flag of swift sft]
# The published LoRA run by default; TUNER=full trains all of the language model. The base is the 7B, or the 3B where
# MODEL names one. Other variables: see shell/train.sh. --tiny needs nothing: it makes a synthetic dataset and a tiny
# random model in output/judge and trains it on the CPU; OUTPUT_DIR is where, MODEL, DATASET and the like are refused.
set -euo pipefail
shell=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
case ${1:-} in pointwise | pairwise) kind=$1 ;; *) echo "train_judge: name pointwise or pairwise" >&2; exit 2 ;; esac
shift
tiny=false flags=()
for flag in "$@"; do
    if [ "$flag" = --tiny ]; then tiny=true; else flags+=("$flag"); fi
done
set -- ${flags[@]+"${flags[@]}"}

if [ $tiny = false ]; then
    case /${MODEL:-}/ in *[!0-9a-fA-F]3[bB][!0-9a-fA-F]*) base=3b ;; *) base=7b ;; esac
    exec bash "$shell/train.sh" "recipes/deepfakejudge/qwen2_5_vl_${base}_${TUNER:-lora}_$kind.yaml" "$@"
fi

. "$shell/tiny.sh" MIN_PIXELS MAX_PIXELS IMAGE_FACTOR
[ -z "${OUTPUT_DIR:-}" ] || OUTPUT_DIR=$(realpath -m "$OUTPUT_DIR")
cd "$shell/.."
bash shell/sample.sh judge
exec bash shell/train.sh recipes/deepfakejudge/tiny_$kind.yaml "$@"
