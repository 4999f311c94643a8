#!/usr/bin/env bash
# FakeVLM's training strategies (figure 3, appendix B, table 6) on one dataset, and their table:
#   bash shell/strategies.sh [--tiny]
# frozen: the base model is asked; probe: a linear probe on its features; direct: trained to say Real or Fake; explained:
# trained to explain too; head: trained with a linear head. What is done already is not done again.
#   MODEL    the base model's folder (default llava-1.5-7b-hf)
#   DATASET  the converted FakeClue's folder (default data/fakeclue)
#   TESTS    converted test sets (default data/fakeclue/test.jsonl data/loki_fakevlm/image/fakevlm/test.jsonl)
# --tiny needs nothing: a synthetic FakeClue, a tiny random LLaVA and about ten minutes on two CPU cores.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. shell/ablating.sh
if [ "${1:-}" = --tiny ]; then
    tiny=--tiny home=output/fakevlm ask="--batch-size 64 --max-tokens 64"
    . shell/tiny.sh TESTS OUTPUT_DIR
    export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE # a second thread gains nothing on so small a model
    bash shell/sample.sh fakevlm
    data=$home/data model=$home/model tests=$home/data/test.jsonl recipe=recipes/fakevlm/tiny
else
    [ $# = 0 ] || { echo "strategies: --tiny is the only flag, got $*" >&2; exit 2; }
    tiny= home=output/fakevlm_strategies recipe=recipes/fakevlm/llava_1_5_7b_full ask="--batch-size 16"
    data=${DATASET:-data/fakeclue} model=${MODEL:-llava-1.5-7b-hf} tests=${TESTS:-$data/test.jsonl data/loki_fakevlm/image/fakevlm/test.jsonl}
    export MODEL=$model DATASET=$data
    bash shell/setup.sh
fi
for file in $data/train.jsonl $tests $model/config.json; do
    [ -f "$file" ] || { echo "strategies: no $file: convert the dataset, download the model (hf download \
llava-hf/llava-1.5-7b-hf --local-dir llava-1.5-7b-hf) or set MODEL, DATASET and TESTS; --tiny needs none" >&2; exit 2; }
done
[ -z "${OUTPUT_DIR:-}" ] || { echo "strategies: OUTPUT_DIR=$OUTPUT_DIR has no place here: all goes to $home; unset it" >&2; exit 2; }
same_base "$model, $data/train.jsonl $(cksum < "$data/train.jsonl")"
latest() { OUTPUT_DIR=$home/train_$1 $python swift_plugins/launch.py $recipe.yaml --latest | sed "s|^$PWD/||"; }

for strategy in direct explained head; do
    [ ! -f "$home/train_$strategy/.done" ] || continue
    step "train: $strategy"
    begun=$(latest $strategy) # of a training that was cut off
    STRATEGY=$strategy OUTPUT_DIR=$home/train_$strategy bash shell/train_fakevlm.sh $tiny ${begun:+--resume_from_checkpoint "$begun"}
    touch "$home/train_$strategy/.done"
done
for test in $tests; do
    name=$(echo "$test" | tr / _) out=$home/answers/${name%.jsonl}
    mkdir -p "$out"
    step "answer $test"
    $python eval/predict.py --model "$model" --recipe $recipe.yaml --data "$test" --out "$out/frozen.jsonl" $ask
    $python eval/probe.py --model "$model" --recipe $recipe.yaml --train $data/train.jsonl --data "$test" \
        --out "$out/probe.jsonl" --features "$home/features"
    for strategy in direct explained head; do
        $python eval/predict.py --model "$(latest $strategy)" --data "$test" --out "$out/$strategy.jsonl" $ask
    done
    step "the strategies on $test"
    # auto also reads the free text of a model that was not trained
    $python eval/score.py --grammar auto --pred "$out/explained.jsonl" --baseline "direct=$out/direct.jsonl" \
        --baseline "head=$out/head.jsonl" --baseline "probe=$out/probe.jsonl" --baseline "frozen=$out/frozen.jsonl" \
        --out "$out/report"
done
