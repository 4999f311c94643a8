#!/usr/bin/env bash
# From images with a gold rationale to a judge, by way of models:  bash shell/bootstrap.sh --tiny [any flag of swift sft]
# On synthetic images, IMAGES of them or else 1200, half of which have one, and two CPU cores. Everything lands in
# output/bootstrap and is made anew by each run. The models are stand-ins, rules that know the sample's words
# (converters/sample_models.py); the judge is a tiny random Qwen2.5-VL.
set -euo pipefail
export NEXT_STEPS=no # it takes them itself
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ "${1:-}" != --tiny ]; then
    echo "bootstrap: --tiny is all there is. With models of one's own: python converters/make_judge_data.py --help, then \
DATASET=OUT/pointwise bash shell/train_pointwise.sh" >&2
    exit 2
fi
shift
. shell/tiny.sh OUTPUT_DIR MIN_PIXELS MAX_PIXELS IMAGE_FACTOR
bash shell/setup.sh
python=.venv/bin/python
home=output/bootstrap
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE # a second thread gains nothing on so small a model
step() { echo; echo "== $1"; }

rm -rf "$home"
SECONDS=0
step "1/6 synthetic images, half of them with a gold rationale"
"$python" converters/sample_deepfakejudge.py --out "$home/raw" --train 1 --test 1 --human 1 --bench "${IMAGES:-1200}"
"$python" converters/deepfakejudge_to_swift.py --src "$home/raw" --out "$home/gold"
step "2/6 rationales of five levels, rated, refined and paraphrased by stand-ins for models"
"$python" converters/sample_models.py --url-file "$home/url" &
models=$!
trap 'kill $models 2>/dev/null || true' EXIT
for _ in $(seq 100); do [ -f "$home/url" ] && break; sleep 0.2; done
model=stand-in@$(cat "$home/url")
"$python" converters/make_judge_data.py --data "$home/gold/reason/test.jsonl" --out "$home/data" --generator "$model" --paraphrases 1 --similarity 5:95 --batch-size 32
kill $models
step "3/6 a tiny random Qwen2.5-VL"
"$python" swift_plugins/tiny_model.py --data "$home/data/pointwise/train.jsonl" --out "$home/model"
step "4/6 train a judge that scores (swift sft, about 2 minutes)"
recipe=recipes/deepfakejudge/tiny_pointwise.yaml
MODEL=$home/model DATASET=$home/data/pointwise OUTPUT_DIR=$home/train bash shell/train.sh $recipe --max_steps 500 --save_steps 500 "$@"
checkpoint=$(OUTPUT_DIR=$home/train "$python" swift_plugins/launch.py $recipe --latest)
step "5/6 judge the held-out rationales"
"$python" eval/predict.py --model "$checkpoint" --data "$home/data/pointwise/test.jsonl" --out "$home/out.jsonl" --batch-size 64 --max-tokens 96
step "6/6 score: the best constant score stands beside the judge's"
"$python" eval/score.py --pred "$home/out.jsonl" --out "$home/report"
echo "done in $((SECONDS / 60)) min $((SECONDS % 60)) s"
