#!/bin/bash
#
# check-pg.sh DIR: what PostgreSQL's own tests need and no Debian package has,
# built from the source package of the server that is installed: regress.so,
# isolationtester, and the two that run the tests.
#
# SPDX-License-Identifier: Apache-2.0

set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
server=$(ls /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)
bin=$(dirname "$server")
major=$(basename "$(dirname "$bin")")

mkdir -p "$1"
out=$(cd "$1" && pwd)
log=$out/make.log
patch=$top/t/pg/isolationtester.patch

"$top/mk/source.pl" "postgresql-$major" same "$out"

cd "$out/src"

if [ -f "$out/built" ]; then
    exit 0
fi

# the programs use the libpq of this system

build()
{
    ./configure --with-openssl --without-readline --without-zlib \
        --disable-rpath --bindir="$bin" &&
    { patch -p1 -R -f -s --dry-run < "$patch" || patch -p1 < "$patch"; } &&
    make -C src/backend generated-headers &&
    make -C src/test/regress &&
    make -C src/test/isolation
}

echo "building: PostgreSQL's tests, see $log"

if ! build > "$log" 2>&1 < /dev/null; then
    tail -n 20 "$log"
    exit 1
fi

touch "$out/built"
