#!/usr/bin/env bash
# What a training's Slurm job runs on its first node (see shell/slurm.sh): the launcher on each node, from the newest
# checkpoint that there is.
set -euo pipefail
begun=$(env -u NNODES bash "$@" --latest | tail -n 1)
read -r MASTER_ADDR < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
export MASTER_ADDR NNODES="$SLURM_NNODES" MASTER_PORT=$((10000 + SLURM_JOB_ID % 20000)) # two jobs may share a node
[ -z "${SLURM_CPUS_PER_TASK:-}" ] || export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK" # srun does not take it over
exec srun --kill-on-bad-exit=1 bash -c 'NODE_RANK=$SLURM_NODEID exec bash "$@"' - "$@" ${begun:+--resume_from_checkpoint "$begun"}
