#!/bin/bash
# Makes .venv: the four distributions, editable, and the tools of the `dev` group. `make` calls it.
#
# Needs Python 3.11 or newer, and uv or python3-venv. uv reads none of pip's settings, so they are
# handed over: packages come from where pip would fetch them. Every UV_* variable already set wins.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}

fail() {
    echo "set-up: $*" >&2
    exit 1
}

python_is() { "$python" -c "import struct, sys; sys.exit(not ($1))"; }

command -v "$python" >/dev/null || fail "no $python here. Install it: sudo apt install python3 python3-venv"
python_is 'sys.version_info >= (3, 11)' ||
    fail "Python 3.11 or newer is needed, and $python is $("$python" -V 2>&1). Name another: make PYTHON=python3.12"
python_is 'struct.calcsize("P") == 8' ||
    fail "training needs a 64-bit system. A 32-bit Raspberry Pi can run models: pip install ."

# uv: the one on the PATH if it is new enough for us, else a private one.
usable() { [[ $("$1" pip install --help 2>/dev/null) == *--group* ]]; }
uv=uv
if ! usable uv; then
    uv=.uv/bin/uv
    if ! usable $uv; then
        "$python" -c 'import ensurepip' 2>/dev/null ||
            fail "python3-venv is missing. Install it: sudo apt install python3-venv"
        "$python" -m venv --clear .uv
        .uv/bin/python -m pip --disable-pip-version-check install --quiet uv
    fi
fi

# What pip is configured with: its environment variables come before its files.
pip_python=.uv/bin/python
[[ -x $pip_python ]] || pip_python=$python
pip_settings=$("$pip_python" -m pip config list 2>/dev/null || true)
pip_setting() {
    local scope value
    for scope in ':env:' install global; do
        # pip prints a list with its line breaks spelled out.
        value=$(sed -n "s/^$scope\.$1='\(.*\)'\$/\1/p" <<<"$pip_settings" | sed 's/\\n/ /g; s/^ *//')
        if [[ -n $value ]]; then
            echo "$value"
            return
        fi
    done
}
hand_over() {
    if [[ -n $2 && ! -v $1 ]]; then export "$1=$2"; fi
}
if [[ ! ${!UV_*} =~ INDEX|FIND_LINKS|CONFIG_FILE ]]; then
    hand_over UV_DEFAULT_INDEX "$(pip_setting index-url)"
    hand_over UV_INDEX "$(pip_setting extra-index-url)"
    # pip takes the best version of all its indexes; uv would stop at the first that knows the name.
    hand_over UV_INDEX_STRATEGY "${UV_INDEX:+unsafe-best-match}"
    find_links=$(pip_setting find-links)
    hand_over UV_FIND_LINKS "${find_links// /,}"
    hand_over UV_INSECURE_HOST "$(pip_setting trusted-host)"
fi
hand_over UV_HTTP_TIMEOUT "$(pip_setting timeout)"
hand_over HTTPS_PROXY "$(pip_setting proxy)"
hand_over SSL_CERT_FILE "$(pip_setting cert)"
# Debian's pip trusts the system's certificates; uv brings its own list.
debian_certificates=/etc/ssl/certs/ca-certificates.crt
[[ ! -e $debian_certificates ]] || hand_over SSL_CERT_FILE $debian_certificates

# `uv pip` and not `uv sync`: as pip does, it resolves for this machine alone. `uv sync` resolves for
# every platform at once, which an index with wheels for only one (piwheels) answers with old versions.
[[ -x .venv/bin/python ]] ||
    "$uv" venv --quiet --clear --python "$("$python" -c 'import sys; print(sys.executable)')" .venv
"$uv" pip install --python .venv/bin/python --group dev \
    --editable . --editable benchmarks --editable converter --editable devices ||
    fail "not every package could be installed (see above). If Python is newer than TensorFlow knows, name another: make clean; make PYTHON=python3.12"
