# Forgets how things were: what is there now stays.
#
# $1: the folder it is installed into; $2: by which is known that all is as it was wanted.

main() {
    root=$1 stamp=$2
    current=$(readlink "$root/venv")
    # Of environments only the one in use stays.
    if [ -n "$current" ] && [ -e "$root/flash/venv" ]; then
        for made in "$root"/venvs/*; do
            [ "${made##*/}" = "${current##*/}" ] || rm -rf "$made"
        done
    fi
    rm -rf "$root/incoming" "$root/flash.old"
    printf '%s\n' "$stamp" >"$root/flashed.new" || exit 1
    sync
    mv -f "$root/flashed.new" "$root/flashed" || exit 1
    sync
    [ ! -d "$root/flash" ] || mv "$root/flash" "$root/flash.old" || exit 1
    rm -rf "$root/flash.old"
}

main "$@" </dev/null
