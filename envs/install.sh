#!/bin/sh
# Makes .venv in the current folder as envs/requirements.lock says; the Makefile calls it. Nothing here needs root.
# An installation that was cut off is started afresh; one that is whole is brought up to date in place.
set -eu

venv=.venv
lock=envs/requirements.lock
unfinished=$venv/.unfinished
supported='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'

fits() { "$1" -c "$supported" >/dev/null 2>&1; }

if [ -n "${PYTHON:-}" ]; then
    set -- "$PYTHON"
else
    set -- python3.12 python3.11 python3.13 python3
fi
python=
for candidate in "$@"; do
    if fits "$candidate"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "No Python 3.11, 3.12 or 3.13 among: $*. Install one, or name it: make PYTHON=/path/to/python3.12 ..." >&2
    exit 1
fi
"$python" envs/check_build.py

if [ -e "$unfinished" ] || ! fits "$venv/bin/python"; then
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
touch "$unfinished"

pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }
pinned() { grep -E "$@" "$lock" | pip install ${quiet:-} -r /dev/stdin; }

[ -t 1 ] || quiet=-q
echo "Installing $(grep -c == "$lock") packages into $venv (about 6 GB with PyTorch's CUDA libraries, some minutes)"
pinned '^(setuptools|wheel|cython)=='
pinned -v '^pydensecrf2=='
# Built here and not in pip's isolation, for which it pins a Cython that Python 3.13 refuses.
grep -E '^pydensecrf2==' "$lock" | pip install ${quiet:-} --no-build-isolation -r /dev/stdin
pip install -q --no-deps --no-build-isolation --editable .
rm -f "$unfinished"
touch "$venv/.installed"
