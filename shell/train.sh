#!/usr/bin/env bash
# Train by a recipe:  bash shell/train.sh RECIPE.yaml [any flag of swift sft]
# From the environment, each in place of what the recipe says:
#   MODEL       model folder or hub id        DATASET  a converter's output folder, the folder above it, or a JSONL file
#   OUTPUT_DIR  where checkpoints go          TUNER    lora or full           DEEPSPEED  zero0 … zero3, zero2_offload …
#   NUM_GPUS (or NPROC_PER_NODE), GPU_IDS (or CUDA_VISIBLE_DEVICES), NNODES, NODE_RANK, MASTER_ADDR, MASTER_PORT
set -euo pipefail
from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fail() { echo "train: $1" >&2; exit 2; }
absolute() { case $1 in /*) echo "$1" ;; *) echo "$from/$1" ;; esac; }
in_recipe() { sed -n "s/^ *$1: *\([^ #]*\).*/\1/p" "$recipe" | head -n 1; }
# The commands behind a word of the recipe's header, `#   data     python …`, in one line.
in_header() { awk -v word="$1" '/^#   [a-z]/ { on = $2 == word } !/^#   / { on = 0 }
    on { sub(/^#   [a-z]* +/, ""); printf "%s%s", and, $0; and = " && " }' "$recipe"; }

recipe=${1:-}
[ -n "$recipe" ] || fail "name a recipe, for example: bash shell/train.sh recipes/deeptrace/tiny.yaml"
shift
[[ ${TUNER:-full} =~ ^(full|lora)$ ]] || fail "TUNER must be full or lora, got $TUNER"
[ -f "$recipe" ] || recipe=$(absolute "$recipe")
[ -f "$recipe" ] || fail "recipe $recipe not found; there are: $(echo recipes/*/*.yaml)"
bash shell/setup.sh
flags=() get=$(in_header get) tiny=$(in_header tiny)
on_cpu="\`${tiny:-bash shell/quickstart.sh}\` trains a tiny model on the CPU"

train=$(in_recipe dataset) val=$(in_recipe val_dataset)
if [ -n "${DATASET:-}" ]; then
    data=$(absolute "$DATASET") below=$(basename "$(dirname "$train")")
    [ -f "$data/train.jsonl" ] || [ ! -d "$data/$below" ] || data=$data/$below
    train=$data/train.jsonl
    # A raw dataset's own file has image paths relative to its folder.
    [[ $data != *.jsonl ]] || { train=$data data=$(dirname "$data"); export ROOT_IMAGE_DIR=${ROOT_IMAGE_DIR:-$data}; }
    flags+=(--dataset "$train")
    [ -z "$val" ] || { val=$data/val.jsonl; flags+=(--val_dataset "$val"); }
fi
for file in "$train" "${val:-$train}"; do
    [ -f "$file" ] || fail "no $file: run \`source .venv/bin/activate && ${get:+$get && }$(in_header data)\`, or set DATASET \
to a converter's output folder or a JSONL file; $on_cpu"
done
model=${MODEL:-$(in_recipe model)}
[[ ${MODEL:-} != .* && ! -d $from/${MODEL:-.none} ]] || model=$(absolute "$MODEL")
[[ $model != [./]* || -f $model/config.json ]] ||
    fail "no model in $model (no config.json): set MODEL to a model's folder or hub id"
[ -z "${MODEL:-}" ] || flags+=(--model "$model")
out=$(in_recipe output_dir)
[ -z "${OUTPUT_DIR:-}" ] || { out=$(absolute "$OUTPUT_DIR"); flags+=(--output_dir "$out"); }
[ -z "$(compgen -G "$out/checkpoint-*")" ] || [[ " $* " == *" --resume_from_checkpoint "* ]] ||
    fail "$out already holds checkpoints: set OUTPUT_DIR, or go on with --resume_from_checkpoint $(ls -dt "$out"/checkpoint-* | head -n 1)"
[ -z "${TUNER:-}" ] || flags+=(--tuner_type "$TUNER")
[ -z "${DEEPSPEED:-}" ] || flags+=(--deepspeed "$DEEPSPEED")

[ -z "${NUM_GPUS:-}" ] || export NPROC_PER_NODE=$NUM_GPUS
[ -z "${GPU_IDS:-}" ] || export CUDA_VISIBLE_DEVICES=$GPU_IDS
want=${NPROC_PER_NODE:-$(in_recipe NPROC_PER_NODE)}
[[ ${want:=1} =~ ^[1-9][0-9]*$ ]] || fail "NUM_GPUS (or NPROC_PER_NODE) must be a whole number of at least 1, got $want"
if [ "$(in_recipe use_cpu)" = true ] || [[ " $* " == *" --use_cpu true "* ]]; then
    export CUDA_VISIBLE_DEVICES= DS_ACCELERATOR=cpu
else
    have=$(.venv/bin/python -c 'import torch; print(torch.accelerator.device_count())')
    less=$([ "${TUNER:-$(in_recipe tuner_type)}" = lora ] || echo " (one GPU: TUNER=lora)")
    [ "$have" -ge "$want" ] || fail "this needs $want GPU(s), $have found: set NUM_GPUS to what there is$less \
and keep the batch by --gradient_accumulation_steps; $on_cpu"
fi
exec .venv/bin/swift sft "$recipe" ${flags[@]+"${flags[@]}"} "$@"
