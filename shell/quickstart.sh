#!/usr/bin/env bash
# The whole job on a synthetic sample, on two CPU cores: data, conversion, training, prediction, scores, report.
# Everything lands in output/quickstart and is made anew by each run.
set -euo pipefail
export NEXT_STEPS=no # it takes them itself
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. shell/tiny.sh OUTPUT_DIR
bash shell/setup.sh
python=.venv/bin/python
home=output/quickstart
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE # a second thread gains nothing on so small a model
step() { echo; echo "== $1"; }

rm -rf "$home"
SECONDS=0
step "1/6 synthetic clips in DeepTraceReward's layout"
"$python" converters/sample_deeptrace.py --out "$home/rewarddata"
step "2/6 convert to ms-swift rows"
"$python" converters/deeptrace_to_swift.py --src "$home/rewarddata" --out "$home/data" --check header
step "3/6 a tiny random Qwen2.5-VL"
"$python" swift_plugins/tiny_model.py --data "$home/data/train.jsonl" --out "$home/model"
step "4/6 train it (swift sft, about 3 minutes)"
bash shell/train.sh recipes/deeptrace/tiny.yaml
checkpoint=$("$python" swift_plugins/launch.py recipes/deeptrace/tiny.yaml --latest)
step "5/6 answer the held-out clips: the trained model, then the untrained one beside it"
"$python" eval/predict.py --model "$checkpoint" --data "$home/data/test.jsonl" --out "$home/out.jsonl" --batch-size 16 --max-tokens 64
"$python" eval/predict.py --model "$home/model" --recipe recipes/deeptrace/tiny.yaml --data "$home/data/test.jsonl" --out "$home/untrained.jsonl" --batch-size 16 --max-tokens 64
step "6/6 score"
"$python" eval/score.py --pred "$home/out.jsonl" --baseline "untrained model=$home/untrained.jsonl" --out "$home/report"
echo "done in $((SECONDS / 60)) min $((SECONDS % 60)) s"
