#!/usr/bin/env bash
# Make a synthetic dataset, its rows and a tiny random model, where they are not there yet:  bash shell/sample.sh judge|fakevlm|deeptrace
# They land in output/judge, output/fakevlm or output/deeptrace: raw, data and model.
set -euo pipefail
export NEXT_STEPS=no # the caller takes them
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset MIN_PIXELS MAX_PIXELS IMAGE_FACTOR
home=output/${1:-}
case ${1:-} in
    judge) dataset=deepfakejudge options=() ;;
    fakevlm) dataset=fakeclue options=(--architecture llava1_5) ;;
    deeptrace) dataset=deeptrace options=() ;;
    *) echo "sample: name judge, fakevlm or deeptrace" >&2; exit 2 ;;
esac
bash shell/setup.sh
make() { # FOLDER SCRIPT…: unless it is there, whole
    [ ! -f "$1/.made" ] || return 0
    rm -rf "$1"
    .venv/bin/python "${@:2}" --out "$1"
    touch "$1/.made"
}
make "$home/raw" converters/sample_$dataset.py
make "$home/data" converters/${dataset}_to_swift.py --src "$home/raw"
mapfile -t train < <(find "$home/data" -name train.jsonl | sort) # judges have a folder for each task
make "$home/model" swift_plugins/tiny_model.py ${options[@]+"${options[@]}"} --data "${train[@]}"
