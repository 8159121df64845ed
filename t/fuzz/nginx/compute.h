/*
 * What computes say by themselves.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_FUZZ_COMPUTE_H
#define NEON_FUZZ_COMPUTE_H


#include "peer.h"


/* AuthenticationSASLContinue to what p was sent, and ...Final */
void compute_scram(neon_wr_t *w, const peer_t *p, int final);

void compute_welcome(neon_wr_t *w);

/*
 * ErrorResponse: a SQLSTATE that the code knows, by its number, and fields by
 * the bits of `fields`; text is what stands behind these.
 */
void compute_error(neon_wr_t *w, uint8_t sqlstate, uint8_t fields,
    neon_str_t text);

/* AuthenticationRequest, of a code that there is, by its number */
void compute_auth(neon_wr_t *w, uint8_t code, neon_str_t rest);


#endif /* NEON_FUZZ_COMPUTE_H */
