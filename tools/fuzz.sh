#!/bin/sh
# Runs every fuzz target of fuzz/ for some seconds (60, if none are named), from the committed seeds.
#
#   tools/fuzz.sh [seconds per target] [target …]
#
# Needs the pinned toolchain and a C++ compiler, no nightly: coverage is a pass of LLVM that stable rustc takes, the
# flags are those that cargo-fuzz sets for `--sanitizer none`. What it finds is left in fuzz/artifacts.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- offer quantity expression template
command -v c++ >/dev/null 2>&1 || { echo "tools/fuzz.sh needs a C++ compiler: libFuzzer is built from source" >&2; exit 1; }

host=$(rustc -vV | sed -n 's/^host: //p')
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
# With --target the flags are for the targets alone, not for build scripts.
RUSTFLAGS="--cfg fuzzing $coverage -Ccodegen-units=1" \
    cargo build --quiet --locked --release --manifest-path fuzz/Cargo.toml --target-dir fuzz/target --target "$host"

for target in "$@"; do
    echo "fuzzing $target for ${seconds}s"
    mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
    log=fuzz/artifacts/$target.log
    if ! "fuzz/target/$host/release/$target" "fuzz/corpus/$target" "fuzz/seeds/$target" \
        -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=2048 -use_value_profile=1 \
        -dict="fuzz/seeds/$target.dict" -artifact_prefix="fuzz/artifacts/$target/" >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        echo "$target: found something, see fuzz/artifacts/$target and add it to the tests" >&2
        exit 1
    fi
    tail -n 1 "$log"
done
