#!/usr/bin/env bash
# A baseline of one of the papers: answer its test set, have the explanations judged, score.
#   bash shell/baseline.sh deeptrace|fakevlm|deepfakejudge MODEL [any flag of eval/predict.py, such as --limit 50]
# MODEL is a model's name on a server that speaks OpenAI's protocol (gpt-4.1, gemini-2.5-pro, or what `vllm serve` or
# `swift deploy` serve), whose key is in OPENAI_API_KEY, or a model's folder. deeptrace is asked the paper's zero-shot
# question (appendix E), the others their own. Two frames of a video are shown for each second; which models see others
# stands in swift_plugins/answering/sampling_frames.py, for a folder in its recipe. Run it again to go on, and to ask
# again what failed.
#   BASE_URL     the server (default by the model's name: OpenAI's, Google's, else http://127.0.0.1:8000/v1)
#   RECIPE       for a folder: its template, pixels and frames (default by the paper and the folder's name)
#   DATASET      the converted dataset (default data/deeptrace, data/fakeclue, data/deepfakejudge)
#   GRAMMAR      how the model writes its answers (default by its name: skyra, ivy, busterx, else auto)
#   JUDGE        who judges explanations, a model of a server: gpt-4.1 in the paper (default none: nobody does)
#   JUDGE_URL    its server (default https://api.openai.com/v1), with its key in JUDGE_API_KEY (default OPENAI_API_KEY)
#   OUTPUT_DIR   where the answers and reports go (default output/baselines/SYSTEM/MODEL)
set -euo pipefail
fail() { echo "baseline: $1" >&2; exit 2; }
case ${1:-} in -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
system=${1:-} model=${2:-} prompt=() sets=.
case $system in
    deeptrace) data=data/deeptrace prompt=(--prompt zero_shot) recipe=recipes/deeptrace/zero_shot_qwen2_5_vl.yaml ;;
    fakevlm) data=data/fakeclue recipe=recipes/fakevlm/llava_1_5_7b_full.yaml ;;
    deepfakejudge) data=data/deepfakejudge sets="detect reason pointwise pairwise" recipe=recipes/deepfakejudge/qwen2_5_vl_7b_lora_pointwise.yaml ;;
    *) fail "name deeptrace, fakevlm or deepfakejudge, then a model; --help says more" ;;
esac
[ -n "$model" ] || fail "name a model behind $system, for example: bash shell/baseline.sh $system gpt-4.1"
shift 2
# What is known of models by a part of their names: how they write their answers, and where they are asked.
url=http://127.0.0.1:8000/v1 grammar=auto
case $(basename "$model" | tr '[:upper:]' '[:lower:]') in
    gpt* | o[1-9]*) url=https://api.openai.com/v1 ;;
    gemini*) url=https://generativelanguage.googleapis.com/v1beta/openai ;;
    *videollama3*) [ $system != deeptrace ] || recipe=recipes/deeptrace/videollama3_7b_full.yaml ;;
    *fakevlm*) recipe=recipes/fakevlm/released.yaml ;;
    *skyra*) grammar=skyra ;;
    *ivy*) grammar=ivy ;;
    *busterx*) grammar=busterx ;;
esac
grammar=${GRAMMAR:-$grammar}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
data=$(realpath -m "${DATASET:-$root/$data}") home=$(realpath -m "${OUTPUT_DIR:-$root/output/baselines/$system/$(basename "$model")}")
url=${BASE_URL:-$url} judge_url=${JUDGE_URL:-https://api.openai.com/v1} judge_key=${JUDGE_API_KEY:-${OPENAI_API_KEY:-}}
keyed() { case $1=$2 in https://*=) fail "$1 wants a key: set $3 (to any text, where it wants none)" ;; esac; }
[ -z "${JUDGE:-}" ] || keyed "$judge_url" "$judge_key" "JUDGE_API_KEY or OPENAI_API_KEY"
if [ ! -d "$model" ]; then
    keyed "$url" "${OPENAI_API_KEY:-}" OPENAI_API_KEY
    ask=(--backend openai --base-url "$url" --model "$model")
elif [ -f "$model/forensics.json" ]; then # which holds what a recipe would say
    ask=(--model "$(realpath "$model")")
else
    ask=(--model "$(realpath "$model")" --recipe "$(realpath -m "${RECIPE:-$root/$recipe}")")
fi
cd "$root"
export NEXT_STEPS=no # it takes them itself
found=
for set in $sets; do
    rows=$(realpath -m "$data/$set/test.jsonl") out=$(realpath -m "$home/$set") flags=() written=(--grammar "$grammar")
    [ -f "$rows" ] || continue
    [ -n "$found" ] || { bash shell/setup.sh && found=yes; }
    case $set in pointwise) written=() ;; pairwise) written=() flags=(--swap) ;; esac
    echo "== $model answers $rows"
    .venv/bin/python eval/predict.py "${ask[@]}" --data "$rows" --out "$out/out.jsonl" --retry-errors ${prompt[@]+"${prompt[@]}"} ${flags[@]+"${flags[@]}"} "$@"
    case " $* " in *" --dry-run "*) continue ;; esac
    pred=$out/out.jsonl
    case ${JUDGE:+$set} in
        . | reason)
            echo "== $JUDGE judges its explanations"
            pred=$out/judged.jsonl
            OPENAI_API_KEY=$judge_key .venv/bin/python eval/judge_explanations.py --backend openai \
                --base-url "$judge_url" --model "$JUDGE" --data "$out/out.jsonl" --out "$pred" --retry-errors "${written[@]}"
            ;;
    esac
    .venv/bin/python eval/score.py --pred "$pred" --out "$out/report" ${written[@]+"${written[@]}"}
done
[ -n "$found" ] || fail "no test.jsonl of $system in $data: convert the dataset first, see the README, or name its folder with DATASET"
