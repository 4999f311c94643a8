#!/usr/bin/env bash
# Slurm jobs that go on where they were ended when they are submitted again: an answered file, or a training.
#   SHARDS=8 bash shell/slurm.sh --model CHECKPOINT --data test.jsonl --out out.jsonl [any flag of eval/predict.py]
#   NODES=2 NUM_GPUS=8 bash shell/slurm.sh shell/train_deeptrace.sh [any flag of swift sft]
# The first is an array, a part of the rows in each task, and a job that merges the parts. What a task prints stands in
# OUT.TASK.log, what a training prints in train.JOB.log. Variables, also keys such as OPENAI_API_KEY, come from the
# environment, as sbatch hands it on.
#   SHARDS        tasks of the array (default 8)
#   COMMAND       what asks instead of eval/predict.py: eval/judge.py or eval/injection.py
#   NODES         nodes of a training (default 1), each with NUM_GPUS
#   SBATCH_FLAGS  flags of sbatch (default --gres=gpu:NUM_GPUS, one GPU without it), such as
#                 "--gres=gpu:8 --cpus-per-task=64 --partition=gpu --time=24:00:00"
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
fail() { echo "slurm: $1" >&2; exit 2; }
counted() { [[ ${!1:-1} =~ ^[1-9][0-9]{0,3}$ ]] || fail "$1 must be a whole number from 1, got ${!1}"; }
out=
for ((i = 1; i < $#; i++)); do
    next=$((i + 1))
    [ "${!i}" != --out ] || out=${!next}
done
case ${1:-} in *.sh) [ -f "$1" ] || fail "there is no $1" ;; *) [ -n "$out" ] ||
    fail "name the output by --out, for example: bash shell/slurm.sh --model CHECKPOINT --data test.jsonl --out out.jsonl" ;; esac
counted SHARDS
counted NODES
command -v sbatch > /dev/null || fail "there is no sbatch here: run this where Slurm jobs are submitted"
bash "$root/shell/setup.sh"
read -ra flags <<< "${SBATCH_FLAGS---gres=gpu:${NUM_GPUS:-1}}"

if [[ ${1:-} = *.sh ]]; then
    job=$(sbatch --parsable --job-name=train --nodes="${NODES:-1}" --ntasks-per-node=1 --output=train.%j.log ${flags[@]+"${flags[@]}"} \
        "$root/shell/slurm_train.sh" "$@")
    echo "slurm: job ${job%%;*}: a training on ${NODES:-1} node(s), submitted again it goes on; what it prints: train.${job%%;*}.log"
    exit
fi
mkdir -p "$(dirname "$out")"
printf -v answer '%q ' "$root/.venv/bin/python" "$root/${COMMAND:-eval/predict.py}" "$@"
printf -v merge '%q ' "$root/.venv/bin/python" "$root/eval/merge.py" --out "$out"
# Each task names its shard, so that a single one of them, submitted again by hand, is the same part.
job=$(sbatch --parsable --job-name=answer --array="1-${SHARDS:-8}" --output="$out.%a.log" ${flags[@]+"${flags[@]}"} \
    --wrap "$answer --shard \$SLURM_ARRAY_TASK_ID/${SHARDS:-8}")
[ "${SHARDS:-8}" = 1 ] || sbatch --parsable --job-name=merge --output="$out.merge.log" --dependency="afterok:${job%%;*}" --wrap "$merge" > /dev/null
echo "slurm: job ${job%%;*}: ${SHARDS:-8} tasks, then $out; what they print: $out.*.log"
