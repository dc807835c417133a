#!/bin/bash
# Runs a program in an emulated system: inside.sh SYSTEM PROGRAM ARGUMENT…
#
# The program finds the copy of the checkout in its folder, and is there an ordinary user. It sees no
# network but its own loopback and none of this machine's processes and files, and no root is needed.
# EMULATED_ENV="A=1 B=2" is handed on to it. Times in there mean nothing.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/system.sh" "$1"
[[ -d $packages ]] || fail "there is no $1 yet: make emulated SYSTEMS=$1"

if [[ ${2:-} != --kernel-knows ]]; then
    shift
    ! grep -qs '^flags:.*F' "/proc/sys/fs/binfmt_misc/${qemu%-static}" ||
        exec "${BASH_SOURCE[0]}" "$(basename "$built")" --kernel-knows "$@"
    # The kernel is told how to start programs for ARM, for this process and its children alone.
    exec unshare --user --map-root-user --mount -- \
        "${BASH_SOURCE[0]}" "$(basename "$built")" --kernel-knows --tell "$@"
fi
shift 2
if [[ ${1:-} == --tell ]]; then
    shift
    mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc 2>/dev/null ||
        fail "this kernel lets nobody but root say how programs for ARM are started (Linux 6.7 and later do). Install qemu-user-static together with binfmt-support, which say it at boot"
    # An ELF file's first 20 bytes: class (32 or 64 bits), little-endian, and the machine.
    case $architecture in
    arm64) class='\x02' machine='\xb7' ;;
    armhf) class='\x01' machine='\x28' ;;
    esac
    zeros='\x00\x00\x00\x00\x00\x00\x00\x00' ones='\xff\xff\xff\xff\xff\xff\xff\xff'
    printf '%s' ":${qemu%-static}:M::\x7fELF$class\x01\x01\x00$zeros\x02\x00$machine\x00" \
        ":\xff\xff\xff\xff\xff\xff\xff\x00$ones\xfe\xff\xff\xff:$(command -v $qemu):POCF" \
        >/proc/sys/fs/binfmt_misc/register
fi
read -ra more <<<"${EMULATED_ENV:-}"
settings=()
for setting in "${more[@]}"; do
    settings+=(--setenv "${setting%%=*}" "${setting#*=}")
done
# LiteRT asks /proc and /sys what processor this is, and crashes when it is told of this machine's.
shared=()
[[ ! -d $checkout/../shared/data ]] || shared=(--ro-bind "$checkout/../shared/data" /checkout/shared/data)
exec bwrap --bind "$root" / --dev /dev --proc /proc --tmpfs /run \
    "${shared[@]}" --ro-bind "$built/cpuinfo" /proc/cpuinfo --ro-bind "$built/sys" /sys \
    --unshare-user --uid 1000 --gid 1000 --unshare-net --unshare-pid --unshare-ipc --die-with-parent \
    --chdir /checkout/edge_recog --clearenv \
    --setenv HOME /home/pi --setenv PATH "$environment/bin:/usr/bin:/usr/sbin" --setenv LANG C.UTF-8 \
    --setenv EMULATED 1 --setenv QEMU_CPU "$processor" "${settings[@]}" "$@"
