#!/bin/sh
# Licences, bans, origins and known faults of every crate that we use (deny.toml), for `make check`. Takes seconds; a machine
# without cargo-deny gets it first, which takes a minute or two, once. `cargo deny check bans` shows what is only warned of:
# crates that are there in two versions.
set -eu
cd "$(dirname "$0")/.."

# What is installed where there is none. Unoptimised: it is built in a third of the time, and looks as fast.
VERSION=0.20.2
# How long the database of known faults may take to come, in seconds.
FETCH_MAX=60

if ! cargo deny --version >/dev/null 2>&1; then
    echo "deny: installing cargo-deny $VERSION, once"
    cargo install --quiet --locked --debug --version "$VERSION" cargo-deny || {
        echo "deny: cargo-deny could not be installed: cargo install --locked --version $VERSION cargo-deny" >&2
        exit 1
    }
fi

databases=${CARGO_HOME:-$HOME/.cargo}/advisory-dbs
checks="advisories licenses bans sources"
if ! timeout "$FETCH_MAX" cargo deny --log-level off fetch db >/dev/null 2>&1; then
    if [ -n "$(find "$databases" -mindepth 2 -maxdepth 2 -name crates 2>/dev/null)" ]; then
        echo "deny: the database of known faults could not be refreshed: the one that is in $databases is asked"
    else
        echo "deny: KNOWN FAULTS WERE NOT LOOKED FOR: the database cannot be fetched from here, and there is none in $databases"
        checks="licenses bans sources"
    fi
fi
# The manifests of all crates of Cargo.lock are read, also those that only other systems need: no build here has brought them.
cargo fetch --quiet --locked || {
    echo "deny: not every crate of Cargo.lock can be fetched, and each is looked at: cargo fetch --locked" >&2
    exit 1
}
# shellcheck disable=SC2086 # a list of words
cargo deny --log-level error --offline check --hide-inclusion-graph --show-stats $checks
