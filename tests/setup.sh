#!/bin/sh
# Installs what the lab and the tests need from Debian (tests/packages.txt). Does nothing, and needs no network, when
# all of it is there.
set -eu
cd "$(dirname "$0")"

command -v cargo >/dev/null || {
    echo "cargo is missing: install Rust 1.95 or newer with rustup (https://rustup.rs)" >&2
    exit 1
}
missing=
for package in $(sed 's/#.*//' packages.txt); do
    state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$state" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
[ "$(id -u)" = 0 ] || {
    echo "these packages are missing, and only root can install them:$missing" >&2
    exit 1
}
echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null
