#!/bin/bash
# Makes a virtual Raspberry Pi in build/virtual-pi/pi: a disk with Debian trixie for ARM as it comes
# (`bare`) and one with our runtime as well (`disk`), a kernel, and what mounts them for it. Nothing is
# done if they are there already.
# tools/virtual_pi/boot_pi.sh switches it on.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"
pi=$built/pi
stamp=$(digest tools/virtual_pi/{make_pi.sh,pi_init.sh} "${sources[@]}")
if [[ ${1:-} != --as-root ]]; then
    need mmdebstrap:mmdebstrap qemu-system-aarch64:qemu-system-arm cpio:cpio depmod:kmod xz:xz-utils \
        mke2fs:e2fsprogs ssh-keygen:openssh-client ssh:openssh-client fakeroot:fakeroot
    "$tools/make_camera.sh" # whose Python compiles for this one
    mkdir -p "$pi"
    exec 9>"$built/pi.lock"
    flock 9 # of several at a time one makes it
    [[ $(cat "$pi/made" 2>/dev/null) != "$stamp" ]] || exit 0
    rm -f "$pi/made"
    packages=(base-files base-passwd bash busybox-static coreutils dash dbus findutils grep gzip iproute2
        kmod libc-bin libgomp1 libnss-systemd libpam-modules libpam-runtime libstdc++6
        linux-image-arm64 login mount openssh-server passwd procps python3 python3-venv sed systemd
        systemd-sysv udev util-linux)
    if [[ $(cat "$pi/made-system" 2>/dev/null) != "$debian ${packages[*]}" ]]; then
        system arm64 "$pi/system.tar" "${packages[@]}"
        echo "$debian ${packages[*]}" >"$pi/made-system"
    fi
    # Its files belong to its root, whoever makes them.
    ((EUID == 0)) || exec fakeroot "${BASH_SOURCE[0]}" --as-root
fi
PATH=$PATH:/usr/sbin:/sbin

root=$(mktemp -d "$pi/root.XXXX")
trap 'rm -rf "$root"' EXIT
tar -xf "$pi/system.tar" -C "$root" --exclude='./dev/*'

# What the packages' own scripts would have done, had they run.
cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
sed 's/^\([^:]*\):.*/\1:*:20000:0:99999:7:::/' "$root/etc/passwd" >"$root/etc/shadow"
sed 's/^\([^:]*\):.*/\1:*::/' "$root/etc/group" >"$root/etc/gshadow"
chmod 640 "$root/etc/shadow" "$root/etc/gshadow"
ln -sf dash "$root/usr/bin/sh"
cat "$root"/usr/share/ca-certificates/mozilla/*.crt >"$root/etc/ssl/certs/ca-certificates.crt" # pip reads it
echo virtual-pi >"$root/etc/hostname"
echo 'nameserver 10.0.2.3' >"$root/etc/resolv.conf"
echo 'passwd: files systemd
group: files systemd' >"$root/etc/nsswitch.conf"
: >"$root/etc/fstab"
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
mkdir -p "$root/etc/systemd/journald.conf.d" "$root/etc/systemd/system/multi-user.target.wants"
# As Raspberry Pi OS: the journal is in memory.
printf '[Journal]\nStorage=volatile\n' >"$root/etc/systemd/journald.conf.d/volatile.conf"
ln -s /usr/lib/systemd/system/ssh.service "$root/etc/systemd/system/multi-user.target.wants/"
# What writes to the disk by itself, or is of no use here.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
    systemd-random-seed.service systemd-hwdb-update.service systemd-binfmt.service \
    proc-sys-fs-binfmt_misc.automount getty.target systemd-networkd.service; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

# Logging in: by a key that only this checkout has.
[[ -e $pi/key ]] || ssh-keygen -q -t ed25519 -N '' -C virtual-pi -f "$pi/key"
mkdir -m 700 "$root/root/.ssh"
install -m 600 "$pi/key.pub" "$root/root/.ssh/authorized_keys"
mkdir -p "$root/etc/ssh" "$root/etc/sysusers.d"
ssh-keygen -q -t ed25519 -N '' -C virtual-pi -f "$root/etc/ssh/ssh_host_ed25519_key"
echo 'u sshd - "sshd" /run/sshd /usr/sbin/nologin' >"$root/etc/sysusers.d/sshd.conf"
echo 'UsePAM no
PasswordAuthentication no
HostKey /etc/ssh/ssh_host_ed25519_key
UseDNS no' >"$root/etc/ssh/sshd_config"
printf 'virtual-pi %s\n' "$(cut -d' ' -f1,2 "$root/etc/ssh/ssh_host_ed25519_key.pub")" >"$pi/known_hosts"

# Kernel, and in front of the disk the modules that it takes to get there, and a camera.
cp "$root"/boot/vmlinuz-* "$pi/kernel"
version=$(ls "$root/usr/lib/modules")
depmod -b "$root/usr" "$version" 2>/dev/null
early=$(mktemp -d "$pi/early.XXXX")
trap 'rm -rf "$root" "$early"' EXIT
mkdir -p "$early"/{bin,dev,proc,sys,root,modules}
cp "$root/usr/bin/busybox" "$early/bin/"
install -m 755 "$tools/pi_init.sh" "$early/init"
for module in virtio_blk virtio_net virtio_rng ext4 autofs4 vivid; do
    modprobe -d "$root" -S "$version" --show-depends "$module" | while read -r what path _; do
        [[ $what == insmod ]] || continue # built in
        name=$(basename "$path" .ko.xz)
        [[ ! -e $early/modules/$name ]] || continue
        xz -dc "$path" >"$early/modules/$name"
        echo "$name" >>"$early/modules/order"
    done
done
(cd "$early" && find . | cpio --quiet -o -H newc | gzip -1) >"$pi/initrd"
rm -rf "$root"/boot/* "$root/usr/lib/modules" "$early"

disk() {
    rm -f "$pi/$1"
    mke2fs -q -F -t ext4 -E lazy_itable_init=0,lazy_journal_init=0 -d "$root" "$pi/$1" 1200M
}

byte_code "$root"
disk bare
runtime aarch64 "$root"
byte_code "$root"
disk disk
echo "$stamp" >"$pi/made"
