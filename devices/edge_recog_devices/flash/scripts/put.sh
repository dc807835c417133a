# Writes what comes over stdin into a file, whole or not at all.
#
# $1: the folder it is installed into; $2: under which name the journal keeps what was there, empty
# for nothing; $3: path; $4: mode; $5: SHA-256; $6: gzip or plain.

fail() {
    printf '%s\n' "$*" >&2
    [ -z "${new-}" ] || rm -f "$new"
    exit 1
}

keep() {
    kept=$root/flash/$key
    [ ! -e "$kept.path" ] || return 0
    if [ -e "$path" ]; then
        cp -p "$path" "$kept" || fail "cannot keep what $path was"
    else
        : >"$kept.absent"
    fi
    printf '%s\n' "$path" >"$kept.path" || fail "cannot write into $root/flash"
    sync
}

unpacked() {
    if [ "$packing" = plain ]; then
        cat
    elif command -v gzip >/dev/null 2>&1; then
        gzip -dc
    else
        busybox gzip -dc
    fi
}

main() {
    root=$1 key=$2 path=$3 mode=$4 sum=$5 packing=$6
    umask 022
    new=
    mkdir -p "${path%/*}" || fail "cannot make ${path%/*}"
    [ -z "$key" ] || keep
    new=$path.new
    rm -f "$new"
    # A file that is there keeps its owner and mode.
    if [ -n "$key" ] && [ -f "$path" ]; then
        cp -p "$path" "$new" || fail "cannot write $new"
        mode=
    fi
    unpacked >"$new" || fail "cannot write $new"
    [ "$(sha256sum <"$new" | cut -c 1-64)" = "$sum" ] || fail "$path arrived damaged"
    [ -z "$mode" ] || chmod "$mode" "$new" || fail "cannot write $new"
    sync "$new" 2>/dev/null || sync
    mv -f "$new" "$path" || fail "cannot write $path"
}

main "$@"
