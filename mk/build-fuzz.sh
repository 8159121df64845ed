#!/bin/bash
#
# build-fuzz.sh --src DIR --out DIR [--cc CC] --cflags FLAGS
#
# nginx and the module for programs that drive them: OUT/nginx.a, whose main()
# is nginx_main(); OUT/incs, the options that find the headers; OUT/libs, the
# libraries.  Nothing is written to the source tree.
#
# SPDX-License-Identifier: Apache-2.0

set -eu

src= out= cc=clang cflags=

while [ $# -gt 0 ]; do
    case $1 in
        --src)     src=$2; shift ;;
        --out)     out=$2; shift ;;
        --cc)      cc=$2; shift ;;
        --cflags)  cflags=$2; shift ;;
        *)         echo "$0: unknown option $1" >&2; exit 2 ;;
    esac
    shift
done

"$(dirname "$0")/build-nginx.sh" --out "$out" --src "$src" --static \
    --cc "$cc" --cflags "$cflags" --ldflags '-fsanitize=address,undefined'

out=$(cd "$out" && pwd)
makefile=$out/objs/Makefile

# ALL_INCS with its continued lines, from where nginx's make runs

incs=$(awk '/^ALL_INCS = /{ on = 1 } on { print } on && !/\\$/{ exit }' \
           "$makefile" | sed 's/^ALL_INCS = //; s/\\$//' | tr '\n\t' '  ')

echo "$incs" | sed "s|-I src/|-I $out/tree/src/|g" > "$out/incs.new"
mv -f "$out/incs.new" "$out/incs"

# what stands behind the objects where the binary is linked

grep -o -E -- '[[:space:]]-l[a-z0-9-]+' "$makefile" | sort -u | tr '\n' ' ' \
    > "$out/libs"

objs=$(find "$out/objs" -name '*.o' ! -name nginx.o | LC_ALL=C sort)

objcopy --redefine-sym main=nginx_main "$out/objs/src/core/nginx.o" \
    "$out/nginx_main.o"

rm -f "$out/nginx.a.new"
ar rcs "$out/nginx.a.new" "$out/nginx_main.o" $objs
mv -f "$out/nginx.a.new" "$out/nginx.a"
