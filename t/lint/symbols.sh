#!/bin/bash
#
# symbols.sh MODULE: what the shared object exports.  nginx loads modules with
# RTLD_GLOBAL, so every name without our prefix may meet somebody else's.
#
# SPDX-License-Identifier: Apache-2.0

set -eu

[ -f "$1" ] || { echo "$0: no $1" >&2; exit 1; }

names=$(nm -D --defined-only "$1" | awk '{ print $3 }' | sed 's/@.*//' \
        | LC_ALL=C sort)

ours='^(neon_|ngx_neon_|ngx_stream_neon_|ngx_http_neon_)'
nginx='^(ngx_modules|ngx_module_names|ngx_module_order)$'
rc=0

foreign=$(echo "$names" | grep -Ev "$ours|$nginx" || true)

if [ -n "$foreign" ]; then
    echo "$1 exports names without our prefix:"
    echo "$foreign" | sed 's/^/    /'
    rc=1
fi

for name in ngx_modules ngx_module_names ngx_module_order; do
    echo "$names" | grep -qx $name || { echo "$1: no $name"; rc=1; }
done

if ! readelf -d "$1" | grep -q SYMBOLIC; then
    echo "$1 is not linked with -Bsymbolic"
    rc=1
fi

exit $rc
