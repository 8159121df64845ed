#!/bin/bash
#
# hardening.sh MODULE: what Debian's hardening flags leave in a shared object.
#
# SPDX-License-Identifier: Apache-2.0

set -eu

[ -f "$1" ] || { echo "$0: no $1" >&2; exit 1; }

segments=$(readelf -lW "$1")
dynamic=$(readelf -dW "$1")
names=$(nm -D --undefined-only "$1" | awk '{ print $2 }' | sed 's/@.*//')
rc=0

fault()
{
    echo "$1: $2"
    rc=1
}

grep -q 'GNU_RELRO' <<< "$segments" || fault "$1" "no RELRO"

grep -Eq '\((FLAGS|FLAGS_1)\).*(BIND_NOW|NOW)' <<< "$dynamic" \
    || fault "$1" "not linked with -z now"

grep -Eq 'GNU_STACK .* RW +0x' <<< "$segments" \
    || fault "$1" "its stack may be executed"

if grep -q 'LOAD .* [R ]WE' <<< "$segments"; then
    fault "$1" "a segment is writable and executable"
fi

if grep -q 'TEXTREL' <<< "$dynamic"; then
    fault "$1" "relocations in its text"
fi

if grep -Eq '\((RPATH|RUNPATH)\)' <<< "$dynamic"; then
    fault "$1" "a path of its own for libraries"
fi

grep -qx '__stack_chk_fail' <<< "$names" \
    || fault "$1" "no stack protector"

# __vsnprintf_chk and others

grep -Eq '^__[a-z]+_chk$' <<< "$names" \
    || fault "$1" "no _FORTIFY_SOURCE"

exit $rc
