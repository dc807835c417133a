# Starts the service, starts it anew, or has it look at its model again.
#
# $1: system or user; $2: the folder it is installed into; $3: start, restart or reload.

ctl() { if [ "$scope" = user ]; then systemctl --user "$@"; else systemctl "$@"; fi; }

# A user's services run without a log-in only if that is said.
linger() {
    [ ! -e "/var/lib/systemd/linger/$(id -un)" ] || return 0
    command -v loginctl >/dev/null 2>&1 || return 0
    : >"$root/flash/linger.absent"
    loginctl enable-linger ||
        echo "it runs only while you are logged in: sudo loginctl enable-linger $(id -un)" >&2
}

main() {
    scope=$1 root=$2 how=$3
    : "${XDG_RUNTIME_DIR:=/run/user/$(id -u)}"
    export XDG_RUNTIME_DIR
    if [ "$how" = reload ]; then
        : >"$root/flash/service.reloaded"
        ctl reload edge-recog.service
        return
    fi
    kept=$root/flash/service
    if [ ! -e "$kept" ]; then
        { ctl is-active edge-recog.service; ctl is-enabled edge-recog.service; } >"$kept.new" 2>/dev/null
        mv "$kept.new" "$kept"
        sync
    fi
    [ "$scope" = system ] || linger
    ctl daemon-reload || exit 1
    for rule in "$root"/flash/rule-*.path; do
        [ -e "$rule" ] || continue
        { udevadm control --reload && udevadm trigger; } || echo "udev reads its rules at the next boot" >&2
        break
    done
    ctl --quiet enable edge-recog.service || exit 1
    ctl reset-failed edge-recog.service 2>/dev/null
    # What becomes of it is looked at from outside.
    ctl restart --no-block edge-recog.service
}

main "$@" </dev/null
