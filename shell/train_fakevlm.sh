#!/usr/bin/env bash
# Train a FakeVLM on FakeClue:  bash shell/train_fakevlm.sh [--tiny] [any flag of swift sft]
#   STRATEGY  explained (default): verdict and explanation; direct: Real or Fake; head: a linear head (figure 3, table 6)
#   TUNER     full (default) is the paper's run on 8 GPUs, lora fits one of 24 to 48 GB
#   MODEL     the base: LLaVA-1.5 7B (default), or one with Qwen2.5-VL, Qwen3-VL or InternVL3_5 in its name
# Other variables: see shell/train.sh. --tiny needs nothing: it makes a synthetic FakeClue and a tiny random LLaVA in
# output/fakevlm and trains it on the CPU; OUTPUT_DIR is where, MODEL, DATASET, TUNER=lora and the like are refused.
set -euo pipefail
shell=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
fail() { echo "train_fakevlm: $1" >&2; exit 2; }
strategy=${STRATEGY:-explained}
case $strategy in explained) variant= ;; direct | head) variant=_$strategy ;;
    *) fail "STRATEGY must be explained, direct or head, got $strategy" ;; esac
tiny=false flags=()
for flag in "$@"; do
    if [ "$flag" = --tiny ]; then tiny=true; else flags+=("$flag"); fi
done
set -- ${flags[@]+"${flags[@]}"}

if [ $tiny = false ]; then
    case ${MODEL:-} in *[Qq]wen2.5-[Vv][Ll]* | *[Qq]wen2_5_vl*) base=qwen2_5_vl_7b ;;
        *[Qq]wen3-[Vv][Ll]* | *[Qq]wen3_vl*) base=qwen3_vl_8b ;; *[Ii]ntern[Vv][Ll]3[._]5*) base=internvl3_5_8b ;; *) base=llava_1_5_7b ;; esac
    recipe=recipes/fakevlm/${base}_${TUNER:-full}$variant.yaml
    [ -z "$variant" ] || [ -f "$shell/../$recipe" ] ||
        fail "there is no recipe $recipe: STRATEGY=$strategy is for LLaVA-1.5 and TUNER=full"
    exec bash "$shell/train.sh" "$recipe" "$@"
fi

. "$shell/tiny.sh" ANSWER_FORM
[ -z "${OUTPUT_DIR:-}" ] || OUTPUT_DIR=$(realpath -m "$OUTPUT_DIR")
cd "$shell/.."
bash shell/sample.sh fakevlm
exec bash shell/train.sh recipes/fakevlm/tiny$variant.yaml "$@"
