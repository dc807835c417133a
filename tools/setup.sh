#!/bin/bash
# Makes .venv: the four distributions, editable, and the tools of the `dev` group. `make` calls it.
#
# Needs Python 3.11 or newer, and uv or python3-venv; see tools/uv.sh for where packages come from.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PYTHON=${PYTHON:-python3}

fail() {
    echo "set-up: $*" >&2
    exit 1
}

python_is() { "$PYTHON" -c "import struct, sys; sys.exit(not ($1))"; }

command -v "$PYTHON" >/dev/null || fail "no $PYTHON here. Install it: sudo apt install python3 python3-venv"
python_is 'sys.version_info >= (3, 11)' ||
    fail "Python 3.11 or newer is needed, and $PYTHON is $("$PYTHON" -V 2>&1). Name another: make PYTHON=python3.12"
python_is 'struct.calcsize("P") == 8' ||
    fail "training needs a 64-bit system. A 32-bit Raspberry Pi can run models: pip install ."

tools/uv.sh --version >/dev/null # makes it, or says in one line why it cannot

# `uv pip` and not `uv sync`: as pip does, it resolves for this machine alone. `uv sync` resolves for
# every platform at once, which an index with wheels for only one (piwheels) answers with old versions.
[[ -x .venv/bin/python ]] ||
    tools/uv.sh venv --quiet --clear --python "$("$PYTHON" -c 'import sys; print(sys.executable)')" .venv
tools/uv.sh pip install --python .venv/bin/python --group dev \
    --editable . --editable benchmarks --editable converter --editable devices ||
    fail "not every package could be installed (see above). If Python is newer than TensorFlow knows, name another: make clean; make PYTHON=python3.12"
