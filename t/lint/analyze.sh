#!/bin/bash
#
# analyze.sh TOOL BUILD OUT: the module as a static analyzer sees it, with the
# include paths of nginx's build in BUILD; any finding is an error.  TOOL is
# clang, gcc or clang-tidy, by name or by path.
#
# gcc: of a bit field that it has not seen being set, gcc 12 says that it is
# uninitialized; clang's analyzer and valgrind look for those.
#
# SPDX-License-Identifier: Apache-2.0

set -eu

tool=$1 build=$2 out=$3
top=$(cd "$(dirname "$0")/../.." && pwd)
makefile=$build/objs/Makefile

mkdir -p "$out"

case $(basename "$tool") in

    clang-tidy*)
        run='"$0" --quiet --config-file="$2/.clang-tidy" \
                "$3" -- -D_GNU_SOURCE $1' ;;

    clang*)
        run='"$0" --analyze -Xclang -analyzer-werror -Xclang \
                -analyzer-output=text -D_GNU_SOURCE $1 "$3"' ;;

    *)
        run='"$0" -std=gnu11 -O2 -fanalyzer -Werror -c -o /dev/null \
                -Wno-analyzer-use-of-uninitialized-value \
                -D_GNU_SOURCE $1 "$3"' ;;
esac

# the include paths of the module: ALL_INCS with its continued lines

incs=$(awk '/^ALL_INCS = /{ on = 1 } on { print } on && !/\\$/{ exit }' \
           "$makefile" | sed 's/^ALL_INCS = //; s/\\$//' | tr '\n\t' '  ')

tree=/usr/share/nginx/src
[ -d "$build/tree" ] && tree=$build/tree
cd "$tree"

find "$top/ngx_neon_proxy_module" -name '*.c' | LC_ALL=C sort \
    | xargs -P "$(nproc)" -I{} sh -c "$run || exit 1" \
        "$tool" "$incs" "$top" {} > "$out/log" 2>&1 || {
        grep -v '^[0-9]* warnings* generated' "$out/log"
        exit 1
    }
