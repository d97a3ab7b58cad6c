#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Breaks mm/ on purpose, one line at a time, and expects the test program to go red each time.
# Usage: unittests/mutate_mm.sh [number of one mutation]
# A mutation is FILE @@ sed expression @@ what it breaks (mutations_mm.txt).
set -u
cd "$(dirname "$0")/.." || exit 1
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
cp -r Makefile include mm unittests xen "$tree"/
cp -r mm "$tree"/sound

mutations=$(grep -v '^#' unittests/mutations_mm.txt)
only=${1:-}
n=0 survived=0
while read -r line; do
    file=${line%% @@ *} expr=${line#* @@ }
    what=" ${expr#* @@ }" expr=${expr%% @@ *}
    n=$((n + 1))
    [ -n "$only" ] && [ "$only" != "$n" ] && continue
    sed -i "$expr" "$tree/$file"
    if cmp -s "$tree/sound/${file#mm/}" "$tree/$file"; then
        echo "mutation $n: does not apply:$what"
        survived=$((survived + 1))
    elif ! make -s -C "$tree" WARN= build/host-plain/test_mm >"$tree/log" 2>&1; then
        echo "mutation $n: does not build:$what"
        survived=$((survived + 1))
    elif (ulimit -c 0; cd "$tree" && timeout 60 build/host-plain/test_mm >log 2>&1) 2>/dev/null; then
        echo "mutation $n: SURVIVED:$what"
        survived=$((survived + 1))
    else
        echo "mutation $n: caught:$what ($(grep -om1 'Test [a-zA-Z, -]* had failures' "$tree/log" || echo stopped))"
    fi
    cp "$tree/sound/${file#mm/}" "$tree/$file"
done <<<"$mutations"
echo "$survived of $n not caught"
[ "$survived" = 0 ]
