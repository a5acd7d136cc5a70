#!/bin/sh
# Installs what lab, tests and bench need from Debian (packages.txt), then looks whether every program and file that they
# use is there (programs.txt), before anything is built. Needs a moment and no network when all of it is there.
# Removes and downgrades nothing; SETUP_MAY_REPLACE="NAME..." names packages with which it may.
set -eu
cd "$(dirname "$0")"
# What only root is told to use lies beside what everybody is.
PATH=$PATH:/usr/sbin:/sbin
# The oldest Python for which openstack/requirements.txt was resolved.
PYTHON_MIN="3, 11"

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

# Rust comes from rustup and not from Debian, whose own is too old.
check_rust() {
    need=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' ../Cargo.toml)
    have=$(cargo --version 2>/dev/null | cut -d ' ' -f 2) || true
    [ -n "$have" ] || fail "cargo is missing or does not run: install Rust $need or newer with rustup (https://rustup.rs)"
    oldest=$(printf '%s\n' "$need" "$have" | sort -V | head -n 1)
    [ "$oldest" = "$need" ] || fail "cargo is $have, and the workspace needs $need: rustup update stable"
}

check_python() {
    python3 -c "import ensurepip, sys, venv; sys.exit(sys.version_info < ($PYTHON_MIN))" 2>/dev/null ||
        fail "$(command -v python3) is older than ($PYTHON_MIN) or makes no virtual environments:" \
            "put Debian's own first, PATH=/usr/bin:\$PATH"
}

# Lines of "PACKAGE NAME" for every program (looked for on PATH) and file (a path, perhaps a pattern) that is not there.
missing_programs() {
    sed 's/#.*//' programs.txt | while read -r name package; do
        case $name in
        '') continue ;;
        /*) for found in $name; do [ ! -e "$found" ] || continue 2; done ;;
        *) ! command -v "$name" >/dev/null || continue ;;
        esac
        echo "$package $name"
    done
}

check_programs() {
    lost=$(missing_programs)
    [ -n "$lost" ] || return 0
    echo "$lost" | while read -r package name; do echo "setup: $name is missing, of package $package" >&2; done
    packages=$(echo "$lost" | cut -d ' ' -f 1 | grep -vx rustup | sort -u | tr '\n' ' ')
    [ -z "$packages" ] || echo "setup: brings them back: apt-get install --reinstall $packages" >&2
    ! echo "$lost" | grep -q '^rustup ' || echo "setup: brings them back: rustup component add clippy rustfmt" >&2
    exit 1
}

check_rust
wanted=$(sed 's/#.*//' packages.txt | tr -s ' \n' ' ')
# shellcheck disable=SC2016,SC2086 # dpkg's variables; a list of names
there=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null | sed -n 's/^installed //p') || true
missing=
for package in $wanted; do
    echo "$there" | grep -qx "$package" || missing="$missing $package"
done
if [ -n "$missing" ]; then
    [ "$(id -u)" = 0 ] || fail "these packages are missing, and only root can install them (sudo make setup):$missing"
    # shellcheck source=tests/setup_apt.sh
    . ./setup_apt.sh
    install_packages
fi
check_python
check_programs
