#!/usr/bin/env bash
# Uses the library as a host does that knows nothing of cargo: installs library and headers into a
# folder, builds the examples with the system's compilers and every warning an error, compares what
# they print, and runs everything under valgrind where that is installed.
set -eu -o pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo build --quiet -p timecoin-ffi
cargo build --quiet -p timecoin-core --example pay --example network --example processes
mkdir -p "$work/lib" "$work/include"
cp "$target/debug/libtimecoin.so" "$work/lib/libtimecoin.so.0"
ln -s libtimecoin.so.0 "$work/lib/libtimecoin.so"
cp include/timecoin.h include/timecoin.hpp "$work/include"

warnings=(-Wall -Wextra -Wshadow -Werror -pedantic -g -pthread)
link=(-I "$work/include" -L "$work/lib" -ltimecoin -Wl,-rpath,"$work/lib")
c() { "${CC:-cc}" -std=c11 "${warnings[@]}" "$1" -o "$2" "${link[@]}"; }
cpp() { "${CXX:-c++}" -std=c++17 "${warnings[@]}" "$1" -o "$2" "${link[@]}"; }
c examples/c/pay.c "$work/pay-c"
cpp examples/cpp/pay.cpp "$work/pay-cpp"
c examples/c/network.c "$work/network-c"
cpp examples/cpp/network.cpp "$work/network-cpp"
c examples/c/processes.c "$work/processes-c"
cpp examples/cpp/processes.cpp "$work/processes-cpp"
c timecoin-ffi/tests/c/misuse.c "$work/misuse"
c timecoin-ffi/tests/c/misuse_sim.c "$work/misuse-sim"
c timecoin-ffi/tests/c/misuse_net.c "$work/misuse-net"
cpp timecoin-ffi/tests/c/smoke.cpp "$work/smoke"
cp "$target/debug/examples/pay" "$work/pay-rust"
cp "$target/debug/examples/network" "$work/network-rust"
cp "$target/debug/examples/processes" "$work/processes-rust"

# The same stories in every language.
for language in rust c cpp; do
    "$work/pay-$language" "$work/data-$language" >"$work/$language.txt"
    diff -u examples/expected.txt "$work/$language.txt"
    "$work/network-$language" >"$work/$language.txt"
    diff -u examples/expected-network.txt "$work/$language.txt"
    "$work/processes-$language" "$work/processes-data-$language" >"$work/$language.txt"
    diff -u examples/expected-processes.txt "$work/$language.txt"
    echo "examples/$language: as expected"
done

if ! command -v valgrind >/dev/null; then
    echo "valgrind is not installed: skipped"
    exit 0
fi
# Without the story of processes: a node a hundred times slower than its peers falls behind them.
valgrind=(valgrind -q --fair-sched=yes --suppressions=timecoin-ffi/tests/c/valgrind.supp
    --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite
    --error-exitcode=9)
for program in "pay-c $work/valgrind-c" "pay-cpp $work/valgrind-cpp" network-c network-cpp \
    misuse misuse-sim misuse-net smoke; do
    # shellcheck disable=SC2086 # a program and its argument
    "${valgrind[@]}" "$work"/$program >"$work/out.txt" || { cat "$work/out.txt"; exit 1; }
    echo "valgrind ${program%% *}: clean"
done
