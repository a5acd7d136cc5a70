#!/bin/sh
# Runs the parsers of tests/src/fuzz under a fuzzer that sees which code its inputs reach: each for SECONDS (60), or the one that
# TARGET names. Inputs that reach new code are kept in target/fuzz/corpus; one that fails is shown with the command that
# repeats it: put it into tests/fuzz/corpus/NAME, and `make test` tries it from then on.
set -eu
cd "$(dirname "$0")/.."
SECONDS_EACH=${SECONDS_EACH:-60}
# Longest input, and what one may take: seconds and MiB.
BYTES_MAX=65536
INPUT_SECONDS_MAX=10
MEMORY_MAX=2048

if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "fuzz: a nightly compiler is missing: rustup toolchain install nightly --profile minimal" >&2
    exit 1
fi
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "fuzz: cargo-fuzz is missing: cargo install --locked cargo-fuzz" >&2
    exit 1
fi

targets=${TARGET:-$(sed -n 's/^    target("\([a-z0-9_]*\)".*/\1/p' tests/src/fuzz/mod.rs)}
cp Cargo.lock tests/fuzz/Cargo.lock
for target in $targets; do
    grep -q "^    target(\"$target\"" tests/src/fuzz/mod.rs || {
        echo "fuzz: TARGET=$target is none of the names in tests/src/fuzz/mod.rs" >&2
        exit 1
    }
    kept=target/fuzz/corpus/$target
    mkdir -p "$kept"
    echo "fuzz: $target, $SECONDS_EACH s"
    FUZZ_TARGET=$target cargo +nightly fuzz run --dev --fuzz-dir tests/fuzz --target-dir target/fuzz parsers \
        "$kept" "tests/fuzz/corpus/$target" -- -max_total_time="$SECONDS_EACH" -max_len="$BYTES_MAX" \
        -timeout="$INPUT_SECONDS_MAX" -rss_limit_mb="$MEMORY_MAX" -print_final_stats=1
done
