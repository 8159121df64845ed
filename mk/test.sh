#!/bin/bash
#
# `make test`: everything, in the order of how soon it fails.  The summary of
# the last prove run is the last thing printed.
#
# SPDX-License-Identifier: Apache-2.0

set -u

make=${MAKE:-make}
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1

BUILD=${BUILD:-$top/build}

stage()
{
    local name=$1 start=$SECONDS
    shift

    echo "== $name"

    if ! "$@"; then
        echo "== $name: FAILED after $((SECONDS - start)) s"
        exit 1
    fi

    echo "== $name: $((SECONDS - start)) s"
}

# A source package that cannot be fetched fails CI; elsewhere it is said.

sources()
{
    mk/source.pl nginx "$1" "$BUILD/nginx-$1" && return 0

    if [ -n "${CI:-}" ] && [ "${CI:-}" != false ]; then
        exit 1
    fi

    echo "== SKIPPED: $2: no source package of nginx"
    return 1
}

stage 'missing packages'         mk/deps.sh build demo test
stage 'build with gcc'           $make --no-print-directory module CC=gcc
stage 'build with clang'         $make --no-print-directory module-clang
stage 'unit tests, gcc'          $make --no-print-directory unit CC=gcc
stage 'unit tests, clang'        $make --no-print-directory unit CC=clang
stage 'lint'                     $make --no-print-directory lint
stage 'model of flights'         $make --no-print-directory model

if sources same 'tests of shm/, fuzz targets with nginx'; then
    stage 'tests of shm/'        $make --no-print-directory unit-shm
    stage 'fuzz'                 $make --no-print-directory fuzz
else
    stage 'fuzz'                 $make --no-print-directory fuzz-wire
fi

if sources newer 'build against a newer nginx'; then
    stage 'newer nginx'          $make --no-print-directory prove-newer
fi

stage 'prove, nginx of this system'  $make --no-print-directory prove

if sources same 'sanitizer build'; then
    stage 'valgrind'             $make --no-print-directory valgrind
    stage 'sanitizer build'      $make --no-print-directory asan
    echo '== prove, sanitizer build'
    exec $make --no-print-directory -s prove-asan
fi
