#!/usr/bin/env bash
# DeepTraceReward's ablation (table 2, lower half): what answers are supervised with, trained from one base, and the table:
#   bash shell/ablations.sh [--tiny] [any flag of swift sft]
# full: verdict, box, onset and explanation; the others leave out the onset, the explanation, or both. What is done
# already is not done again, and a training that was cut off goes on. Explanation and overall need a judge's marks.
#   MODEL, TUNER  the base and how it is tuned, as for shell/train_deeptrace.sh
#   SRC           the raw dataset's folder (default RewardData)
# --tiny needs nothing: synthetic clips, a tiny random Qwen2.5-VL and about a quarter of an hour on two CPU cores.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. shell/ablating.sh
flags=$*
if [ "${1:-}" = --tiny ]; then
    shift
    . shell/tiny.sh SRC OUTPUT_DIR
    export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE # a second thread gains nothing on so small a model
    bash shell/sample.sh deeptrace
    home=output/deeptrace src=$home/raw ask="--batch-size 16 --max-tokens 64"
    train=(shell/train.sh recipes/deeptrace/tiny.yaml)
    export MODEL=$home/model
else
    home=output/deeptrace_ablations src=${SRC:-RewardData} ask="--batch-size 8" train=(shell/train_deeptrace.sh)
    for name in DATASET OUTPUT_DIR; do
        [ -z "${!name:-}" ] || { echo "ablations: $name=${!name} has no place here: each setting has rows of its own, made \
from SRC, and all goes to $home; unset it" >&2; exit 2; }
    done
fi
[ -f "$src/all_data.json" ] || { echo "ablations: no $src/all_data.json: get RewardData, or set SRC to its folder; --tiny \
needs none" >&2; exit 2; }
same_base "${MODEL:-default base}, ${TUNER:-full}, $src $(cksum < "$src/all_data.json"), flags ${flags:-none}"

convert=$(bash "${train[@]}" --conversion)
for setting in full no_time no_explanation no_time_no_explanation; do
    data=$home/rows/$setting
    step "$setting"
    [ -f "$data/manifest.json" ] || ${convert/#python/$python} --src "$src" --setting $setting --out "$data"
    export DATASET=$data OUTPUT_DIR=$home/train_$setting
    finish bash "${train[@]}" -- "$@"
    $python eval/predict.py --model "$(bash "${train[@]}" --latest)" --data "$data/test.jsonl" --out "$home/$setting.jsonl" $ask
done
step "the settings on the test set"
$python eval/score.py --as-published full --pred "$home/full.jsonl" --baseline "w/o time=$home/no_time.jsonl" \
    --baseline "w/o explanation=$home/no_explanation.jsonl" \
    --baseline "w/o time & w/o explanation=$home/no_time_no_explanation.jsonl" \
    --allow-different data --allow-different prompts --out "$home/report" # the questions say what is asked for
