/*
 * The message-boundary walker, its inner half: what a message's tag changes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_PG_WALK_STATE_H
#define NEON_PG_WALK_STATE_H


#include "neon_pg_walk.h"


/* Query, FunctionCall, Sync, CopyDone, CopyFail or Terminate */
void neon_pg_walk_state_client(neon_pg_walk_t *w, uint8_t tag);

/* CommandComplete, ErrorResponse or CopyInResponse */
void neon_pg_walk_state_compute(neon_pg_walk_t *w, uint8_t tag);

/* ReadyForQuery */
void neon_pg_walk_state_ready(neon_pg_walk_t *w, uint8_t status);


#endif /* NEON_PG_WALK_STATE_H */
