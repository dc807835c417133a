# What the scripts beside this one share; they source it: `source system.sh SYSTEM`.
#
# Debian's packages come from where this machine's apt gets them, Python's from where its pip does.

# shellcheck source=../virtual_pi/packages.sh
source "$(dirname "${BASH_SOURCE[0]}")/../virtual_pi/packages.sh"
tools=$checkout/tools/emulated
built=$checkout/build/emulated/$1

fail() {
    echo "emulated: $*" >&2
    exit 1
}

# Raspberry Pi OS is Debian: 12 is bookworm (its OS of 2023), 13 is trixie (of 2025).
case $1 in
bookworm-aarch64) debian=bookworm python=3.11 architecture=arm64 qemu=qemu-aarch64-static glibc=2_36 ;;
trixie-aarch64) debian=trixie python=3.13 architecture=arm64 qemu=qemu-aarch64-static glibc=2_40 ;;
bookworm-armv7l) debian=bookworm python=3.11 architecture=armhf qemu=qemu-arm-static glibc=2_36 ;;
*) fail "there is no system '$1'; there are bookworm-aarch64, trixie-aarch64 and bookworm-armv7l" ;;
esac
case $architecture in
arm64) processor=cortex-a72 ;; # a Raspberry Pi 4's
armhf) processor=cortex-a15 ;; # the newest of 32 bits that qemu knows
esac

root=$built/root
environment=/opt/edge-recog
packages=$root$environment/lib/python$python/site-packages
