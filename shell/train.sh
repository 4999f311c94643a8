#!/usr/bin/env bash
# Train by a recipe:  bash shell/train.sh RECIPE.yaml [any flag of swift sft]
# From the environment, each in place of what the recipe says:
#   MODEL            model folder or hub id           DATASET      converter's output folder (train.jsonl, val.jsonl)
#   OUTPUT_DIR       where checkpoints go             TUNER        lora or full
#   DEEPSPEED        zero0 … zero3, zero2_offload …   NPROC_PER_NODE, NNODES, NODE_RANK, MASTER_ADDR, MASTER_PORT
set -euo pipefail
from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fail() { echo "train: $1" >&2; exit 2; }
absolute() { case $1 in /*) echo "$1" ;; *) echo "$from/$1" ;; esac; }
in_recipe() { sed -n "s/^ *$1: *\([^ #]*\).*/\1/p" "$recipe" | head -n 1; }

[ $# -ge 1 ] || fail "name a recipe, for example: bash shell/train.sh recipes/deeptrace/tiny.yaml"
recipe=$1
shift
case ${TUNER:-} in "" | full | lora) ;; *) fail "TUNER must be full or lora, got $TUNER" ;; esac
[ -f "$recipe" ] || recipe=$(absolute "$recipe")
[ -f "$recipe" ] || fail "recipe $recipe not found; there are: $(echo recipes/*/*.yaml)"
bash shell/setup.sh

flags=()
data=$(dirname "$(in_recipe dataset)")
[ -z "${DATASET:-}" ] || { data=$(absolute "$DATASET"); flags+=(--dataset "$data/train.jsonl" --val_dataset "$data/val.jsonl"); }
[ ! -f "$data" ] || fail "DATASET is the folder that holds train.jsonl and val.jsonl, not a file: $data"
[ -f "$data/train.jsonl" ] && [ -f "$data/val.jsonl" ] ||
    fail "no train.jsonl and val.jsonl in $data: run the data command at the top of $recipe, or set DATASET to a converter's output folder"
model=$(in_recipe model)
case ${MODEL:-} in
    "") ;;
    /* | .*) model=$(absolute "$MODEL") ;;
    *) model=$MODEL; [ ! -d "$from/$MODEL" ] || model=$from/$MODEL ;;
esac
case $model in
    /* | .*) [ -f "$model/config.json" ] || fail "no model in $model (no config.json): set MODEL to a model's folder or hub id" ;;
esac
[ -z "${MODEL:-}" ] || flags+=(--model "$model")
out=$(in_recipe output_dir)
[ -z "${OUTPUT_DIR:-}" ] || { out=$(absolute "$OUTPUT_DIR"); flags+=(--output_dir "$out"); }
[ -z "$(compgen -G "$out/checkpoint-*")" ] || [[ " $* " == *" --resume_from_checkpoint "* ]] ||
    fail "$out already holds checkpoints: set OUTPUT_DIR, or go on with --resume_from_checkpoint $(ls -dt "$out"/checkpoint-* | head -n 1)"
[ -z "${TUNER:-}" ] || flags+=(--tuner_type "$TUNER")
[ -z "${DEEPSPEED:-}" ] || flags+=(--deepspeed "$DEEPSPEED")

if [ "$(in_recipe use_cpu)" = true ] || [[ " $* " == *" --use_cpu true "* ]]; then
    export CUDA_VISIBLE_DEVICES= DS_ACCELERATOR=cpu
else
    want=${NPROC_PER_NODE:-$(in_recipe NPROC_PER_NODE)}
    have=$( (nvidia-smi --list-gpus 2> /dev/null || true) | wc -l)
    [ -z "${CUDA_VISIBLE_DEVICES+set}" ] || have=$(tr ',' '\n' <<< "$CUDA_VISIBLE_DEVICES" | grep -c . || true)
    [ "$have" -ge "${want:-1}" ] ||
        fail "this needs ${want:-1} GPU(s), $have found: set NPROC_PER_NODE to what there is (one GPU: TUNER=lora), or train on the CPU with recipes/deeptrace/tiny.yaml"
fi
exec .venv/bin/swift sft "$recipe" ${flags[@]+"${flags[@]}"} "$@"
