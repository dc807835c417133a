#!/bin/bash
# Makes a Debian trixie with libcamera, picamera2 and our runtime in build/virtual-pi/camera; nothing
# is done if it is there already. tools/virtual_pi/in_camera.sh runs programs in it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"
need mmdebstrap:mmdebstrap bwrap:bubblewrap gcc:gcc

camera=$built/camera
mkdir -p "$built"
exec 9>"$built/camera.lock"
flock 9 # of several at a time one makes it

stamp=$(digest tools/virtual_pi/{make_camera.sh,packages.sh,sensor.c,virtual_picamera2.py})
if [[ $(cat "$camera/made" 2>/dev/null) != "$stamp" ]]; then
    rm -rf "$camera"
    mkdir -p "$camera"
    system amd64 "$built/camera.tar" base-files coreutils dash python3 python3-libcamera \
        libcamera-ipa libstdc++6 python3-pil python3-prctl python3-piexif python3-libarchive-c libgl1
    tar -xf "$built/camera.tar" -C "$camera" --no-same-owner --exclude='./dev/*'
    rm "$built/camera.tar"

    # As on a Raspberry Pi picamera2 is the system's, so only --system-site-packages shows it.
    packages=$camera/usr/local/lib/python$python/dist-packages
    site x86_64 "$packages" --no-deps picamera2==0.3.38 numpy simplejpeg videodev2 av tqdm \
        jsonschema jsonschema-specifications referencing rpds-py attrs OpenEXR
    # It imports these for what nobody asks of it here: windows on a screen, and raw pictures.
    mkdir "$packages/pidng"
    echo 'class Picamera2Camera: ...' >"$packages/pidng/camdefs.py"
    echo 'class PICAM2DNG: ...' >"$packages/pidng/core.py"
    cat >"$packages/pykms.py" <<'MODULE'
class _Named(type):
    def __getattr__(cls, name): return name

class PixelFormat(metaclass=_Named): ...
MODULE
    cp "$tools/virtual_picamera2.py" "$packages/picamera2/"
    echo 'from .virtual_picamera2 import Picamera2' >>"$packages/picamera2/__init__.py"
    gcc -O2 -Wall -Wextra -shared -fPIC -o "$camera/usr/lib/sensor.so" "$tools/sensor.c"
    # Where in_camera.sh puts things.
    mkdir -p "$camera/work" "$camera/usr/share/libcamera/pipeline/virtual"
    echo "$stamp" >"$camera/made"
fi

stamp=$(digest "${sources[@]}")
if [[ $(cat "$camera/made-runtime" 2>/dev/null) != "$stamp" ]]; then
    runtime x86_64 "$camera"
    byte_code "$camera"
    echo "$stamp" >"$camera/made-runtime"
fi
