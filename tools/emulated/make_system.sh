#!/bin/bash
# Makes an emulated system in build/emulated/SYSTEM: make_system.sh SYSTEM. Nothing is done if it is
# there already. tools/emulated/inside.sh runs programs in it. No root is needed.
#
# It is a Debian whose packages are unpacked and not set up, and an environment as
# `python3 -m venv --system-site-packages` makes it, with the packages that edge-recog[daemon] needs
# and those that its tests need. edge-recog itself and its tests are put in by run.py.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/system.sh" "$1"
need mmdebstrap:mmdebstrap bwrap:bubblewrap unshare:util-linux "$qemu:qemu-user-static"

mkdir -p "$built"
exec 9>"$built/lock"
flock 9 # of several at a time one makes it
depends=$(cd "$checkout" && .venv/bin/python -c '
import pathlib, tomllib
project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
print(project["dependencies"], project["optional-dependencies"]["daemon"])')
stamp="$(digest tools/emulated/{system,make_system,packages_armv7l}.sh) $depends"
[[ $(cat "$built/made" 2>/dev/null) != "$stamp" ]] || exit 0
rm -f "$built/made"
# What was found in another system says nothing of this one.
rm -rf "$built"/{outcomes,facts.json,snapshot.json}

# What the tests start: a compiler, brokers, servers and judges of what we write.
debian_packages=(base-files base-passwd bash coreutils dash findutils grep hostname libc-bin libgomp1
    libstdc++6 procps sed python3 gcc libc6-dev openssl mosquitto prometheus systemd
    python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good)
# What PyPI has no wheels of for 32 bits.
[[ $architecture != armhf ]] || debian_packages+=(
    python3-dev linux-libc-dev python3-numpy python3-opencv python3-cryptography)
wanted="$debian $architecture ${debian_packages[*]}"
if [[ $(cat "$built/made-debian" 2>/dev/null) != "$wanted" ]]; then
    # The system's own Python, in which mmdebstrap's filter is written, starts fastest.
    PATH=/usr/sbin:/usr/bin:/sbin:/bin system "$architecture" "$built/debian.tar" "${debian_packages[@]}"
    echo "$wanted" >"$built/made-debian"
fi
rm -rf "$root"
mkdir -p "$root"
tar -xf "$built/debian.tar" -C "$root" --no-same-owner --exclude='./dev/*'

# What the packages' own scripts would have done, had they run.
cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
[[ -e $root/bin/sh ]] || ln -sf dash "$root/bin/sh"
echo 'pi:x:1000:1000::/home/pi:/bin/sh' >>"$root/etc/passwd"
echo 'pi:x:1000:' >>"$root/etc/group"
mkdir -p "$root/home/pi"
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
printf '%s: files\n' passwd group hosts >"$root/etc/nsswitch.conf"
for library in blas lapack; do # Of several, the one that NumPy finds.
    (cd "$root/usr/lib/arm-linux-gnueabihf" 2>/dev/null && ln -sf $library/lib$library.so.3 .) || true
done

# What a Raspberry Pi 4 says of its processor.
part=0xd08 features="fp asimd evtstrm crc32 cpuid"
[[ $architecture != armhf ]] ||
    features="half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm crc32"
{
    for core in 0 1 2 3; do
        printf 'processor\t: %s\n' $core
        [[ $architecture != armhf ]] || printf 'model name\t: ARMv7 Processor rev 3 (v7l)\n'
        printf 'BogoMIPS\t: 108.00\nFeatures\t: %s\nCPU implementer\t: 0x41\nCPU architecture: %s\n' \
            "$features" "$([[ $architecture == armhf ]] && echo 7 || echo 8)"
        printf 'CPU variant\t: 0x0\nCPU part\t: %s\nCPU revision\t: 3\n\n' $part
    done
    printf 'Revision\t: c03115\nSerial\t\t: 10000000abcdef01\nModel\t\t: Raspberry Pi 4 Model B Rev 1.5\n'
} >"$built/cpuinfo"
rm -rf "$built/sys"
cpus=$built/sys/devices/system/cpu
for core in 0 1 2 3; do
    mkdir -p "$cpus/cpu$core"/{cpufreq,topology}
    echo 600000 >"$cpus/cpu$core/cpufreq/cpuinfo_min_freq"
    echo 1800000 >"$cpus/cpu$core/cpufreq/cpuinfo_max_freq"
    for one in core_id thread_siblings_list core_cpus_list; do
        echo $core >"$cpus/cpu$core/topology/$one"
    done
    for all in core_siblings_list package_cpus_list cluster_cpus_list; do
        echo 0-3 >"$cpus/cpu$core/topology/$all"
    done
    for same in physical_package_id cluster_id; do
        echo 0 >"$cpus/cpu$core/topology/$same"
    done
done
for all in present possible online; do
    echo 0-3 >"$cpus/$all"
done

# The environment.
mkdir -p "$root$environment/bin" "$packages" "$root/checkout/edge_recog"
ln -s "/usr/bin/python$python" "$root$environment/bin/python"
printf '%s = %s\n' home /usr/bin include-system-site-packages true >"$root$environment/pyvenv.cfg"
cat >"$root$environment/bin/edge-recog" <<'SCRIPT'
#!/opt/edge-recog/bin/python
import sys

from edge_recog.cli import main

sys.exit(main())
SCRIPT
chmod +x "$root$environment/bin/edge-recog"
if [[ $architecture == arm64 ]]; then
    wheel=$(mktemp -d)
    trap 'rm -rf "$wheel"' EXIT
    "$checkout/tools/uv.sh" build --quiet --no-config --wheel --out-dir "$wheel" "$checkout" ||
        fail "our wheel could not be built"
    "$checkout/tools/uv.sh" pip install --quiet --no-config --target "$packages" --python-version $python \
        --python-platform aarch64-manylinux_$glibc --only-binary :all: \
        "$(echo "$wheel"/edge_recog-*.whl)[daemon]" \
        'hypothesis>=6.100' 'pytest>=8.3' 'pytest-timeout>=2.3' 'schemathesis>=4,<5' ||
        fail "Python's packages could not be had (see above)"
else
    "$tools/packages_armv7l.sh"
fi
rm -rf "$packages/bin" "$packages/edge_recog" "$packages"/edge_recog-*.dist-info
echo "$stamp" >"$built/made"
