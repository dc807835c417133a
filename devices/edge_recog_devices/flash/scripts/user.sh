# Makes the service's user and gives it its folder, as root.
#
# $1: the folder it is installed into; $2: user; $3: folder of its state; all others: groups.

main() {
    root=$1 user=$2 state=$3
    shift 3
    PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
    names=
    for group in "$@"; do
        getent group "$group" >/dev/null || groupadd --system "$group" || exit 1
        names="$names,$group"
    done
    if ! getent passwd "$user" >/dev/null; then
        : >"$root/flash/user.absent"
        useradd --system --user-group --no-create-home --home-dir /nonexistent \
            --shell /usr/sbin/nologin "$user" || exit 1
    fi
    [ -z "$names" ] || usermod --append --groups "${names#,}" "$user" || exit 1
    # systemd moves it to where only the service sees it when that starts.
    [ -L "$state" ] || chown "$user:$user" "$state" "$state/models" || exit 1
    [ -L "$state" ] || chmod 0700 "$state" "$state/models"
}

main "$@" </dev/null
