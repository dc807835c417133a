#!/bin/bash
# Written by edge-recog flash
# Installs what lies beside it and starts the service. Everything may be done again: after a power
# cut it begins anew, and what is complete already is left alone. Without network.
#
#   sudo bash /boot/firmware/edge-recog/setup.sh              what cloud-init starts; logs by itself
#   bash setup.sh --before-reboot                             what firstrun.sh calls: starts nothing
set -uo pipefail
umask 022

say() { printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*"; }

fail() {
    say "failed: $*"
    sync
    exit 1
}

# put SOURCE TARGET MODE: whole or not at all.
put() {
    if ! cmp -s "$1" "$2"; then
        install -D -m "$3" "$1" "$2.new" || fail "writing $2"
        sync "$2.new"
        mv -f "$2.new" "$2" || fail "writing $2"
    fi
    chmod "$3" "$2" || fail "writing $2"
}

make_user() {
    local group
    for group in $SERVICE_GROUPS; do
        getent group "$group" >/dev/null || groupadd --system "$group" || fail "making the group $group"
    done
    getent passwd "$SERVICE_USER" >/dev/null ||
        useradd --system --user-group --no-create-home --home-dir /nonexistent \
            --shell /usr/sbin/nologin "$SERVICE_USER" || fail "making the user $SERVICE_USER"
    usermod --append --groups "${SERVICE_GROUPS// /,}" "$SERVICE_USER" || fail "putting $SERVICE_USER into its groups"
}

make_environment() {
    local venv=$FOLDER/venv pip=(-m pip) wheel
    mkdir -p "$FOLDER" || fail "making $FOLDER"
    # Never half of an old one: --clear empties it.
    if ! /usr/bin/python3 -m venv --clear --system-site-packages "$venv"; then
        say "python3-venv is not installed; looking for pip among the wheels"
        /usr/bin/python3 -m venv --clear --system-site-packages --without-pip "$venv" || fail "making $venv"
        for wheel in "$here"/wheels/pip-*.whl; do
            [[ -e $wheel ]] || fail "there is no pip: sudo apt install python3-venv, then run $here/setup.sh"
            pip=("$wheel/pip")
        done
    fi
    PIP_CONFIG_FILE=/dev/null PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 \
        "$venv/bin/python" "${pip[@]}" install --no-index --no-cache-dir --no-input --quiet \
        --find-links "$here/wheels" --constraint "$here/constraints.txt" "$REQUIREMENT" ||
        fail "installing $REQUIREMENT"
}

install_files() {
    local file
    # What somebody has set up there is kept beside.
    if [[ -e /etc/edge-recog/config.toml ]] && ! cmp -s "$here/config.toml" /etc/edge-recog/config.toml; then
        cp -p /etc/edge-recog/config.toml /etc/edge-recog/config.toml.before || fail "keeping the old configuration"
    fi
    put "$here/config.toml" /etc/edge-recog/config.toml 644
    [[ ! -e $here/updates-root.json ]] || put "$here/updates-root.json" /etc/edge-recog/updates-root.json 644
    put "$here/edge-recog.service" /etc/systemd/system/edge-recog.service 644
    for file in "$here"/rules/*.rules; do
        [[ -e $file ]] || continue
        put "$file" "/etc/udev/rules.d/${file##*/}" 644
        udevadm control --reload || say "udev reads its rules at the next boot"
    done
}

allow_wifi() {
    local state
    [[ -n $WIFI_COUNTRY ]] || return 0
    # The images switch Wi-Fi off until somebody names a country; cmdline.txt does so now.
    rfkill unblock wifi || say "rfkill did not unblock Wi-Fi"
    for state in /var/lib/systemd/rfkill/*:wlan; do
        [[ ! -e $state ]] || echo 0 >"$state"
    done
    state=/var/lib/NetworkManager/NetworkManager.state
    [[ ! -e $state ]] || sed -i 's/^WirelessEnabled=false$/WirelessEnabled=true/' "$state"
    [[ $start != yes ]] || nmcli radio wifi on || say "NetworkManager did not switch Wi-Fi on"
}

main() {
    local here start=yes digest options
    here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit 1
    if [[ ${1:-} == --before-reboot ]]; then
        start=no
    else
        exec >>"$here/../edge-recog-first-boot.log" 2>&1
    fi
    cd "$here" || exit 1
    say "setup begins"
    sha256sum --check --quiet SHA256SUMS || fail "the card is damaged; prepare it again"
    # shellcheck source=/dev/null
    source "$here/settings"
    digest=$(sha256sum <SHA256SUMS)
    allow_wifi
    if [[ -n $LOGIN && $start == yes ]]; then
        # cloud-init has made the user; without this the wizard for the first user would still come.
        [[ ! -x /usr/bin/cancel-rename ]] || /usr/bin/cancel-rename "$LOGIN" || say "the wizard was not cancelled"
        systemctl enable --now --no-block ssh || say "ssh could not be enabled"
    fi
    if [[ $(cat "$FOLDER/installed" 2>/dev/null) == "$digest" ]]; then
        say "all of this is installed already"
    else
        rm -f "$FOLDER/installed"
        make_user
        make_environment
        install_files
        # Into the service's store, after it was tried here: the service runs it on trial.
        mapfile -t options <"$here/install-options"
        "$FOLDER/venv/bin/edge-recog" model install --quiet "${options[@]}" "$here/models/$MODEL" || fail "the model does not do on this device what it must"
    fi
    systemctl daemon-reload || say "systemd reads the unit at the next boot"
    systemctl enable edge-recog.service || fail "enabling the service"
    sync
    printf '%s\n' "$digest" >"$FOLDER/installed.new" || fail "writing $FOLDER/installed"
    mv -f "$FOLDER/installed.new" "$FOLDER/installed" || fail "writing $FOLDER/installed"
    sync
    [[ $start != yes ]] || systemctl restart --no-block edge-recog.service || say "the service did not start"
    say "setup is complete"
    # The room on the boot partition is needed for new kernels. Half of a payload would be taken for
    # a damaged one.
    cd / || exit 1
    mv -f "$here" "$here.edge-recog-old" && rm -rf "$here.edge-recog-old"
    sync
    exit 0
}

main "$@"
