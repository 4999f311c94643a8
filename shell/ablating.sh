#!/usr/bin/env bash
# Sourced by what trains several settings for one table, all in $home: ablations.sh, ablate_losses.sh, strategies.sh.
set -euo pipefail
export NEXT_STEPS=no # they take them themselves
python=.venv/bin/python
step() { echo; echo "== $1"; }
same_base() { # WHAT: what $home is of; one that is of something else is refused
    mkdir -p "$home"
    [ -f "$home/.of" ] || echo "$1" > "$home/.of"
    [ "$(cat "$home/.of")" = "$1" ] || { echo "$(basename "$0" .sh): $home is of $(cat "$home/.of"), this would be of $1: \
move it away, one table is of one base and one dataset" >&2; exit 2; }
}
finish() { # TRAIN… -- [any flag of swift sft]: train to OUTPUT_DIR unless that is done; one that was cut off goes on
    [ ! -f "$OUTPUT_DIR/.done" ] || return 0
    local train=() begun
    while [ "$1" != -- ]; do train+=("$1"); shift; done
    shift
    begun=$("${train[@]}" --latest)
    "${train[@]}" ${begun:+--resume_from_checkpoint "$begun"} "$@"
    touch "$OUTPUT_DIR/.done"
}
