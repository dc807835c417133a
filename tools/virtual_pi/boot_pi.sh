#!/bin/bash
# Switches the virtual Pi on: boot_pi.sh PORT [DISK]. Its console is stdout; ssh answers on
# 127.0.0.1:PORT.
#
# What it writes is forgotten when it ends, so it always begins as make_pi.sh made it, unless a copy
# of a disk is named: that keeps it, as one does whose power is cut. It has the processor of a
# Raspberry Pi 4, emulated: its times mean nothing.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"
pi=$built/pi
[[ -e $pi/made ]] || fail "there is no virtual Pi yet: make virtual-pi"
disk=${2:-$pi/disk} forget=on
(($# < 2)) || forget=off
exec qemu-system-aarch64 -machine virt -accel tcg,thread=multi -cpu cortex-a72 -smp 2 -m 1024 \
    -nographic -no-reboot \
    -netdev "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:$1-:22" -device virtio-net-pci,netdev=net,romfile= \
    -drive "file=$disk,if=virtio,format=raw,snapshot=$forget" -device virtio-rng-pci \
    -kernel "$pi/kernel" -initrd "$pi/initrd" \
    -append "console=ttyAMA0 quiet loglevel=3 panic=-1 systemd.show_status=no"
