#!/bin/bash
#
# run.sh DIR holds|fails PROPERTY[,PROPERTY]... [-D...]: has spin check
# properties of flight.pml, over all of its states (no bitstate hashing) and
# under weak fairness.  Prints the number of states, the depth and the number
# of errors.  Exit status 1 unless each property holds, or fails, as expected.
#
# SPDX-License-Identifier: Apache-2.0

set -eu

model=$(cd "$(dirname "$0")" && pwd)/flight.pml
dir=$1 expected=$2 properties=$3
shift 3
with=$*

mkdir -p "$dir"
cd "$dir"

spin -a "$@" "$model" > spin.log || { cat spin.log; exit 1; }
gcc -O2 -w -DNFAIR=3 -DMEMLIM=2048 -o pan pan.c

number()
{
    sed -n "s/$1/\1/p" pan.log
}

for property in ${properties//,/ }; do

    rm -f ./*.trail
    timeout 60 ./pan -a -f -m1000000 -N "$property" > pan.log || true

    states=$(number '^ *\([0-9]*\) states, stored.*')
    depth=$(number '.*depth reached \([0-9]*\), errors.*')
    errors=$(number '.*errors: \([0-9]*\)$')

    printf '%-11s %7s states, depth %6s, errors: %s  %s\n' "$property" \
        "${states:-?}" "${depth:-?}" "${errors:-?}" "${with//-D/}"

    case $expected:$errors in

        # a search that ended early found nothing, too
        holds:0)
            ! grep -qE 'not completed|max search depth too small' pan.log \
                && continue
            ;;

        fails:[1-9]*)
            [ -f flight.pml.trail ] && continue
            ;;
    esac

    cat pan.log
    exit 1
done
