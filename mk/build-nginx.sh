#!/bin/bash
#
# Builds the module for one nginx, out of tree and incrementally.
#
#   build-nginx.sh --out DIR [--src DIR] [--static] [--nginx]
#                  [--cc CC] [--cflags FLAGS] [--ldflags FLAGS]
#
# Without --src: the nginx of this machine's nginx-dev package, dynamic only.
# --src takes a source tree in the form of the tarball or of the git
# repository; nothing is written to it.  --static links the module into the
# nginx binary; --nginx builds the binary also for a dynamic module.
#
# Results: DIR/ngx_neon_proxy_module.so and, where it was built, DIR/nginx.
#
# SPDX-License-Identifier: Apache-2.0

set -eu

dev=/usr/share/nginx/src
top=$(cd "$(dirname "$0")/.." && pwd)

out= src= link=dynamic nginx=no cc=${CC:-gcc} cflags= ldflags=

while [ $# -gt 0 ]; do
    case $1 in
        --out)     out=$2; shift ;;
        --src)     src=$2; shift ;;
        --static)  link=static; nginx=yes ;;
        --nginx)   nginx=yes ;;
        --cc)      cc=$2; shift ;;
        --cflags)  cflags=$2; shift ;;
        --ldflags) ldflags=$2; shift ;;
        *)         echo "$0: unknown option $1" >&2; exit 2 ;;
    esac
    shift
done

mkdir -p "$out"
out=$(cd "$out" && pwd)

exec 9> "$out.lock"
flock 9

warn="-Wall -Wextra -Wno-unused-parameter"

if [ -z "$src" ]; then

    if [ ! -x $dev/configure ]; then
        echo "$0: no $dev: the package nginx-dev is missing" \
             "(make deps), or give NGINX_SRC=dir" >&2
        exit 1
    fi

    if [ $link = static ]; then
        echo "$0: nginx-dev has no sources for a static build:" \
             "give NGINX_SRC=dir" >&2
        exit 1
    fi

    . $dev/conf_flags

    # as Debian builds nginx itself: the default is lazy binding
    export DEB_BUILD_MAINT_OPTIONS=hardening=+bindnow

    tree=$dev
    configure=./configure
    version=$(dpkg-query -W -f '${Version}' nginx-dev)
    flags=("${NGX_CONF_FLAGS[@]}" --with-stream --with-stream_ssl_module)
    cflags="$(dpkg-buildflags --get CFLAGS) -fPIC \
            $(dpkg-buildflags --get CPPFLAGS) $cflags"
    ldflags="$(dpkg-buildflags --get LDFLAGS) -fPIC $ldflags"

else

    src=$(cd "$src" && pwd)

    if [ ! -f "$src/auto/configure" ] && [ ! -f "$src/configure" ]; then
        echo "$0: $src is no nginx source tree" >&2
        exit 1
    fi

    # configure writes a Makefile where it stands: let that be our folder

    tree=$out/tree
    mkdir -p "$tree"
    find "$tree" -maxdepth 1 -type l -delete

    for name in auto src conf contrib docs misc man html configure \
                CHANGES CHANGES.ru LICENSE README
    do
        if [ -e "$src/$name" ]; then
            ln -s "$src/$name" "$tree/$name"
        fi
    done

    configure=./configure
    [ -f "$src/configure" ] || configure=auto/configure

    version=$(grep -h 'define NGINX_VERSION' "$src/src/core/nginx.h")
    flags=(--prefix="$out/prefix" --with-compat --with-debug --with-threads
           --with-http_ssl_module --with-http_v2_module
           --with-http_stub_status_module --with-http_realip_module
           --with-http_auth_request_module
           --with-stream --with-stream_ssl_module
           --with-stream_ssl_preread_module --with-stream_realip_module)
fi

if [ $link = static ]; then
    flags+=(--add-module="$top")
else
    flags+=(--add-dynamic-module="$top")
fi

# configure anew only when something changed that its result depends on

inputs=$(
    echo "$version $link $cc $cflags $ldflags $warn ${flags[*]} $src"
    cksum "$top/config"
    cd "$top" && find ngx_neon_proxy_module -name '*.[ch]' | LC_ALL=C sort
)

if [ ! -f "$out/objs/Makefile" ] \
   || [ "$inputs" != "$(cat "$out/inputs" 2>/dev/null)" ]
then
    rm -rf "$out/inputs" "$out/objs"

    if ! (cd "$tree" && $configure "${flags[@]}" --with-cc="$cc" \
              --with-cc-opt="$warn $cflags" --with-ld-opt="$ldflags" \
              --builddir="$out/objs" > "$out/configure.log" 2>&1)
    then
        tail -n 20 "$out/configure.log" >&2
        exit 1
    fi

    echo "$inputs" > "$out/inputs"
fi

jobs=
case " ${MAKEFLAGS:-}" in
    *-j*|*jobserver*) ;;
    *) jobs=-j$(nproc) ;;
esac

targets=modules
[ $link = static ] && targets=
[ $nginx = yes ] && targets="$targets binary"

# the generated Makefile knows the shared object only by its sources

cd "$tree"
${MAKE:-make} $jobs --no-print-directory -f "$out/objs/Makefile" $targets \
    > "$out/make.log" 2>&1 || {
        grep -E -A 12 'error|undefined reference|No rule' "$out/make.log" \
            | head -n 200 >&2
        echo "$0: failed, see $out/make.log" >&2
        exit 1
    }

if [ $link = dynamic ]; then
    cp -p "$out/objs/ngx_neon_proxy_module.so" "$out/new.so"
    mv -f "$out/new.so" "$out/ngx_neon_proxy_module.so"
fi

if [ $nginx = yes ]; then
    cp -p "$out/objs/nginx" "$out/new.nginx"
    mv -f "$out/new.nginx" "$out/nginx"
fi
