/*
 * Addresses of the hosts that libcurl talks to.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_curl_addr.h"
#include "ngx_neon_dns.h"
#include "ngx_neon_url.h"


#define NGX_NEON_CURL_ADDR_TTL   30000    /* ms */
#define NGX_NEON_CURL_ADDR_MAX   32       /* hosts */

/* "+host:65535:" and the addresses */
#define NGX_NEON_CURL_ADDR_TEXT                                              \
    (NGX_NEON_URL_HOST_MAX + sizeof("+:65535:")                              \
     + NGX_NEON_DNS_MAX_ADDRS * (NGX_SOCKADDR_STRLEN + sizeof("[],")))


/*
 * A host of one block (blocks have resolvers of their own).  All requests that
 * need it while it is looked up wait for the one look-up.
 */

typedef struct {
    ngx_queue_t       queue;              /* recently used first */
    ngx_queue_t       waiting;
    ngx_neon_dns_t    dns;
    ngx_msec_t        expires;
    ngx_uint_t        turn;               /* which address goes first */
    unsigned          busy:1;             /* is being looked up */
    unsigned          known:1;
    u_char            host[NGX_NEON_URL_HOST_MAX + 1];
    char              text[NGX_NEON_CURL_ADDR_TEXT];
} ngx_neon_curl_addr_t;


static ngx_neon_curl_addr_t *ngx_neon_curl_addr_find(ngx_neon_conf_t *conf,
    ngx_str_t *host, in_port_t port);
static ngx_neon_curl_addr_t *ngx_neon_curl_addr_create(
    ngx_neon_curl_wait_t *w);
static ngx_int_t ngx_neon_curl_addr_make_room(void);
static void ngx_neon_curl_addr_handler(ngx_neon_dns_t *d);
static void ngx_neon_curl_addr_settle(ngx_neon_curl_addr_t *a);
static void ngx_neon_curl_addr_tell(ngx_neon_curl_addr_t *a,
    ngx_neon_curl_wait_t *w);
static void ngx_neon_curl_addr_write(ngx_neon_curl_addr_t *a);


static ngx_queue_t  ngx_neon_curl_addrs;
static ngx_uint_t   ngx_neon_curl_naddrs;


void
ngx_neon_curl_addr_init(void)
{
    ngx_queue_init(&ngx_neon_curl_addrs);
    ngx_neon_curl_naddrs = 0;
}


void
ngx_neon_curl_addr_exit(void)
{
    ngx_queue_t           *q, *next;
    ngx_neon_curl_addr_t  *a;

    for (q = ngx_queue_head(&ngx_neon_curl_addrs);
         q != ngx_queue_sentinel(&ngx_neon_curl_addrs);
         q = next)
    {
        next = ngx_queue_next(q);
        a = ngx_queue_data(q, ngx_neon_curl_addr_t, queue);

        ngx_neon_dns_cancel(&a->dns);
        ngx_free(a);
    }

    ngx_queue_init(&ngx_neon_curl_addrs);
}


ngx_int_t
ngx_neon_curl_addr_get(ngx_neon_curl_wait_t *w)
{
    ngx_neon_curl_addr_t  *a;

    w->resolve = NULL;
    w->error = NULL;

    a = ngx_neon_curl_addr_find(w->conf, &w->host, w->port);

    if (a == NULL) {
        a = ngx_neon_curl_addr_create(w);
        if (a == NULL) {
            w->error = "no memory for a look-up";
            return NGX_OK;
        }
    }

    if (!a->busy
        && (!a->known
            || (ngx_msec_int_t) (a->expires - ngx_current_msec) <= 0))
    {
        if (ngx_neon_dns_start(&a->dns) == NGX_OK) {
            ngx_neon_curl_addr_settle(a);

        } else {
            a->busy = 1;
        }
    }

    if (a->busy) {
        ngx_queue_insert_tail(&a->waiting, &w->queue);
        return NGX_AGAIN;
    }

    ngx_neon_curl_addr_tell(a, w);

    return NGX_OK;
}


void
ngx_neon_curl_addr_cancel(ngx_neon_curl_wait_t *w)
{
    /* the look-up goes on: others will want it */

    ngx_queue_remove(&w->queue);
}


void
ngx_neon_curl_addr_failed(ngx_neon_curl_wait_t *w)
{
    ngx_neon_curl_addr_t  *a;

    a = ngx_neon_curl_addr_find(w->conf, &w->host, w->port);

    /* once, not once for each request that was under way */

    if (a && a->known && a->turn == w->turn) {
        a->turn++;
        ngx_neon_curl_addr_write(a);
    }
}


void
ngx_neon_curl_addr_forget(ngx_neon_curl_wait_t *w)
{
    ngx_neon_curl_addr_t  *a;

    a = ngx_neon_curl_addr_find(w->conf, &w->host, w->port);

    if (a) {
        a->known = 0;
    }
}


static ngx_neon_curl_addr_t *
ngx_neon_curl_addr_find(ngx_neon_conf_t *conf, ngx_str_t *host,
    in_port_t port)
{
    ngx_queue_t           *q;
    ngx_neon_curl_addr_t  *a;

    for (q = ngx_queue_head(&ngx_neon_curl_addrs);
         q != ngx_queue_sentinel(&ngx_neon_curl_addrs);
         q = ngx_queue_next(q))
    {
        a = ngx_queue_data(q, ngx_neon_curl_addr_t, queue);

        if (a->dns.conf == conf && a->dns.port == port
            && a->dns.host.len == host->len
            && ngx_memcmp(a->host, host->data, host->len) == 0)
        {
            ngx_queue_remove(q);
            ngx_queue_insert_head(&ngx_neon_curl_addrs, q);

            return a;
        }
    }

    return NULL;
}


static ngx_neon_curl_addr_t *
ngx_neon_curl_addr_create(ngx_neon_curl_wait_t *w)
{
    ngx_neon_curl_addr_t  *a;

    if (w->host.len > NGX_NEON_URL_HOST_MAX
        || ngx_neon_curl_addr_make_room() != NGX_OK)
    {
        return NULL;
    }

    a = ngx_calloc(sizeof(ngx_neon_curl_addr_t), ngx_cycle->log);
    if (a == NULL) {
        return NULL;
    }

    ngx_memcpy(a->host, w->host.data, w->host.len);

    a->dns.conf = w->conf;
    a->dns.log = ngx_cycle->log;
    a->dns.host.data = a->host;
    a->dns.host.len = w->host.len;
    a->dns.port = w->port;
    a->dns.handler = ngx_neon_curl_addr_handler;
    a->dns.data = a;

    ngx_queue_init(&a->waiting);
    ngx_queue_insert_head(&ngx_neon_curl_addrs, &a->queue);
    ngx_neon_curl_naddrs++;

    return a;
}


static ngx_int_t
ngx_neon_curl_addr_make_room(void)
{
    ngx_queue_t           *q;
    ngx_neon_curl_addr_t  *a;

    if (ngx_neon_curl_naddrs < NGX_NEON_CURL_ADDR_MAX) {
        return NGX_OK;
    }

    for (q = ngx_queue_last(&ngx_neon_curl_addrs);
         q != ngx_queue_sentinel(&ngx_neon_curl_addrs);
         q = ngx_queue_prev(q))
    {
        a = ngx_queue_data(q, ngx_neon_curl_addr_t, queue);

        if (!a->busy) {
            ngx_queue_remove(q);
            ngx_neon_curl_naddrs--;
            ngx_free(a);

            return NGX_OK;
        }
    }

    return NGX_ERROR;
}


static void
ngx_neon_curl_addr_handler(ngx_neon_dns_t *d)
{
    ngx_queue_t           *q;
    ngx_neon_curl_addr_t  *a;
    ngx_neon_curl_wait_t  *w;

    a = d->data;
    a->busy = 0;

    ngx_neon_curl_addr_settle(a);

    /* the handlers only queue their requests: `a` stays */

    while (!ngx_queue_empty(&a->waiting)) {
        q = ngx_queue_head(&a->waiting);
        w = ngx_queue_data(q, ngx_neon_curl_wait_t, queue);

        ngx_queue_remove(q);

        ngx_neon_curl_addr_tell(a, w);
        w->handler(w);
    }
}


static void
ngx_neon_curl_addr_settle(ngx_neon_curl_addr_t *a)
{
    a->known = (a->dns.rc == NGX_OK);

    if (a->known) {
        a->expires = ngx_current_msec + NGX_NEON_CURL_ADDR_TTL;
        ngx_neon_curl_addr_write(a);
    }
}


static void
ngx_neon_curl_addr_tell(ngx_neon_curl_addr_t *a, ngx_neon_curl_wait_t *w)
{
    w->resolve = a->known ? a->text : NULL;
    w->error = a->dns.error;
    w->naddrs = a->dns.naddrs;
    w->turn = a->turn;
}


static void
ngx_neon_curl_addr_write(ngx_neon_curl_addr_t *a)
{
    u_char           *p, *last;
    ngx_uint_t        i, n;
    struct sockaddr  *sa;

    p = (u_char *) a->text;
    last = p + sizeof(a->text) - 1;

    p = ngx_slprintf(p, last, "+%V:%ui:", &a->dns.host,
                     (ngx_uint_t) a->dns.port);

    for (i = 0; i < a->dns.naddrs; i++) {
        n = (a->turn + i) % a->dns.naddrs;
        sa = &a->dns.addrs[n].sockaddr.sockaddr;

        if (i) {
            *p++ = ',';
        }

        if (sa->sa_family == AF_INET6) {
            *p++ = '[';
        }

        p += ngx_sock_ntop(sa, a->dns.addrs[n].socklen, p, last - p, 0);

        if (sa->sa_family == AF_INET6) {
            *p++ = ']';
        }
    }

    *p = '\0';
}
