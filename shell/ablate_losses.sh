#!/usr/bin/env bash
# Do the losses help? Plain cross-entropy and each of them, with the same rows, steps and seeds, and the table:
#   bash shell/ablate_losses.sh [deeptrace|pointwise] [--tiny] [any flag of swift sft]
# deeptrace (default): plain; weights of the answer's parts; besides these the cost of wrong digits (numbers), or balanced
# verdicts (balanced). pointwise, a judge's scores: plain; weights; besides these soft scores (soft).
#   SEEDS     a training of each setting for each (default "1 2 3"): of a tiny model's first weights, else of the rows' order
#   SETTINGS  which of them (default all)
#   DATASET   the converter's output folder, whose test.jsonl is answered
#   MODEL, TUNER  the base and how it is tuned, as for shell/train_deeptrace.sh or shell/train_pointwise.sh
# What is done already is not done again, and a training that was cut off goes on. The table, of eval/compare.py, has
# intervals over seeds and rows; all lands in output/losses.
# --tiny needs nothing: synthetic clips, of which four in five to train on are fake, or images, tiny random models, and
# about 40 minutes of one CPU core, or 20 for pointwise.
set -euo pipefail
[ -z "${DATASET:-}" ] || DATASET=$(realpath -m "$DATASET")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. shell/ablating.sh
task=deeptrace tiny=
case ${1:-} in deeptrace | pointwise) task=$1; shift ;; esac
flags=$* home=output/losses/$task seeds=${SEEDS:-1 2 3}
case $task in
    deeptrace) settings="plain weights numbers balanced" metrics="accuracy bbox_iou time_distance"
        weights=(WEIGHT_VERDICT=4 WEIGHT_BBOX=2 WEIGHT_TIME=2 WEIGHT_EXPLANATION=6)
        recipe=deeptrace/tiny steps=200 made=$home/data converted=data/deeptrace ;;
    pointwise) settings="plain weights soft" metrics="rmse mae"
        weights=(WEIGHT_REASONING=4 WEIGHT_SCORE=4)
        recipe=deepfakejudge/tiny_pointwise steps=300 made=$home/data/pointwise converted=data/deepfakejudge/pointwise ;;
esac
settings=${SETTINGS:-$settings}
if [ "${1:-}" = --tiny ]; then
    shift
    tiny=yes
    . shell/tiny.sh OUTPUT_DIR MIN_PIXELS MAX_PIXELS IMAGE_FACTOR
    export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE # a second thread gains nothing on so small a model
    for seed in $seeds; do SEED=$seed bash shell/sample.sh "losses/$task"; done
    train=(bash shell/train.sh "recipes/$recipe.yaml") data=$made ask="--batch-size 16 --max-tokens 96"
    set -- --max_steps $steps --save_steps $steps --eval_strategy no "$@"
else
    [ -z "${OUTPUT_DIR:-}" ] || { echo "ablate_losses: OUTPUT_DIR=$OUTPUT_DIR has no place here: all goes to $home; unset \
it" >&2; exit 2; }
    train=(bash "shell/train_$task.sh") data=${DATASET:-$converted} ask="--batch-size 8"
    [ -f "$data/train.jsonl" ] && [ -f "$data/test.jsonl" ] || { echo "ablate_losses: no train.jsonl and test.jsonl in \
$data: set DATASET to a converter's output folder; --tiny needs none" >&2; exit 2; }
fi
same_base "${MODEL:-default base}, ${TUNER:-default tuner}, $(cksum < "$data/train.jsonl"), flags ${flags:-none}"
export DATASET=$data OUTPUT_DIR

for seed in $seeds; do
    of_seed=(--seed "$seed") # of what is drawn in training: an adapter's weights, but not the order
    if [ -n "$tiny" ]; then export MODEL=$home/model_$seed; else of_seed+=(--data_seed "$seed"); fi
    for setting in $settings; do
        loss=("${weights[@]}") own=("${of_seed[@]}") OUTPUT_DIR=$home/${setting}_$seed
        case $setting in
            plain) loss=() own+=(--loss_scale default) ;;
            weights) ;;
            numbers) loss+=(WEIGHT_NUMBERS=20) own+=(--loss_type forensics) ;;
            balanced) loss+=(BALANCE_VERDICTS=yes) ;;
            soft) loss+=(SMOOTH_SCORES=0.5) own+=(--loss_type forensics) ;;
            *) echo "ablate_losses: SETTINGS are of plain, weights, numbers, balanced and soft, got $setting" >&2; exit 2 ;;
        esac
        step "$setting, seed $seed"
        finish env ${loss[@]+"${loss[@]}"} "${train[@]}" -- "${own[@]}" "$@"
        $python eval/predict.py --model "$("${train[@]}" --latest)" --data "$data/test.jsonl" --out "$OUTPUT_DIR.jsonl" $ask
    done
done
step "the settings on the test set, seeds $seeds"
runs=()
for setting in $settings; do
    files=$(printf ",$home/${setting}_%s.jsonl" $seeds)
    runs+=("$setting=${files#,}")
done
if [ ${#runs[@]} -gt 1 ]; then
    $python eval/compare.py "${runs[@]}" $(printf -- "--metric %s " $metrics) --out "$home/report"
fi
