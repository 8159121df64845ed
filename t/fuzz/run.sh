#!/bin/bash
#
# run.sh DIR SECONDS FUZZER...: shares the time among the fuzz targets, two
# at a time; new inputs stay in DIR, findings end the run with an error.  Words
# for NAME are in dict/NAME.dict, if there are any.
#
# SPDX-License-Identifier: Apache-2.0

set -u

dir=$1 seconds=$2
shift 2

if [ $# -eq 0 ]; then
    echo "no fuzz targets"
    exit 1
fi

top=$(cd "$(dirname "$0")" && pwd)
lanes=$(nproc)
[ "$lanes" -gt 2 ] && lanes=2

each=$((seconds * lanes / $#))
[ "$each" -lt 1 ] && each=1

one()
{
    local fuzzer=$1 name seed dict
    name=$(basename "$fuzzer")

    seed=$top/corpus/${name#fuzz_}
    dict=$top/dict/${name#fuzz_}.dict
    mkdir -p "$dir/corpus/$name"

    if [ ! -d "$seed" ]; then
        echo "$name: no seeds in $seed"
        return 1
    fi

    [ -f "$dict" ] || dict=

    if ! "$fuzzer" -max_total_time="$each" -timeout=30 -rss_limit_mb=2048 \
            -print_final_stats=1 -artifact_prefix="$dir/$name-" \
            ${dict:+-dict="$dict"} \
            "$dir/corpus/$name" "$seed" > "$dir/$name.log" 2>&1
    then
        tail -n 60 "$dir/$name.log"
        echo "$name: failed; the input is beside $dir/$name.log"
        return 1
    fi

    echo "$name: ${each} s," \
         "$(sed -n 's/^stat::number_of_executed_units: *//p' \
                "$dir/$name.log") runs," \
         "$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$dir/$name.log" \
                | tail -n 1) edges"
}

rc=0
pids=

for fuzzer in "$@"; do
    one "$fuzzer" &
    pids="$pids $!"

    if [ "$(echo $pids | wc -w)" -ge "$lanes" ]; then
        set -- $pids
        wait "$1" || rc=1
        shift
        pids=$*
    fi
done

for pid in $pids; do
    wait "$pid" || rc=1
done

exit $rc
