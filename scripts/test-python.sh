#!/usr/bin/env bash
# Builds one wheel, and tests it on every CPython from 3.10 on that is found here.
#
# PYTHONS="python3.12 …" names the interpreters instead; WHEEL=… takes a wheel that is built.
# Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}

# The interpreters of the path and of pyenv, each version once.
interpreters() {
    if [[ -n ${PYTHONS:-} ]]; then
        printf '%s\n' $PYTHONS
        return
    fi
    local python
    for python in python3 "$HOME"/.pyenv/versions/3.*/bin/python python3.1{0..9}; do
        "$python" -c '
import platform, sys
if sys.version_info >= (3, 10) and platform.python_implementation() == "CPython":
    print("%d.%d" % sys.version_info[:2], sys.executable)
' 2>/dev/null || true
    done | sort -V -u -k1,1 | cut -d" " -f2-
}

venv() { # python -> its environment, made where it is not there yet
    local python=$1 version
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    local venv=$target/.venv-$version
    [[ -x $venv/bin/python ]] || "$python" -m venv "$venv"
    echo "$venv"
}

mapfile -t pythons < <(interpreters)
[[ ${#pythons[@]} -gt 0 ]] || { echo "no CPython from 3.10 on is found" >&2; exit 1; }

wheel=${WHEEL:-}
if [[ -z $wheel ]]; then
    rm -rf "$target/wheels"
    "$(venv "${pythons[0]}")/bin/pip" wheel --quiet --no-deps \
        --disable-pip-version-check --wheel-dir "$target/wheels" ./timecoin-py
    wheel=$(echo "$target"/wheels/timecoin-*-abi3-*.whl)
fi
wheel=$(realpath "$wheel")

for python in "${pythons[@]}"; do
    venv=$(realpath "$(venv "$python")")
    "$venv/bin/pip" install --quiet --disable-pip-version-check "pytest>=8" "hypothesis>=6.100"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --force-reinstall "$wheel"
    echo "$("$venv/bin/python" --version), $(basename "$wheel")"
    (cd timecoin-py && "$venv/bin/python" -W error -m pytest --quiet "$@")
done
