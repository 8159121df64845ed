/*
 * The table of states.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_state.h"


static const ngx_neon_state_t  ngx_neon_states[NGX_NEON_STATES] = {

    [NGX_NEON_STATE_HANDSHAKE] =
        { ngx_string("handshake"), "reading startup packet" },
    [NGX_NEON_STATE_ENDPOINT] =
        { ngx_string("endpoint"), "naming the endpoint" },
    [NGX_NEON_STATE_ACCESS] =
        { ngx_string("access"), "asking the control plane for the role" },
    [NGX_NEON_STATE_AUTHENTICATE] =
        { ngx_string("authenticate"), "authenticating client" },
    [NGX_NEON_STATE_WAKE] =
        { ngx_string("wake"), "waking the compute" },
    [NGX_NEON_STATE_CONNECT] =
        { ngx_string("connect"), "connecting to compute" },
    [NGX_NEON_STATE_LOGIN] =
        { ngx_string("login"), "logging in to compute" },
    [NGX_NEON_STATE_RELAY] =
        { ngx_string("relay"), "proxying session" },
    [NGX_NEON_STATE_CANCEL] =
        { ngx_string("cancel"), "forwarding cancel request" },
    [NGX_NEON_STATE_FINISH] =
        { ngx_string("finish"), "closing session" }
};


const ngx_neon_state_t *
ngx_neon_state(ngx_neon_state_e state)
{
    return &ngx_neon_states[state];
}
