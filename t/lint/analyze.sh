#!/bin/bash
#
# analyze.sh CLANG BUILD OUT: clang's static analyzer over the module, with the
# flags that nginx's build in BUILD uses; any finding is an error.
#
# SPDX-License-Identifier: Apache-2.0

set -eu

clang=$1 build=$2 out=$3
top=$(cd "$(dirname "$0")/../.." && pwd)
makefile=$build/objs/Makefile

mkdir -p "$out"

# the include paths of the module: ALL_INCS with its continued lines

incs=$(awk '/^ALL_INCS = /{ on = 1 } on { print } on && !/\\$/{ exit }' \
           "$makefile" | sed 's/^ALL_INCS = //; s/\\$//' | tr '\n\t' '  ')

tree=/usr/share/nginx/src
[ -d "$build/tree" ] && tree=$build/tree
cd "$tree"

find "$top/ngx_neon_proxy_module" -name '*.c' | LC_ALL=C sort \
    | xargs -P "$(nproc)" -I{} sh -c '
        "$0" --analyze -Xclang -analyzer-werror -Xclang \
            -analyzer-output=text -D_GNU_SOURCE $1 {} || exit 1
    ' "$clang" "$incs" > "$out/log" 2>&1 || {
        cat "$out/log"
        exit 1
    }
