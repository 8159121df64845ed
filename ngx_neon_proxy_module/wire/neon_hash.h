/*
 * SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF"): the
 * hash of tables whose keys strangers choose.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_HASH_H
#define NEON_HASH_H


#include "neon_buf.h"


#define NEON_HASH_SECRET      16


/* over the concatenation of the parts */
uint64_t neon_hash(const uint8_t secret[NEON_HASH_SECRET],
    const neon_str_t *parts, size_t nparts);


#endif /* NEON_HASH_H */
