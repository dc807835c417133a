#!/bin/bash
# Written by edge-recog flash
# The first boot of Raspberry Pi OS bookworm: systemd runs this and nothing else (cmdline.txt), then
# reboots. Every step may be done again: if the power is cut, the next boot begins anew. A step that
# fails is told in edge-recog-first-boot.log, and the others go on, so that one can log in and look.
# At the end it takes itself out of cmdline.txt, whatever has happened before.
#
# shellcheck disable=SC2317 # steps are called by name
set -uo pipefail
umask 022

MOST_ATTEMPTS=8

say() { printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*"; }

set_hostname() {
    printf '%s\n' "$NEW_HOSTNAME" >/etc/hostname.new && mv -f /etc/hostname.new /etc/hostname || return
    { grep -v '^127\.0\.1\.1[[:space:]]' /etc/hosts && printf '127.0.1.1\t%s\n' "$NEW_HOSTNAME"; } >/etc/hosts.new &&
        mv -f /etc/hosts.new /etc/hosts
}

make_login() {
    local first home group
    [[ -n $LOGIN ]] || return 0
    first=$(getent passwd 1000 | cut -d: -f1)
    if ! getent passwd "$LOGIN" >/dev/null; then
        if [[ -n $first && -x /usr/lib/userconf-pi/userconf ]]; then
            # The image's own user, pi, gets the name.
            /usr/lib/userconf-pi/userconf "$LOGIN" '' || say "renaming $first was not complete"
        else
            useradd --create-home --user-group --shell /bin/bash "$LOGIN" || return
        fi
    fi
    getent passwd "$LOGIN" >/dev/null || return
    for group in $LOGIN_GROUPS; do
        ! getent group "$group" >/dev/null || usermod --append --groups "$group" "$LOGIN" || return
    done
    # Nobody comes in by password.
    usermod --lock "$LOGIN" || return
    [[ ! -x /usr/bin/cancel-rename ]] || /usr/bin/cancel-rename "$LOGIN" || say "the wizard was not cancelled"
    printf '%s ALL=(ALL) NOPASSWD: ALL\n' "$LOGIN" >/etc/sudoers.d/010_edge-recog.new || return
    chmod 440 /etc/sudoers.d/010_edge-recog.new && mv -f /etc/sudoers.d/010_edge-recog.new /etc/sudoers.d/010_edge-recog || return
    home=$(getent passwd "$LOGIN" | cut -d: -f6)
    install -d -m 755 "$home" && install -d -m 700 "$home/.ssh" || return
    { cat "$home/.ssh/authorized_keys" 2>/dev/null; cat "$payload/authorized_keys"; } |
        awk '!seen[$0]++' >"$home/.ssh/authorized_keys.new" || return
    chmod 600 "$home/.ssh/authorized_keys.new" && mv -f "$home/.ssh/authorized_keys.new" "$home/.ssh/authorized_keys" || return
    chown "$LOGIN:" "$home" && chown -R "$LOGIN:" "$home/.ssh"
}

allow_ssh() {
    [[ -n $LOGIN ]] || return 0
    install -d -m 755 /etc/ssh/sshd_config.d || return
    echo 'PasswordAuthentication no' >/etc/ssh/sshd_config.d/010-edge-recog.conf || return
    systemctl enable ssh
}

join_wifi() {
    local to=/etc/NetworkManager/system-connections/edge-recog.nmconnection
    [[ -n $WIFI_COUNTRY ]] || return 0
    # NetworkManager reads none that others can read.
    install -D -m 600 "$payload/edge-recog.nmconnection" "$to"
}

# Each step has a shell of its own, so that none can end this one.
step() { ("$@") || say "failed: $1"; }

leave() {
    sed -E 's/ systemd\.run(_success_action|_failure_action)?=[^ ]*//g; s/ systemd\.unit=kernel-command-line\.target//g' \
        "$boot/cmdline.txt" >"$boot/cmdline.new" && [[ -s $boot/cmdline.new ]] || exit 1
    sync
    mv -f "$boot/cmdline.new" "$boot/cmdline.txt"
    rm -rf "$boot/firstrun.sh" "$payload.edge-recog-old"
    sync
    exit 0
}

main() {
    local boot payload log
    boot=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit 1
    payload=$boot/edge-recog
    log=$boot/edge-recog-first-boot.log
    exec >>"$log" 2>&1
    say "first boot begins"
    if (($(grep -c 'first boot begins$' "$log") > MOST_ATTEMPTS)); then
        say "failed: $MOST_ATTEMPTS attempts did not reach the end"
        leave
    fi
    # Nothing to do is what a power cut between the last two steps leaves.
    if [[ ! -d $payload ]]; then
        leave
    fi
    if ! (cd "$payload" && sha256sum --check --quiet SHA256SUMS); then
        say "failed: the card is damaged; prepare it again"
        leave
    fi
    # shellcheck source=/dev/null
    source "$payload/settings"
    step set_hostname
    step make_login
    step allow_ssh
    step join_wifi
    # It tells itself what went wrong, and leaves what it needs to be run again.
    bash "$payload/setup.sh" --before-reboot
    say "first boot ends"
    leave
}

main "$@"
