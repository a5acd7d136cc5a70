#!/bin/sh
# Runs the tests; `make test` calls it after the lints and the build. Ends with the test runner's own summary.
set -eu
cd "$(dirname "$0")/.."

# Longest time for all of them, in seconds; each test has its own bound in .config/nextest.toml.
ALL_MAX=5400

# A panic shows its stack where the environment asks for it; an error says what is wrong, and twenty frames behind it hide that.
export RUST_LIB_BACKTRACE=0

for script in tests/*.sh vagrant/*.sh; do
    sh -n "$script"
done
bash -n .ci/run

# Without a network, and without leaving anything in the home directory or the checkout.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
VAGRANT_CWD=vagrant VAGRANT_HOME="$scratch/home" VAGRANT_DOTFILE_PATH="$scratch/dot" VAGRANT_CHECKPOINT_DISABLE=1 \
    timeout 120 vagrant validate --ignore-provider >"$scratch/vagrant.log" 2>&1 || {
    cat "$scratch/vagrant.log" >&2
    echo "vagrant/Vagrantfile is not valid" >&2
    exit 1
}

if cargo nextest --version >/dev/null 2>&1; then
    echo "logs: this output, target/nextest/default/junit.xml, and for tests with a lab .lab/run/<name>/log"
    timeout --foreground "$ALL_MAX" cargo nextest run --workspace "$@"
else
    echo "logs: this output, and for tests with a lab .lab/run/<name>/log (cargo-nextest would be quicker and is not installed)"
    timeout --foreground "$ALL_MAX" cargo test --quiet --workspace --no-fail-fast "$@" -- --test-threads=2
fi
