#!/usr/bin/env bash
# Install everything into .venv; a second run returns at once. By uv where it is present or installable, else by pip.
#   PYTHON   the interpreter to use (default: the newest of python3.13 … python3.10, python3 that is found)
#   EXTRAS   what to install besides the core (default train,test; also app, judge, neural, cluster)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
extras=${EXTRAS:-train,test}
fail() { echo "setup: $1" >&2; exit 1; }

wanted="$extras $(cksum < setup.cfg) $(cksum < pyproject.toml)"
if [ ! -f .venv/incomplete ] && [ "$(cat .venv/ready 2>/dev/null)" = "$wanted" ] &&
    .venv/bin/python -c 'import msgspec, yaml' 2>/dev/null; then
    exit 0
fi

python=${PYTHON:-}
for name in python3.13 python3.12 python3.11 python3.10 python3 python; do
    [ -n "$python" ] && break
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then python=$name; fi
done
[ -n "$python" ] || fail "no Python 3.10 or newer found: install one, or name it with PYTHON=/path/to/python3"

# A half-made environment is not trusted. A finished one is only ever added to: without a network it must go on working.
if [ -f .venv/incomplete ] || [ ! -f .venv/ready ]; then rm -rf .venv; fi
if [ ! -x .venv/bin/python ]; then
    echo "setup: making .venv with $python"
    "$python" -m venv .venv 2>/dev/null || { command -v uv > /dev/null && uv venv --clear --quiet --python "$python" .venv; } ||
        fail "cannot make a virtual environment: install python3-venv (Debian, Ubuntu) or uv"
    : > .venv/incomplete
fi
uv=$(command -v uv || true)
if [ -z "$uv" ] && .venv/bin/python -m pip install --quiet --disable-pip-version-check uv 2> /dev/null; then uv=.venv/bin/uv; fi
echo "setup: installing into .venv ($extras); about 6 GB with training, a minute or more"
if [ -n "$uv" ]; then
    VIRTUAL_ENV=$PWD/.venv "$uv" pip install --quiet --editable ".[$extras]"
else
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[$extras]"
fi || {
    [ -f .venv/incomplete ] || old="the old packages are still in place but do not match setup.cfg; "
    fail "the installation did not finish: ${old:-}check the network and the disk space, then run this again"
}
echo "setup: importing what was installed"
.venv/bin/python - "$extras" <<'CHECK' || fail "the installed packages do not import: remove .venv and run this again"
import sys
import av, jinja2, msgspec, numpy, pandas, PIL, rapidfuzz, sacrebleu, scipy, sklearn
if "train" in sys.argv[1]:
    import deepspeed, peft, qwen_vl_utils, swift, torch, torchvision, transformers
CHECK
echo "$wanted" > .venv/ready
rm -f .venv/incomplete
