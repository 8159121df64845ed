#!/bin/bash
#
# valgrind.sh -p DIR ...: $NEON_VALGRIND, an nginx, under valgrind's memcheck.
# What it has to say stands where NeonTest::Nginx looks for the sanitizers'
# reports; leaks are theirs to find.
#
# SPDX-License-Identifier: Apache-2.0

set -eu

exec valgrind -q --log-file="$2/sanitizer.%p" "$NEON_VALGRIND" "$@"
