#!/bin/bash
# Puts into a 32-bit system what edge-recog[daemon] and its tests need of Python's packages:
# packages_armv7l.sh.
#
# On a Raspberry Pi piwheels has what PyPI lacks for 32 bits. Here NumPy, OpenCV and cryptography are
# Debian's own, which are older than what the wheel of edge-recog asks for; msgspec is compiled.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/system.sh" bookworm-armv7l

for with_pip in "$checkout"/.uv/bin/python "$checkout"/.venv/bin/python python3 ""; do
    ! "$with_pip" -m pip --version >/dev/null 2>&1 || break
done
[[ -n $with_pip ]] || fail "pip is missing. Install it: sudo apt install python3-pip"
# wheel PLATFORM FOLDER REQUIREMENT: fetched as it is.
wheel() {
    "$with_pip" -m pip download --quiet --no-deps --only-binary :all: --python-version $python \
        --implementation cp --platform "$1" --dest "$2" "$3" || fail "no wheel of $3 could be had"
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

readarray -t pure < <(cd "$checkout" && .venv/bin/python -c '
import pathlib, re, tomllib
project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
native = {"ai-edge-litert", "tflite-runtime", "numpy", "opencv-python-headless", "msgspec", "cryptography"}
for requirement in project["dependencies"] + project["optional-dependencies"]["daemon"]:
    if re.match(r"[\w-]+", requirement)[0] not in native:
        print(requirement)')
"$checkout/tools/uv.sh" pip install --quiet --no-config --target "$packages" --python-version $python \
    --python-platform aarch64-manylinux_$glibc --only-binary :all: \
    "${pure[@]}" 'pytest>=8.3' 'pytest-timeout>=2.3' sortedcontainers ||
    fail "Python's packages could not be had (see above)"
others=$(find "$packages" -name '*.so' -printf '%P ')
[[ -z $others ]] || fail "these are not for 32 bits: $others"

wheel any "$scratch" 'hypothesis>=6.100' # the last one that was Python alone
wheel manylinux_2_34_armv7l "$scratch" 'tflite-runtime>=2.14,<3'
# The tests make models by the schema, which only the wheel of the other interpreter has; it is Python.
wheel manylinux_2_27_aarch64 "$scratch" 'ai-edge-litert>=2.0.2,<3'
"$checkout/.venv/bin/python" - "$scratch" "$packages" <<'SCRIPT'
import pathlib
import sys
import zipfile

scratch, packages = map(pathlib.Path, sys.argv[1:])
for name in ("hypothesis", "tflite_runtime"):
    with zipfile.ZipFile(*scratch.glob(f"{name}-*.whl")) as archive:
        archive.extractall(packages)
with zipfile.ZipFile(*scratch.glob("ai_edge_litert-*.whl")) as archive:
    archive.extract("ai_edge_litert/schema_py_generated.py", packages)
(packages / "ai_edge_litert" / "__init__.py").touch()
SCRIPT

"$with_pip" -m pip download --quiet --no-deps --no-binary msgspec --dest "$scratch" 'msgspec>=0.19,<1' ||
    fail "the source of msgspec could not be had"
tar -xf "$scratch"/msgspec-*.tar.gz -C "$scratch"
msgspec=$(echo "$scratch"/msgspec-*/)
cp -r "$msgspec/src/msgspec" "$packages/"
mkdir "$packages/$(basename "$msgspec").dist-info"
cp "$msgspec/PKG-INFO" "$packages/$(basename "$msgspec").dist-info/METADATA"
name=$("$tools/inside.sh" bookworm-armv7l python -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
folder=$environment/lib/python$python/site-packages/msgspec
# Compiled by the emulated compiler, so not for speed.
"$tools/inside.sh" bookworm-armv7l gcc -shared -fPIC -O1 -w -I/usr/include/python$python \
    -o "$folder/_core$name" "$folder/_core.c" || fail "msgspec could not be compiled"
