# Tells what this machine is and has, one `key=value` a line; several values stand between tabs.
# Needs a POSIX sh and what busybox has; changes nothing.
#
# $1: the folder to install into, absolute.
# $2: where the machine's files are, for tests: empty for /.

# Whatever a machine writes about itself becomes printable ASCII in one line.
clean() { printf '%s' "$1" | tr -cd ' -~'; }

say() {
    printf '%s=' "$1"
    shift
    between=''
    for value in "$@"; do
        printf '%s%.200s' "$between" "$(clean "$value")"
        between=$(printf '\t')
    done
    printf '\n'
}

# Line 1 of a file, without the NUL that ends texts of the device tree.
line() { { tr -d '\000' <"$1" | head -n 1; } 2>/dev/null; }

has() { command -v "$1" >/dev/null 2>&1; }

yes_if() { if "$@" >/dev/null 2>&1; then printf yes; else printf no; fi; }

board() {
    found=$(line "$root/proc/device-tree/model")
    [ -n "$found" ] || found=$(sed -n 's/^Model[[:space:]]*: *//p' "$root/proc/cpuinfo" 2>/dev/null)
    [ -n "$found" ] || found=$(line "$root/sys/class/dmi/id/product_name")
    say board "$found"
    say hostname "$(uname -n)"
}

# The kernel may have 64 bits where the programs have 32: the header of one says (ELF, offsets 4, 18).
system() {
    say kernel "$(uname -m)"
    # shellcheck disable=SC2046 # one word a byte
    set -- $(od -An -v -tu1 -N20 "$root/bin/sh" 2>/dev/null)
    case "${5-}:${19-}" in
    2:183) say userland aarch64 ;;
    2:62) say userland x86_64 ;;
    1:40) if [ "$(uname -m)" = armv6l ]; then say userland armv6l; else say userland armv7l; fi ;;
    1:3) say userland i686 ;;
    *) say userland other ;;
    esac
    libc=$(getconf GNU_LIBC_VERSION 2>/dev/null)
    for file in "$root"/lib/ld-musl-*; do
        [ -n "$libc" ] || { [ -e "$file" ] && libc=musl; }
    done
    say libc "$libc"
    os_id='' os_version='' os_name=''
    for file in "$root/etc/os-release" "$root/usr/lib/os-release"; do
        [ -r "$file" ] || continue
        # Not sourced: it is text, not a program.
        while IFS='=' read -r name value; do
            value=${value#[\"\']} value=${value%[\"\']}
            case $name in
            ID) os_id=$value ;;
            VERSION_ID) os_version=$value ;;
            PRETTY_NAME) os_name=$value ;;
            esac
        done <"$file"
        break
    done
    say os "$os_id" "$os_version" "$os_name"
    say raspberry_pi_os "$(yes_if test -e "$root/etc/rpi-issue")"
}

processor() {
    cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || nproc 2>/dev/null)
    case $cores in '' | *[!0-9]*) ;; *) say cores "$cores" ;; esac
    total='' available=''
    while read -r name value _; do
        case $name in
        MemTotal:) total=$value ;;
        MemAvailable:) available=$value ;;
        esac
    done 2>/dev/null <"$root/proc/meminfo"
    case $total in '' | *[!0-9]*) ;; *) say memory.total_kib "$total" ;; esac
    case $available in '' | *[!0-9]*) ;; *) say memory.available_kib "$available" ;; esac
}

# One a Python: path, version, implementation, bits, venv, picamera2, free-threaded.
pythons() {
    seen=
    count=0
    for name in /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do
        path=$(command -v "$name" 2>/dev/null) || continue
        told=$("$path" -I -c "$PYTHON_TELLS" 2>/dev/null) || continue
        set -f
        IFS='
'
        # shellcheck disable=SC2086 # one word a line
        set -- $told
        unset IFS
        set +f
        [ $# -eq 7 ] || continue
        case "$seen" in *"<$1>"*) continue ;; esac
        seen="$seen<$1>"
        say python "$@"
        count=$((count + 1))
        [ $count -lt 8 ] || break
    done
}

PYTHON_TELLS='
import os, platform, struct, sys, sysconfig
from importlib.util import find_spec
def has(*names):
    try:
        return "yes" if all(map(find_spec, names)) else "no"
    except Exception:
        return "no"
print(os.path.realpath(sys.executable))
print(".".join(map(str, sys.version_info[:3])))
print(platform.python_implementation())
print(struct.calcsize("P") * 8)
print(has("venv", "ensurepip"))
print(has("picamera2", "libcamera"))
print("yes" if sysconfig.get_config_var("Py_GIL_DISABLED") else "no")
'

folder() {
    existing=$folder
    while [ -n "$existing" ] && [ ! -d "$root$existing" ]; do existing=${existing%/*}; done
    existing=${existing:-/}
    say folder "$folder" "$existing"
    # The mount point is all from the sixth word on.
    # shellcheck disable=SC2046
    set -- $(df -Pk "$root$existing" 2>/dev/null | tail -n 1)
    if [ $# -ge 6 ]; then
        free=$4
        shift 5
        mount="$*" options=''
        while read -r _ where _ found _; do
            # A later line covers an earlier one.
            [ "$where" != "$mount" ] || options=$found
        done </proc/mounts
        case $free in '' | *[!0-9]*) ;; *) say folder.free_kib "$free" ;; esac
        case ",$options," in
        ,,) ;;
        *,ro,*) say folder.read_only yes ;;
        *) say folder.read_only no ;;
        esac
    fi
    say folder.writable "$(yes_if test -w "$root$existing")"
}

cameras() {
    found=no
    for name in rpicam-hello libcamera-hello cam; do has "$name" && found=yes; done
    for file in "$root"/usr/lib/libcamera.so* "$root"/usr/lib/*/libcamera.so*; do
        [ -e "$file" ] && found=yes
    done
    say libcamera $found
    count=0
    for node in "$root"/dev/video[0-9]*; do
        [ -e "$node" ] || continue
        open=no
        [ -r "$node" ] && [ -w "$node" ] && open=yes
        name=${node##*/}
        say camera "/dev/$name" "$(line "$root/sys/class/video4linux/$name/name")" $open
        count=$((count + 1))
        [ $count -lt 64 ] || break
    done
}

user() {
    say user "$(id -un)"
    say groups "$(id -Gn)"
    known=
    while IFS=: read -r name _; do
        case $name in video | render | plugdev | apex) known="$known $name" ;; esac
    done 2>/dev/null <"$root/etc/group"
    say groups.known "${known# }"
    sudo=password
    if [ "$(id -u)" = 0 ]; then
        sudo=root
    elif ! has sudo; then
        sudo=absent
    elif sudo -n true >/dev/null 2>&1; then
        sudo=free
    fi
    say sudo $sudo
}

services() {
    [ -d "$root/run/systemd/system" ] || return 0
    # shellcheck disable=SC2046
    set -- $(systemctl --version 2>/dev/null | head -n 1)
    case ${2-} in '' | *[!0-9]*) ;; *) say systemd "$2" ;; esac
    say service "$(systemctl is-active edge-recog.service 2>/dev/null)"
}

clock() {
    say clock.now_s "$(date +%s)"
    # systemd-timesyncd makes this file when it has set the clock.
    if [ -d "$root/run/systemd/timesync" ]; then
        say clock.synchronized "$(yes_if test -e "$root/run/systemd/timesync/synchronized")"
    else
        answer=$(timedatectl show -p NTPSynchronized --value 2>/dev/null)
        case $answer in yes | no) say clock.synchronized "$answer" ;; esac
    fi
}

accelerators() {
    for device in "$root"/sys/bus/usb/devices/*; do
        id=$(line "$device/idVendor"):$(line "$device/idProduct")
        case $id in
        1a6e:089a | 18d1:9302) say accelerator coral-usb "$id" "$(line "$device/speed")" ;;
        esac
    done
    for device in "$root"/sys/bus/pci/devices/*; do
        id=$(line "$device/vendor"):$(line "$device/device")
        [ "$id" != 0x1ac1:0x089a ] || say accelerator coral-pci 1ac1:089a ""
    done
    say apex "$(yes_if test -e "$root/dev/apex_0")"
    for where in usr/lib 'usr/lib/*-linux-gnu*' usr/local/lib lib 'opt/*/lib'; do
        # shellcheck disable=SC2086 # a pattern
        for file in "$root"/$where/libedgetpu.so.1; do
            [ -e "$file" ] || continue
            say edgetpu_library "${file#"$root"}"
            return
        done
    done
}

# By the name of what pip writes: starting the program would take seconds on a small device.
installed() {
    count=0
    for where in "$folder" "$folder/venv" /usr/local "$HOME/.local" "$HOME/.venv"; do
        for about in "$root$where"/lib/python3*/site-packages/edge_recog-*.dist-info \
            "$root$where"/lib/python3*/dist-packages/edge_recog-*.dist-info; do
            [ -d "$about" ] || continue
            version=${about##*/edge_recog-}
            say installed "$where" "${version%.dist-info}"
            count=$((count + 1))
            [ $count -lt 8 ] || return
        done
    done
}

# A file that may be root's alone.
peek() { cat "$1" 2>/dev/null || { [ "$sudo" = free ] && sudo -n cat "$1" 2>/dev/null; }; }

# The model that the service is told to run, and its id as far as it can be told.
model() {
    config=$root/etc/edge-recog/config.toml
    [ -e "$config" ] || return 0
    text=$(peek "$config") || { say model "" unreadable; return 0; }
    # What stands before the first section.
    named=$(printf '%s\n' "$text" | sed -n -e '/^[[:space:]]*\[/q' \
        -e "s/^[[:space:]]*model[[:space:]]*=[[:space:]]*[\"']\([^\"']*\)[\"'].*/\1/p" | head -n 1)
    named=${named:-built-in}
    digest=''
    case $named in
    /*) [ -r "$root$named" ] && digest=$(sha256sum "$root$named" 2>/dev/null) ;;
    active)
        digest=$(peek "$root/var/lib/edge-recog/models/state.json" |
            sed -n 's/^ *"active": *"\([0-9a-f]*\)".*/\1/p' | head -n 1)
        ;;
    esac
    digest=${digest%% *}
    [ ${#digest} -eq 64 ] || digest=''
    say model "$named" "$digest"
}

main() {
    folder=$1 root=${2-}
    LC_ALL=C PATH=$PATH:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin
    export LC_ALL PATH
    HOME=${HOME:-/}
    printf 'edge-recog-facts 1\n'
    board
    system
    processor
    pythons
    folder
    cameras
    user
    services
    clock
    accelerators
    installed
    model
    printf 'end\n'
}

main "$@" </dev/null
