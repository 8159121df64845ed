/*
 * The part of SASLprep (RFC 4013) that needs no Unicode tables, for cleartext
 * passwords; for the neon_scram_*.c files only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_SCRAM_PREP_H
#define NEON_SCRAM_PREP_H


#include "neon_buf.h"


/*
 * NEON_OK: the password is UTF-8 and the mapping step changes it; the result
 * is in out.  NEON_AGAIN: there is nothing to map, or nothing is left of it.
 */
neon_rc_e neon_scram_prep_map(neon_wr_t *out, neon_str_t password);


#endif /* NEON_SCRAM_PREP_H */
