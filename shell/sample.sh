#!/usr/bin/env bash
# Make a synthetic dataset, its rows and a tiny random model, where they are not there yet:
#   [SEED=N] bash shell/sample.sh judge|fakevlm|deeptrace|losses/deeptrace|losses/pointwise
# They land in output/judge and so on: raw, data and model, or model_N with weights drawn from that seed. Those of losses/
# are for what the losses are to help with: four fake clips to each real one in training, and one token a digit.
set -euo pipefail
export NEXT_STEPS=no # the caller takes them
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset MIN_PIXELS MAX_PIXELS IMAGE_FACTOR
home=output/${1:-} draw=() options=()
case ${1:-} in
    judge) dataset=deepfakejudge ;;
    fakevlm) dataset=fakeclue options=(--architecture llava1_5) ;;
    deeptrace) dataset=deeptrace ;;
    losses/deeptrace) dataset=deeptrace draw=(--fakes 4) options=(--split-digits) ;;
    losses/pointwise) dataset=deepfakejudge draw=(--test 60 --human 0 --bench 0) options=(--split-digits) ;;
    *) echo "sample: name judge, fakevlm or deeptrace, or losses/deeptrace or losses/pointwise" >&2; exit 2 ;;
esac
bash shell/setup.sh
make() { # FOLDER SCRIPT…: unless it is there, whole
    [ ! -f "$1/.made" ] || return 0
    rm -rf "$1"
    .venv/bin/python "${@:2}" --out "$1"
    touch "$1/.made"
}
make "$home/raw" converters/sample_$dataset.py ${draw[@]+"${draw[@]}"}
make "$home/data" converters/${dataset}_to_swift.py --src "$home/raw"
mapfile -t train < <(find "$home/data" -name train.jsonl | sort) # judges have a folder for each task
make "$home/model${SEED:+_$SEED}" swift_plugins/tiny_model.py ${SEED:+--seed "$SEED"} ${options[@]+"${options[@]}"} --data "${train[@]}"
