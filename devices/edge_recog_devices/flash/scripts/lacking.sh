# Tells which files are not there yet, or not as they should be: their names, one a line.
#
# $1: folder; then in turn: name, SHA-256.

main() {
    folder=$1
    shift
    while [ $# -ge 2 ]; do
        have=
        [ ! -f "$folder/$1" ] || have=$(sha256sum <"$folder/$1" | cut -c 1-64)
        [ "$have" = "$2" ] || printf '%s\n' "$1"
        shift 2
    done
}

main "$@" </dev/null
