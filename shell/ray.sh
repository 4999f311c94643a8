#!/usr/bin/env bash
# Answer a file on the GPUs of a Ray cluster, one process with the model on each; started again it goes on:
#   bash shell/ray.sh --model CHECKPOINT --data test.jsonl --out out.jsonl [any flag of eval/predict.py]
#   RAY_ADDRESS  the cluster, such as 10.0.0.1:6379 (default: the one that runs on this machine, else one is started for this run)
#   RAY_WORKERS  processes (default 0: one for each GPU of the cluster)
#   COMMAND      what asks instead of eval/predict.py: eval/judge.py or eval/injection.py
# On several machines: `ray start --head` on one, `ray start --address=THAT:6379` on the others, all with this folder, the
# model and the data at the same paths.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/shell/setup.sh"
export RAY_USAGE_STATS_ENABLED=${RAY_USAGE_STATS_ENABLED:-0} # nothing is told to others
exec "$root/.venv/bin/python" "$root/${COMMAND:-eval/predict.py}" --ray-workers "${RAY_WORKERS:-0}" "$@"
