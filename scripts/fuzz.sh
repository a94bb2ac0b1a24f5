#!/usr/bin/env bash
# Builds the fuzz targets with coverage and libFuzzer, and runs each of them for FUZZ_SECONDS,
# from the committed corpus on. What is found new is kept below the target folder, a failing
# input too, with the command that repeats it. FUZZ_TARGETS names some of them.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${FUZZ_SECONDS:-60}
dir=${CARGO_TARGET_DIR:-target}/fuzz
corpus=timecoin-core/tests/fuzz/corpus
host=$(rustc -vV | sed -n 's/^host: //p')

# Coverage is an LLVM pass of the stable compiler; with a target named, build scripts go without.
export RUSTFLAGS="--cfg libfuzzer -Ccodegen-units=1 -Cpasses=sancov-module \
-Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
built=$(cargo test --quiet -p timecoin-core --test fuzz --no-run --target "$host" \
    --target-dir "$dir" --message-format=json-render-diagnostics)
binary=$(sed -n 's/.*"name":"fuzz".*"executable":"\([^"]*\)".*/\1/p' <<<"$built" | tail -1)

for target in ${FUZZ_TARGETS:-$(ls "$corpus")}; do
    found=$dir/corpus/$target
    mkdir -p "$found"
    log=$dir/$target.log
    if FUZZ_TARGET=$target "$binary" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$dir/$target-" "$found" "$corpus/$target" \
        >"$log" 2>&1; then
        executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        edges=$(sed -n 's/.* cov: \([0-9]*\).*/\1/p' "$log" | tail -1)
        printf '%-15s %9s inputs in %s s, %s edges, nothing found\n' \
            "$target" "$executions" "$seconds" "$edges"
    else
        tail -30 "$log"
        printf 'repeat with: FUZZ_TARGET=%s %s FILE\n' "$target" "$binary"
        exit 1
    fi
done
