# Makes a Python environment with edge_recog in it, beside the one in use.
#
# $1: the folder it is installed into; $2: the environment's name; $3: Python; $4: what to install;
# $5: wheels to install only what was sent, else index; all others: constraints for pip.

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

main() {
    root=$1 name=$2 python=$3 requirement=$4 from=$5
    shift 5
    umask 022
    unset PYTHONPATH PYTHONHOME
    new=$root/venvs/$name
    [ ! -e "$new/edge-recog-runtime" ] || return 0
    rm -rf "$new"
    "$python" -I -m venv --system-site-packages "$new" ||
        fail "cannot make an environment: sudo apt install python3-venv, and see whether there is space"
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1 PIP_USER=0
    if [ "$from" = wheels ]; then
        cd "$root/incoming/wheels" || fail "the wheels are not there"
        PIP_CONFIG_FILE=/dev/null "$new/bin/python" -I -m pip install --quiet --no-cache-dir \
            --no-deps --requirement requirements.txt || exit 1
        cd / || exit 1
    else
        printf '%s\n' "$@" >"$new/constraints.txt"
        "$new/bin/python" -I -m pip install --quiet --no-cache-dir \
            --constraint "$new/constraints.txt" "$requirement" || exit 1
    fi
    "$new/bin/edge-recog" --version >/dev/null || fail "what was installed does not start"
    sync
    printf '%s\n' "$requirement" >"$new/edge-recog-runtime.new" || exit 1
    sync
    mv "$new/edge-recog-runtime.new" "$new/edge-recog-runtime"
}

main "$@" </dev/null
