#!/usr/bin/env bash
# Train a DeepfakeJudge:  bash shell/train_judge.sh pointwise|pairwise [--tiny] [any flag of swift sft]
# The published LoRA run by default; TUNER=full trains all of the language model. The base is Qwen2.5-VL 7B, or its 3B,
# Qwen3-VL 8B or 4B or InternVL 3.5 8B (-HF, LoRA alone) where MODEL names one. Other variables: see shell/train.sh.
# --tiny needs nothing: it makes a synthetic dataset and a tiny random model in output/judge and trains it on the CPU;
# OUTPUT_DIR is where, MODEL, DATASET and the like are refused.
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
    case /${MODEL:-}/ in *[Qq]wen3-[Vv][Ll]* | *[Qq]wen3_vl*) base=qwen3_vl_8b ;;
        *[Ii]ntern[Vv][Ll]3[._]5*) base=internvl3_5_8b ;;
        *[!0-9a-fA-F]3[bB][!0-9a-fA-F]*) base=qwen2_5_vl_3b ;; *) base=qwen2_5_vl_7b ;; esac
    recipe=recipes/deepfakejudge/${base}_${TUNER:-lora}_$kind.yaml
    if [ "${TUNER:-}" = full ] && [ ! -f "$shell/../$recipe" ]; then
        echo "train_judge: there is no recipe $recipe: TUNER=full is for Qwen2.5-VL and Qwen3-VL" >&2
        exit 2
    fi
    exec bash "$shell/train.sh" "$recipe" "$@"
fi

. "$shell/tiny.sh" MIN_PIXELS MAX_PIXELS IMAGE_FACTOR
[ -z "${OUTPUT_DIR:-}" ] || OUTPUT_DIR=$(realpath -m "$OUTPUT_DIR")
cd "$shell/.."
bash shell/sample.sh judge
exec bash shell/train.sh recipes/deepfakejudge/tiny_$kind.yaml "$@"
