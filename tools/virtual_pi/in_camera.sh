#!/bin/bash
# Runs a program in build/virtual-pi/camera: in_camera.sh FOLDER PROGRAM ARGUMENT…
#
# The program finds FOLDER, which it may write to, as /work, and libcamera finds its virtual cameras
# in FOLDER/virtual.yaml. Nothing else outside can be changed, and there is no network.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"
folder=$(realpath "$1")
shift
[[ -e $built/camera/made-runtime ]] || fail "there is no camera yet: make picamera2"
exec bwrap --ro-bind "$built/camera" / --dev-bind /dev /dev --proc /proc --ro-bind /sys /sys \
    --tmpfs /tmp --tmpfs /usr/share/libcamera/pipeline/virtual \
    --ro-bind "$folder/virtual.yaml" /usr/share/libcamera/pipeline/virtual/virtual.yaml \
    --bind "$folder" /work --chdir /work --unshare-net --die-with-parent --clearenv \
    --setenv HOME /tmp --setenv PATH /opt/edge-recog/bin:/usr/bin --setenv LD_PRELOAD /usr/lib/sensor.so \
    --setenv LIBCAMERA_LOG_LEVELS '*:ERROR' --setenv PYTHONDONTWRITEBYTECODE 1 \
    --setenv VIRTUAL_CAMERA_RATE "${VIRTUAL_CAMERA_RATE:-30}" "$@"
