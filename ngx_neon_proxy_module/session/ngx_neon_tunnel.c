/*
 * A raw tunnel: a session that leads to the address that its client named.  It
 * begins with the connect step and goes on with the relay; nobody is logged in
 * and nothing that passes is looked at.  TLS and login are between the ends.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_login.h"


void
ngx_neon_tunnel_begin(ngx_neon_session_t *s)
{
    s->login->node = s->tunnel;

    ngx_neon_clock_run(s, &s->login->held_clock);
}


ngx_neon_state_e
ngx_neon_tunnel_next(ngx_neon_state_e state)
{
    return state == NGX_NEON_STATE_CONNECT ? NGX_NEON_STATE_RELAY : state + 1;
}


/*
 * The client is told inside its WebSocket, and not by an HTTP status in place
 * of the 101: no browser and no driver shows that one.  An ErrorResponse fits
 * here and nowhere later, as the server has said nothing yet: who speaks
 * Postgres in clear reads it as the answer to its startup packet, who began
 * with SSLRequest knows at least that it was refused.  All others have the
 * Close behind it, with the same text.
 *
 * Nothing is tried again: there is no control plane that could wake what is
 * at the address, and its owner did not ask for patience.
 */

ngx_int_t
ngx_neon_tunnel_failed(ngx_neon_session_t *s)
{
    u_char     *p, text[NGX_MAX_ERROR_STR];
    ngx_str_t   why;

    why = s->detail;

    if (s->err == 0) {
        ngx_str_null(&s->detail);

    } else {
        p = ngx_strerror(s->err, text, sizeof(text));
        why.data = text;
        why.len = p - text;
    }

    return ngx_neon_session_errorf(s, NGX_NEON_REASON_TUNNEL,
                         "connection to server at \"%V\", port %ui failed: %V",
                         &s->tunnel->host, (ngx_uint_t) s->tunnel->port, &why);
}
