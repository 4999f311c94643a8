#!/usr/bin/env bash
# Answer a file as a Slurm array, a part of its rows in each task, then merge the parts; submitted again it goes on:
#   SHARDS=8 bash shell/slurm.sh --model CHECKPOINT --data test.jsonl --out out.jsonl [any flag of eval/predict.py]
#   SHARDS        tasks of the array (default 8)
#   SBATCH_FLAGS  flags of sbatch for each task (default --gres=gpu:1), such as "--gres=gpu:1 --partition=gpu --time=4:00:00"
#   COMMAND       what asks instead of eval/predict.py: eval/judge.py or eval/injection.py
# What a task prints stands in OUT.TASK.log; keys, such as OPENAI_API_KEY, come from the environment, as sbatch hands it on.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
fail() { echo "slurm: $1" >&2; exit 2; }
out=
for ((i = 1; i < $#; i++)); do
    next=$((i + 1))
    [ "${!i}" != --out ] || out=${!next}
done
[ -n "$out" ] || fail "name the output by --out, for example: bash shell/slurm.sh --model CHECKPOINT --data test.jsonl --out out.jsonl"
[[ ${SHARDS:-8} =~ ^[1-9][0-9]{0,3}$ ]] || fail "SHARDS must be a whole number from 1, got $SHARDS"
command -v sbatch > /dev/null || fail "there is no sbatch here: run this where Slurm jobs are submitted, or use --data-parallel"
bash "$root/shell/setup.sh"
mkdir -p "$(dirname "$out")"
read -ra flags <<< "${SBATCH_FLAGS---gres=gpu:1}"
printf -v answer '%q ' "$root/.venv/bin/python" "$root/${COMMAND:-eval/predict.py}" "$@"
printf -v merge '%q ' "$root/.venv/bin/python" "$root/eval/merge.py" --out "$out"
# Each task names its shard, so that a single one of them, submitted again by hand, is the same part.
job=$(sbatch --parsable --job-name=answer --array="1-${SHARDS:-8}" --output="$out.%a.log" ${flags[@]+"${flags[@]}"} \
    --wrap "$answer --shard \$SLURM_ARRAY_TASK_ID/${SHARDS:-8}")
[ "${SHARDS:-8}" = 1 ] || sbatch --parsable --job-name=merge --output="$out.merge.log" --dependency="afterok:${job%%;*}" --wrap "$merge" > /dev/null
echo "slurm: job ${job%%;*}: ${SHARDS:-8} tasks, then $out; what they print: $out.*.log"
