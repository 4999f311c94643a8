#!/usr/bin/env bash
# Sourced by what trains a tiny model on data that it makes itself (--tiny, quickstart.sh), with the names of variables
# that are its own: those and what names other data or another model are refused; the GPUs' variables do not matter.
set -euo pipefail
for name in MODEL DATASET TUNER DEEPSPEED "$@"; do
    case $name=${!name:-} in "$name=" | TUNER=full) continue ;; esac
    echo "$(basename "$0" .sh): $name=${!name} has no place here: a tiny training has a model, data and settings of its \
own; unset $name, or train without --tiny" >&2
    exit 2
done
unset TUNER NPROC_PER_NODE NUM_GPUS GPU_IDS NNODES
