/*
 * Those that nginx speaks with: clients and computes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "peer.h"

#include <openssl/err.h>

#include "server.h"


void
peer_dial(peer_t *p, const char *dir, const char *name)
{
    struct sockaddr_un  sun;

    memset(&sun, 0, sizeof(sun));
    sun.sun_family = AF_UNIX;
    snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/%s", dir, name);

    p->len = 0;
    p->stalled = 0;
    p->ssl = NULL;
    p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    server_check(connect(p->fd, (struct sockaddr *) &sun, sizeof(sun)) == 0,
                 "connecting");
}


/* with a reset, as far as the kind of socket has one */

void
peer_hang_up(peer_t *p)
{
    struct linger  linger;

    if (p->fd == -1) {
        return;
    }

    linger.l_onoff = 1;
    linger.l_linger = 0;
    (void) setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));

    close(p->fd);
    p->fd = -1;

    SSL_free(p->ssl);
    p->ssl = NULL;
}


ngx_uint_t
peer_receive(peer_t *p)
{
    ssize_t     n;
    uint8_t     buf[65536];
    size_t      keep;
    ngx_uint_t  some;

    some = 0;

    while (p->fd != -1 && !p->stalled) {
        n = p->ssl ? SSL_read(p->ssl, buf, sizeof(buf))
                   : recv(p->fd, buf, sizeof(buf), 0);

        if (n <= 0) {
            ERR_clear_error();
            break;
        }

        keep = ngx_min((size_t) n, sizeof(p->in) - p->len);
        memcpy(p->in + p->len, buf, keep);
        p->len += keep;
        some = 1;
    }

    return some;
}


void
peer_send(peer_t *p, const void *data, size_t len)
{
    if (p->ssl) {
        (void) SSL_write(p->ssl, data, (int) len);
        ERR_clear_error();

    } else if (p->fd != -1) {
        (void) !send(p->fd, data, len, MSG_NOSIGNAL);
    }
}


/* the last message of this type whose body begins so: the rest of that */

neon_str_t
peer_find(const peer_t *p, uint8_t type, const void *body, size_t n)
{
    size_t      i, len;
    neon_rd_t   rd;

    for (i = p->len; i-- > 0; /* void */ ) {

        if (p->in[i] != type || p->len - i < 5 + n
            || memcmp(&p->in[i + 5], body, n) != 0)
        {
            continue;
        }

        neon_rd_init(&rd, &p->in[i + 1], 4);
        len = neon_rd_u32(&rd);

        if (len >= 4 + n && len <= p->len - i - 1) {
            return neon_str(&p->in[i + 5 + n], len - 4 - n);
        }
    }

    return neon_str("", 0);
}
