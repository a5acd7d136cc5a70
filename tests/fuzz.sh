#!/bin/sh
# Runs the parsers of tests/src/fuzz under a fuzzer that sees which code its inputs reach: each for SECONDS (60), or the one that
# TARGET names. Inputs that reach new code are kept in target/fuzz/corpus. One that fails is named with what to do with it, the
# other parsers are tried all the same, and the end says of how many parsers what became. What the fuzzer itself says is
# in target/fuzz/log.
set -eu
cd "$(dirname "$0")/.."
SECONDS_EACH=${SECONDS_EACH:-60}
# Longest input, and what one may take: seconds and MiB.
BYTES_MAX=65536
INPUT_SECONDS_MAX=10
MEMORY_MAX=2048
# Everything is built once more for it: with line numbers for the frames of a stack, and nothing else that needs room.
export CARGO_PROFILE_DEV_DEBUG=line-tables-only CARGO_INCREMENTAL=0

if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "fuzz: a nightly compiler is missing: rustup toolchain install nightly --profile minimal" >&2
    exit 1
fi
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "fuzz: cargo-fuzz is missing: cargo install --locked cargo-fuzz" >&2
    exit 1
fi
case $SECONDS_EACH in
'' | *[!0-9]*)
    echo "fuzz: SECONDS=$SECONDS_EACH is no number of seconds" >&2
    exit 1
    ;;
esac

all=$(sed -n 's/^    target("\([a-z0-9_]*\)".*/\1/p' tests/src/fuzz/mod.rs)
targets=${TARGET:-$all}
for target in $targets; do
    echo "$all" | grep -qx "$target" || {
        echo "fuzz: TARGET=$target is none of these:" $all >&2
        exit 1
    }
done

# What fuzzes: built before the first clock runs, and shown, because the first build takes minutes.
fuzz() {
    verb=$1
    shift
    cargo +nightly fuzz "$verb" --dev --fuzz-dir tests/fuzz --target-dir target/fuzz parsers "$@"
}

# The figure that the fuzzer gave a name.
figure() {
    sed -n "s/^stat::$1: *//p" "$log"
}

# What failed, in words, and what to do with the input.
tell_failure() {
    failed="$failed $target"
    input=$(sed -n 's/.*Test unit written to //p' "$log" | sed -n '1p')
    echo "fuzz: $target FAILED: $(sed -n '/panicked at/{N;s/\n/ /p;q}; /^==[0-9]*== *ERROR/{p;q}' "$log")"
    [ -n "$input" ] || echo "fuzz:   no input was written: see $log"
    [ -n "$input" ] || return 0
    echo "fuzz:   the input        $input"
    echo "fuzz:   seen once more   FUZZ_TARGET=$target cargo +nightly fuzz run --dev --fuzz-dir tests/fuzz --target-dir target/fuzz parsers $input"
    echo "fuzz:   once it is mended cp $input tests/fuzz/corpus/$target/A-NAME-FOR-IT, so that make test tries it from then on"
    echo "fuzz:   all that was said $log"
}

cp Cargo.lock tests/fuzz/Cargo.lock
echo "fuzz: building; the first time takes minutes"
fuzz build
failed=
held=0
mkdir -p target/fuzz/log
for target in $targets; do
    kept=target/fuzz/corpus/$target
    log=target/fuzz/log/$target
    mkdir -p "$kept"
    echo "fuzz: $target, $SECONDS_EACH s"
    if FUZZ_TARGET=$target fuzz run "$kept" "tests/fuzz/corpus/$target" -- -max_total_time="$SECONDS_EACH" \
        -max_len="$BYTES_MAX" -timeout="$INPUT_SECONDS_MAX" -rss_limit_mb="$MEMORY_MAX" -print_final_stats=1 >"$log" 2>&1; then
        held=$((held + 1))
        echo "fuzz: $target held: $(figure number_of_executed_units) inputs, $(figure new_units_added) of them reached something new"
    else
        tell_failure
    fi
done
echo "fuzz: target/fuzz holds some GB; all of it but its corpus may be deleted"
if [ -n "$failed" ]; then
    echo "fuzz: $held held, these failed:$failed" >&2
    exit 1
fi
echo "fuzz: nothing failed ($held parsers, $SECONDS_EACH s each)"
