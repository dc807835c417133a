#!/bin/busybox sh
# The first program of the virtual Pi: loads modules, sets up the network, and hands over to systemd.
box=/bin/busybox
$box mount -t proc proc /proc
$box mount -t sysfs sys /sys
$box mount -t devtmpfs dev /dev
while read -r module; do
    options=
    # One camera, that takes pictures only, and none of the switches that make it fail.
    [ "$module" != vivid ] || options="n_devs=1 node_types=0x1 no_error_inj=1"
    $box insmod "/modules/$module" $options || echo "virtual-pi: no $module"
done </modules/order
# User-mode networking of qemu; only what it forwards gets in, nothing gets out.
$box ifconfig lo up
$box ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
$box mount -t ext4 -o noatime /dev/vda /root
$box umount /proc
$box umount /sys
exec $box switch_root /root /usr/sbin/init
