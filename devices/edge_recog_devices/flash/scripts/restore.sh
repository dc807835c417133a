# Puts everything back as the journal says that it was.
#
# $1: system or user; $2: the folder it is installed into.

ctl() { if [ "$scope" = user ]; then systemctl --user "$@"; else systemctl "$@"; fi; }

complain() { printf '%s\n' "$*" >&2; failed=yes; }

put_files_back() {
    for file in "$journal"/*.path; do
        [ -e "$file" ] || continue
        kept=${file%.path}
        path=$(cat "$file")
        if [ -e "$kept.absent" ]; then
            rm -f "$path" || complain "cannot remove $path"
        else
            { cp -p "$kept" "$path.new" && sync && mv -f "$path.new" "$path"; } ||
                complain "cannot put $path back; it is in $kept"
        fi
    done
}

put_environment_back() {
    if [ -e "$journal/venv" ]; then
        before=$(cat "$journal/venv")
        case $before in
        absent) rm -f "$root/venv" ;;
        folder)
            if [ -d "$root/venvs/before" ]; then
                { rm -f "$root/venv" && mv "$root/venvs/before" "$root/venv"; } ||
                    complain "cannot put $root/venv back"
            fi
            ;;
        *)
            { ln -sfn "$before" "$root/venv.new" && mv -fT "$root/venv.new" "$root/venv"; } ||
                complain "cannot put $root/venv back"
            ;;
        esac
    fi
    for made in "$root"/venvs/*; do
        [ -d "$made" ] || continue
        grep -qxF "${made##*/}" "$journal/venvs" || rm -rf "$made"
    done
}

# Twice: before the files are back, what must not run is stopped; after, what ran runs again.
put_service_back() {
    if [ ! -e "$journal/service" ]; then
        [ "$1" = before ] || [ ! -e "$journal/service.reloaded" ] || ctl reload edge-recog.service
        return
    fi
    active=$(sed -n 1p "$journal/service")
    case $active in active | activating | reloading) runs=yes ;; *) runs=no ;; esac
    if [ "$1" = before ]; then
        [ "$runs" = yes ] || ctl stop edge-recog.service
        [ "$(sed -n 2p "$journal/service")" = enabled ] || ctl --quiet disable edge-recog.service 2>/dev/null
        return
    fi
    ctl daemon-reload
    [ "$runs" = no ] || ctl restart --no-block edge-recog.service || complain "the service does not start again"
    [ ! -e "$journal/linger.absent" ] || loginctl disable-linger
}

remove_created() {
    # Only whole folders that were not there before; the one with the journal last.
    while read -r folder; do
        [ -n "$folder" ] || continue
        [ "$folder" != "$root" ] || continue
        # systemd has moved the state of the service.
        [ ! -L "$folder" ] || rm -rf "${folder%/*}/private/${folder##*/}"
        rm -rf "$folder" || complain "cannot remove $folder"
    done <"$journal/created"
    [ ! -e "$journal/user.absent" ] || userdel edge-recog || complain "cannot remove the user edge-recog"
}

main() {
    scope=$1 root=$2 journal=$2/flash failed=no
    PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
    : "${XDG_RUNTIME_DIR:=/run/user/$(id -u)}"
    export XDG_RUNTIME_DIR PATH
    [ -d "$journal" ] || return 0
    put_service_back before
    put_files_back
    put_environment_back
    put_service_back after
    remove_created
    rm -rf "$root/incoming"
    sync
    [ $failed = no ] || exit 1
    if grep -qxF "$root" "$journal/created"; then
        parents=$(cat "$journal/parents")
        rm -rf "$root"
        # What else somebody has put there meanwhile stays.
        printf '%s\n' "$parents" | while read -r folder; do
            [ -z "$folder" ] || rmdir "$folder" 2>/dev/null || :
        done
    else
        mv "$journal" "$root/flash.old" && rm -rf "$root/flash.old"
    fi
}

main "$@" </dev/null
