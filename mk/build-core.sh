#!/bin/bash
#
# build-core.sh --src DIR --out DIR [--cc CC] [--cflags FLAGS]
#
# nginx's core, without any of its servers and without main(), as the archive
# OUT/nginx.a, for programs that call parts of it; OUT/incs: the options that
# find its headers.  Nothing is written to the source tree.
#
# SPDX-License-Identifier: Apache-2.0

set -eu

src= out= cc=${CC:-gcc} cflags=

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

rm -rf "$out"
mkdir -p "$out/tree"

src=$(cd "$src" && pwd)
out=$(cd "$out" && pwd)

# configure writes a Makefile where it stands: let that be our folder

for name in auto src conf man configure CHANGES LICENSE README; do
    [ ! -e "$src/$name" ] || ln -s "$src/$name" "$out/tree/$name"
done

configure=./configure
[ -f "$src/configure" ] || configure=auto/configure

cd "$out/tree"

if ! $configure --builddir="$out/objs" --prefix="$out/prefix" \
         --with-debug --with-threads --without-http --without-pcre \
         --with-cc="$cc" --with-cc-opt="-Wno-error $cflags" \
         > "$out/configure.log" 2>&1
then
    tail -n 20 "$out/configure.log" >&2
    exit 1
fi

objs=$(sed -n "s|^\($out/objs/.*\.o\):.*|\1|p" "$out/objs/Makefile")

jobs=
case " ${MAKEFLAGS:-}" in
    *-j*|*jobserver*) ;;
    *) jobs=-j$(nproc) ;;
esac

${MAKE:-make} $jobs --no-print-directory -f "$out/objs/Makefile" \
    $objs > "$out/make.log" 2>&1 || {
        grep -A 12 'error' "$out/make.log" | head -n 100 >&2
        echo "$0: failed, see $out/make.log" >&2
        exit 1
    }

echo "-I$src/src/core -I$src/src/event -I$src/src/event/modules \
-I$src/src/os/unix -I$out/objs" > "$out/incs"

objcopy --redefine-sym main=nginx_main "$out/objs/src/core/nginx.o"

ar rcs "$out/nginx.a.new" $objs
mv -f "$out/nginx.a.new" "$out/nginx.a"
