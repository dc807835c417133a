# Begins a journal of how things were, or goes on with the one of a run that was killed.
#
# $1: the folder it is installed into; all others: folders that must be there, the models' last.

main() {
    root=$1
    umask 022
    [ ! -d "$root/flash" ] || return 0
    created='' parents=''
    for folder in "$@"; do
        [ -e "$folder" ] || created="$created$folder
"
        above=${folder%/*}
        while [ -n "$above" ] && [ ! -e "$above" ]; do
            parents="$parents$above
"
            above=${above%/*}
        done
    done
    mkdir -p "$root/venvs" || exit 1
    rm -rf "$root/flash.new"
    mkdir "$root/flash.new" || exit 1
    printf '%s' "$created" >"$root/flash.new/created"
    # The longest first: those inside of others before them.
    printf '%s' "$parents" | sort -ru >"$root/flash.new/parents"
    ls -1 "$root/venvs" >"$root/flash.new/venvs"
    sync
    mv "$root/flash.new" "$root/flash" || exit 1
    for folder in "$@"; do mkdir -p "$folder" || exit 1; done
}

main "$@" </dev/null
