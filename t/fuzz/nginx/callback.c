/*
 * A console that calls back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "callback.h"

#include "place.h"

#include "neon_pg_startup.h"

#include "ngx_neon_waiter.h"


/* it stands behind the URL of the configuration, before the end of a line */

static neon_str_t
session_id(const peer_t *client)
{
    const uint8_t  *p, *last;

    static const char  url[] = PLACE_CONSOLE;

    p = client->in;
    last = p + client->len;

    for ( /* void */ ;
         (size_t) (last - p) >= sizeof(url) - 1 + NGX_NEON_WAITER_ID;
         p++)
    {
        if (memcmp(p, url, sizeof(url) - 1) == 0) {
            return neon_str(p + sizeof(url) - 1, NGX_NEON_WAITER_ID);
        }
    }

    return neon_str("nobody", 6);
}


void
callback_send(peer_t *p, const peer_t *client, neon_str_t members)
{
    char        host[64];
    uint8_t     buf[1024], *begin;
    neon_wr_t   w;

    neon_wr_init(&w, buf, sizeof(buf));

    begin = neon_pg_startup_begin(&w, NEON_PG_PROTOCOL_3_0);
    neon_pg_startup_param(&w, neon_str("user", 4), neon_str("proxy", 5));
    neon_pg_startup_end(&w, begin);

    snprintf(host, sizeof(host), "\"host\":\"127.0.0.1\",\"port\":%d",
             place.port);

    begin = neon_wr_begin(&w, 'Q');
    neon_wr_z(&w, "{\"session_id\":\"");
    neon_wr_str(&w, session_id(client));
    neon_wr_z(&w, "\",\"result\":{\"Success\":{");
    neon_wr_z(&w, host);
    neon_wr_z(&w, ",\"dbname\":\"app\",\"user\":\"alice\"");

    if (members.len) {
        neon_wr_u8(&w, ',');
        neon_wr_str(&w, members);
    }

    neon_wr_z(&w, "}}}");
    neon_wr_u8(&w, '\0');
    neon_wr_end(&w, begin);

    peer_send(p, buf, neon_wr_len(&w));
}
