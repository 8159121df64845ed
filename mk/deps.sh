#!/bin/bash
#
# deps.sh [build|test|demo|coverage|bench]...: installs the Debian and npm
# packages that are missing; without an argument those of the first three.  Asks
# apt only if something is missing; sudo when not root.  promtool goes to
# $BUILD/tools.
#
# SPDX-License-Identifier: Apache-2.0

set -eu

top=$(cd "$(dirname "$0")/.." && pwd)

# package, or package:command where another package may bring the command

build='gcc make perl binutils libc6-dev dpkg-dev nginx nginx-dev libssl-dev
       libpcre2-dev zlib1g-dev libcurl4-openssl-dev libyajl-dev libpq-dev'

demo="$build openssl postgresql postgresql-client libnginx-mod-stream
      ca-certificates python3:python3 nodejs:node npm:npm"

test="$demo clang clang-tidy cppcheck spin valgrind libcmocka-dev
      libio-socket-ssl-perl
      libmojolicious-perl libdbd-pg-perl python3-psycopg python3-asyncpg
      python3-websockets python3-autobahn
      default-jdk-headless:javac libpostgresql-jdbc-java golang-go:go
      golang-github-lib-pq-dev chromium:chromium
      chromium-driver:chromedriver"

coverage='lcov'

bench='haproxy pgbouncer util-linux'

[ $# -gt 0 ] || set -- build demo test

packages=
for group in "$@"; do
    packages="$packages ${!group}"
done

installed()
{
    dpkg-query -W -f '${db:Status-Status}\n' "$1" 2> /dev/null \
        | grep -qx installed
}

missing=
for package in $(echo $packages | tr ' ' '\n' | LC_ALL=C sort -u); do
    case $package in
        *:*)  command -v "${package#*:}" > /dev/null \
                  || missing="$missing ${package%:*}" ;;
        *)    installed "$package" || missing="$missing $package" ;;
    esac
done

as_root()
{
    if [ "$(id -u)" -eq 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

updated=no

update()
{
    if [ $updated = no ]; then
        as_root apt-get -q -q update
        updated=yes
    fi
}

install()
{
    echo "installing: $*"

    update
    as_root apt-get -q -q -y --no-install-recommends \
        -o Dpkg::Options::=--force-confold install "$@" > /dev/null
}

[ -z "$missing" ] || install $missing

# libFuzzer and the sanitizers of clang stand in a package of its version

case " $packages " in
    *" clang "*)
        version=$(clang -dumpversion | cut -d. -f1)
        rt=libclang-rt-$version-dev
        installed "$rt" || install "$rt"
        ;;
esac

# In Debian 12 it is a program of the package prometheus, which would start a
# Prometheus, on all addresses of this machine; later it has a package.

unpack_promtool()
{
    local tools=${BUILD:-$top/build}/tools package=prometheus

    if [ -x "$tools/promtool" ] || command -v promtool > /dev/null; then
        return
    fi

    echo "unpacking: promtool"

    update

    if [ -n "$(apt-cache -q madison promtool)" ]; then
        package=promtool
    fi

    rm -rf "$tools/deb"
    mkdir -p "$tools/deb"
    (cd "$tools/deb" && apt-get -q -q -o APT::Sandbox::User=root \
        download $package)
    dpkg-deb --fsys-tarfile "$tools"/deb/${package}_*.deb \
        | tar -x -C "$tools" --strip-components=3 ./usr/bin/promtool
    rm -r "$tools/deb"
}

case " $* " in
    *" test "*)  unpack_promtool ;;
esac

case " $* " in
    *" test "*)
        if [ -f "$top/t/js/package.json" ]; then
            lock=$top/t/js/package-lock.json
            stamp=$top/t/js/node_modules/.package-lock.json

            if [ ! -f "$stamp" ] || [ "$lock" -nt "$stamp" ]; then
                echo "installing: npm packages of t/js"
                (cd "$top/t/js" && npm ci --no-audit --no-fund --silent)
                touch "$stamp"
            fi
        fi
        ;;
esac
