#!/bin/bash
# Runs uv in this checkout: `tools/uv.sh pip install …`. It is the uv on the PATH if that is new
# enough for us, else a private one in .uv, made when it is first needed (needs python3-venv).
#
# uv reads none of pip's settings, so they are handed over: packages come from where pip would fetch
# them. Every UV_* variable already set wins.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}

fail() {
    echo "set-up: $*" >&2
    exit 1
}

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
pip_settings=
for pip_python in .uv/bin/python "$python" python3; do # the first that has pip
    pip_settings=$("$pip_python" -m pip config list 2>/dev/null) && break
done
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

exec "$uv" "$@"
