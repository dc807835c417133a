# Becomes a program once no other of a flash is at work on this machine: also none that was left
# behind when a connection ended.
#
# $1: begin, to be the flash that counts from here on, or go-on; $2: by which this flash is told from
# others; $3: name of the lock; $4: for how many seconds another may still be at work; all others: the
# program. Exits with 76 if another flash is the one that counts.

fail() {
    status=$1
    shift
    printf '%s\n' "$*" >&2
    exit "$status"
}

main() {
    how=$1 mine=$2 name=$3 patience=$4
    shift 4
    # Neither outlives the machine's next start, as no flash does.
    folder=/run
    if [ "$(id -u)" != 0 ]; then
        folder=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}
        [ -w "$folder" ] || folder=/tmp
    fi
    lock=$folder/$name
    busy=1
    [ "$how" != begin ] || busy=76
    umask 077
    command -v flock >/dev/null 2>&1 || fail 1 "flock is missing: sudo apt install util-linux"
    # Held until the program ends, and all that it has started.
    exec 9>>"$lock" || fail 1 "cannot write $lock"
    flock -w "$patience" 9 ||
        fail $busy "another flash is still at work there: try again in some minutes, or start the device anew"
    if [ "$how" = begin ]; then
        printf '%s\n' "$mine" >"$lock" || fail 1 "cannot write $lock"
    else
        [ "$(cat "$lock")" = "$mine" ] || fail 76 "another flash has begun there meanwhile, and goes on"
    fi
    exec "$@"
}

main "$@"
