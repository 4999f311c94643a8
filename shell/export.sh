#!/usr/bin/env bash
# Merge or quantise a checkpoint; what is made carries its vision settings (forensics.json):
#   bash shell/export.sh --adapters CHECKPOINT --merge_lora true [any flag of swift export]
#   bash shell/export.sh --model CHECKPOINT --quant_method bnb --quant_bits 4
set -euo pipefail
[ $# -gt 0 ] || { echo "export: name a checkpoint, for example: bash shell/export.sh --adapters CHECKPOINT --merge_lora true" >&2; exit 2; }
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/shell/setup.sh"
export HF_HUB_OFFLINE=1 # a checkpoint and its base lie on this machine
exec "$root/.venv/bin/swift" export "$@" --external_plugins "$root/swift_plugins/register.py"
