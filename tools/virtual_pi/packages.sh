# What the scripts beside this one share; they source it. Debian's packages come from where this
# machine's apt gets them, Python's from where its pip does (tools/uv.sh).

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tools=$checkout/tools/virtual_pi
built=$checkout/build/virtual-pi
debian=trixie # Raspberry Pi OS of 2025
python=3.13   # its Python

fail() {
    echo "virtual-pi: $*" >&2
    exit 1
}

need() {
    local missing=() pair
    for pair; do
        PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
    done
    ((${#missing[@]} == 0)) || fail "missing: sudo apt install ${missing[*]}"
}

# system ARCHITECTURE TAR PACKAGE…: Debian's packages unpacked, none of their scripts run.
system() {
    local architecture=$1 tar=$2 mirror
    shift 2
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        grep -v -e security -e ports | grep -m1 '/debian/*$') ||
        fail "apt of this machine knows no Debian mirror (see /etc/apt/sources.list.d)"
    mmdebstrap --quiet --variant=extract --architectures="$architecture" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --include="$(IFS=, && echo "$*")" --format=tar "$debian" "$tar.part" "deb $mirror $debian main" ||
        fail "Debian's packages could not be had from $mirror"
    mv "$tar.part" "$tar"
}

# site MACHINE FOLDER REQUIREMENT…: wheels for the system's Python, unpacked.
site() {
    local machine=$1 folder=$2
    shift 2
    "$checkout/tools/uv.sh" pip install --quiet --no-config --target "$folder" \
        --python-version "$python" --python-platform "$machine-manylinux_2_40" \
        --only-binary :all: "$@" || fail "Python's packages could not be had (see above)"
    rm -rf "$folder/bin" # for this machine's Python
}

# runtime MACHINE ROOT: an environment as python3 -m venv --system-site-packages makes it, with our
# wheel in it, built from the checkout as it is.
runtime() {
    local machine=$1 root=$2 wheels environment=$2/opt/edge-recog
    wheels=$(mktemp -d)
    rm -rf "$environment"
    mkdir -p "$environment/bin" "$environment/lib/python$python/site-packages"
    ln -s "/usr/bin/python$python" "$environment/bin/python"
    printf '%s = %s\n' home /usr/bin include-system-site-packages true >"$environment/pyvenv.cfg"
    "$checkout/tools/uv.sh" build --quiet --no-config --wheel --out-dir "$wheels" "$checkout" ||
        fail "our wheel could not be built"
    site "$machine" "$environment/lib/python$python/site-packages" \
        "$(echo "$wheels"/edge_recog-*.whl)[daemon]"
    rm -rf "$wheels"
    cat >"$environment/bin/edge-recog" <<'SCRIPT'
#!/opt/edge-recog/bin/python
import sys

from edge_recog.cli import main

sys.exit(main())
SCRIPT
    chmod +x "$environment/bin/edge-recog"
}

# byte_code ROOT: what apt and pip do on installing. Python's byte code is the same on every
# processor, so the Python of build/virtual-pi/camera compiles; emulated it would take minutes.
byte_code() {
    local paths=("/usr/lib/python$python" /usr/lib/python3/dist-packages
        "/usr/local/lib/python$python/dist-packages" "/opt/edge-recog/lib/python$python")
    local path here=()
    for path in "${paths[@]}"; do
        [[ ! -d $1$path ]] || here+=("/work$path")
    done
    env -u LD_PRELOAD bwrap --ro-bind "$built/camera" / --dev /dev --proc /proc --tmpfs /tmp \
        --bind "$1" /work --unshare-net --die-with-parent --clearenv \
        "/usr/bin/python$python" -m compileall -q -s /work -p / "${here[@]}" >"$built/compiled" ||
        fail "compiling failed: $(tail -n 3 "$built/compiled")"
    rm "$built/compiled"
}

# digest PATH…: changes with what the files say.
digest() {
    (cd "$checkout" && find "$@" -type f ! -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum) |
        sha256sum | cut -c1-16
}

sources=(edge_recog pyproject.toml README.md tools/virtual_pi/packages.sh)
