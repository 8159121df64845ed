/*
 * A console that calls back for the client of `control_plane link`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_FUZZ_CALLBACK_H
#define NEON_FUZZ_CALLBACK_H


#include "peer.h"


/*
 * A query with the session id that the client was shown, and these members
 * behind those that must be; on p, which is at a server that takes it.
 */
void callback_send(peer_t *p, const peer_t *client, neon_str_t members);


#endif /* NEON_FUZZ_CALLBACK_H */
