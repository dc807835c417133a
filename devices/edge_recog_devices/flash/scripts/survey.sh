# Tells what edge_recog has installed on this machine, one `key=value` a line. Changes nothing, and
# starts few programs: each takes its time on a small device.
#
# $1: system or user; $2: the folder it is installed into; $3: configuration; $4: unit; $5: folder of
# udev rules, empty for none; $6: folder of the models; $7: root of updates.

say() { printf '%s=%s\n' "$1" "$2"; }

ctl() { if [ "$scope" = user ]; then systemctl --user "$@"; else systemctl "$@"; fi; }

# key, path, and what stands before the digest.
digest() {
    [ -f "$2" ] || return 0
    sum=$(sha256sum <"$2")
    say "$1" "$3${sum%% *}"
}

packed() { [ ! -f "$2" ] || say "$1" "$(base64 <"$2" | tr -d '\n')"; }

main() {
    scope=$1 root=$2 config=$3 unit=$4 rules=$5 models=$6 anchor=$7
    LC_ALL=C PATH=$PATH:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin
    XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}
    export LC_ALL PATH XDG_RUNTIME_DIR
    printf 'edge-recog-survey 1\n'
    if [ -L "$root/venv" ]; then
        target=$(readlink "$root/venv")
        say environment "${target##*/}"
    elif [ -d "$root/venv" ]; then
        say environment before
    fi
    # By the name of what pip writes: starting the program would take seconds.
    for about in "$root"/venv/lib/python3*/site-packages/edge_recog-*.dist-info; do
        [ -d "$about" ] || continue
        version=${about##*/edge_recog-}
        say version "${version%.dist-info}"
    done
    for made in "$root"/venvs/*/edge-recog-runtime; do
        [ -f "$made" ] || continue
        made=${made%/edge-recog-runtime}
        say complete "${made##*/}"
    done
    packed config "$config"
    digest unit "$unit" ''
    digest anchor "$anchor" ''
    if [ -n "$rules" ]; then
        for rule in "$rules"/65-edge-recog-*.rules; do
            digest rule "$rule" "${rule##*/} "
        done
    fi
    [ ! -d "$models" ] || say models yes
    packed state "$models/state.json"
    [ ! -d "$root/flash" ] || say pending yes
    if [ -f "$root/flashed" ]; then
        read -r stamp <"$root/flashed" && say stamp "$stamp"
    fi
    if [ "$scope" = system ] && getent passwd edge-recog >/dev/null 2>&1; then
        say user edge-recog
    fi
    if told=$(ctl show --property=ActiveState --property=UnitFileState edge-recog.service 2>&1); then
        say manager ok
        printf '%s\n' "$told" | while IFS='=' read -r name value; do
            case $name in
            ActiveState) say service "$value" ;;
            UnitFileState) say enabled "$value" ;;
            esac
        done
    else
        say manager "$(printf '%s\n' "$told" | tail -n 1 | tr -cd ' -~')"
    fi
    printf 'end\n'
}

main "$@" </dev/null
