/*
 * Names to addresses, never blocking a worker.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_dns.h"

#include <netdb.h>


#define NGX_NEON_DNS_NAME_MAX  255


/*
 * A look-up in progress, malloc'd: a thread may outlive the request that asked
 * for it.  The task must be first, its event's data is the look-up.
 */

typedef struct {
    ngx_thread_task_t          task;
    ngx_event_t                event;         /* timer; answer, posted */
    ngx_neon_dns_t            *d;             /* NULL: nobody waits */
    ngx_resolver_ctx_t        *resolver;
    unsigned                   answered:1;

    /* only the thread's while it runs */
    int                        rc;            /* of getaddrinfo() */
    ngx_neon_dns_t             found;         /* its addresses only */

    char                       host[NGX_NEON_DNS_NAME_MAX + 1];
} ngx_neon_dns_lookup_t;


static ngx_int_t ngx_neon_dns_refuse(ngx_neon_dns_t *d, const char *error);
static ngx_int_t ngx_neon_dns_literal(ngx_neon_dns_t *d);
static void ngx_neon_dns_add(ngx_neon_dns_t *d, struct sockaddr *sa,
    socklen_t socklen);
static void ngx_neon_dns_settle(ngx_neon_dns_t *d);
static ngx_int_t ngx_neon_dns_resolver_start(ngx_neon_dns_lookup_t *l);
static void ngx_neon_dns_resolver_handler(ngx_resolver_ctx_t *ctx);
static ngx_int_t ngx_neon_dns_thread_start(ngx_neon_dns_lookup_t *l);
static void ngx_neon_dns_thread(void *data, ngx_log_t *log);
static void ngx_neon_dns_thread_handler(ngx_event_t *ev);
static void ngx_neon_dns_event_handler(ngx_event_t *ev);
static void ngx_neon_dns_detach(ngx_neon_dns_lookup_t *l);


/* what debug logs of timers take the number of a descriptor from */
static ngx_connection_t  ngx_neon_dns_no_fd = { .fd = (ngx_socket_t) -1 };


ngx_int_t
ngx_neon_dns_start(ngx_neon_dns_t *d)
{
    ngx_int_t               rc;
    ngx_neon_dns_lookup_t  *l;

    d->rc = NGX_ERROR;
    d->error = NULL;
    d->naddrs = 0;
    d->ctx = NULL;

    if (d->host.len == 0 || d->host.len > NGX_NEON_DNS_NAME_MAX
        || ngx_strlchr(d->host.data, d->host.data + d->host.len, '\0') != NULL)
    {
        return ngx_neon_dns_refuse(d, "invalid host name");
    }

    if (ngx_neon_dns_literal(d) == NGX_OK) {
        return NGX_OK;
    }

    l = ngx_calloc(sizeof(ngx_neon_dns_lookup_t), d->log);
    if (l == NULL) {
        return ngx_neon_dns_refuse(d, "no memory");
    }

    /* a copy: nginx's resolver also turns it into lower case */
    ngx_memcpy(l->host, d->host.data, d->host.len);

    l->d = d;
    d->ctx = l;

    l->event.handler = ngx_neon_dns_event_handler;
    l->event.data = &ngx_neon_dns_no_fd;
    l->event.log = ngx_cycle->log;
    l->event.cancelable = 1;

    /* RFC 6761, 6.3: no name server is asked for localhost */

    if (d->conf->resolver && ngx_strcasecmp((u_char *) l->host,
                                            (u_char *) "localhost") != 0)
    {
        rc = ngx_neon_dns_resolver_start(l);

    } else {
        rc = ngx_neon_dns_thread_start(l);
    }

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    d->ctx = NULL;
    ngx_free(l);

    return NGX_OK;
}


void
ngx_neon_dns_cancel(ngx_neon_dns_t *d)
{
    if (d->ctx) {
        ngx_neon_dns_detach(d->ctx);
    }
}


static ngx_int_t
ngx_neon_dns_refuse(ngx_neon_dns_t *d, const char *error)
{
    d->rc = NGX_ERROR;
    d->error = error;

    return NGX_OK;
}


static ngx_int_t
ngx_neon_dns_literal(ngx_neon_dns_t *d)
{
    u_char          text[NGX_NEON_DNS_NAME_MAX + 1];
    ngx_sockaddr_t  sa;

    ngx_memcpy(text, d->host.data, d->host.len);
    text[d->host.len] = '\0';

    ngx_memzero(&sa, sizeof(ngx_sockaddr_t));

    if (inet_pton(AF_INET, (char *) text, &sa.sockaddr_in.sin_addr) == 1) {
        sa.sockaddr.sa_family = AF_INET;
        ngx_neon_dns_add(d, &sa.sockaddr, sizeof(struct sockaddr_in));

#if (NGX_HAVE_INET6)
    } else if (inet_pton(AF_INET6, (char *) text, &sa.sockaddr_in6.sin6_addr)
               == 1)
    {
        sa.sockaddr.sa_family = AF_INET6;
        ngx_neon_dns_add(d, &sa.sockaddr, sizeof(struct sockaddr_in6));
#endif

    } else {
        return NGX_DECLINED;
    }

    ngx_neon_dns_settle(d);

    return NGX_OK;
}


static void
ngx_neon_dns_add(ngx_neon_dns_t *d, struct sockaddr *sa, socklen_t socklen)
{
    if (d->naddrs == NGX_NEON_DNS_MAX_ADDRS
        || socklen > (socklen_t) sizeof(ngx_sockaddr_t))
    {
        return;
    }

    ngx_memcpy(&d->addrs[d->naddrs].sockaddr, sa, socklen);
    d->addrs[d->naddrs].socklen = socklen;

    d->naddrs++;
}


static void
ngx_neon_dns_settle(ngx_neon_dns_t *d)
{
    ngx_uint_t  i;

    for (i = 0; i < d->naddrs; i++) {
        ngx_inet_set_port(&d->addrs[i].sockaddr.sockaddr, d->port);
    }

    if (d->naddrs) {
        d->rc = NGX_OK;
        return;
    }

    (void) ngx_neon_dns_refuse(d, "no address found");
}


/*
 * The resolver may call its handler synchronously, and it calls the handlers
 * of one name in a loop over contexts, any of which a caller's handler could
 * cancel.  So an answer that does not come at once is posted.
 */

static ngx_int_t
ngx_neon_dns_resolver_start(ngx_neon_dns_lookup_t *l)
{
    ngx_neon_dns_t      *d;
    ngx_resolver_ctx_t  *ctx;

    d = l->d;

    ctx = ngx_resolve_start(d->conf->resolver, NULL);

    if (ctx == NULL) {
        return ngx_neon_dns_refuse(d, "no memory");
    }

    if (ctx == NGX_NO_RESOLVER) {
        return ngx_neon_dns_refuse(d, "the resolver has no servers");
    }

    ctx->name.data = (u_char *) l->host;
    ctx->name.len = d->host.len;
    ctx->handler = ngx_neon_dns_resolver_handler;
    ctx->data = l;
    ctx->timeout = d->conf->resolver_timeout;

    /* the session has a timer of its own that holds an exiting worker */
    ctx->cancelable = 1;

    l->resolver = ctx;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        l->resolver = NULL;
        return ngx_neon_dns_refuse(d, "the resolver failed");
    }

    if (!l->answered) {
        return NGX_AGAIN;
    }

    if (l->event.posted) {
        ngx_delete_posted_event(&l->event);
    }

    return NGX_OK;
}


static void
ngx_neon_dns_resolver_handler(ngx_resolver_ctx_t *ctx)
{
    ngx_uint_t              i;
    ngx_neon_dns_t         *d;
    ngx_neon_dns_lookup_t  *l;

    l = ctx->data;
    d = l->d;

    if (ctx->state) {
        (void) ngx_neon_dns_refuse(d, ngx_resolver_strerror(ctx->state));

    } else {
        for (i = 0; i < ctx->naddrs; i++) {
            ngx_neon_dns_add(d, ctx->addrs[i].sockaddr, ctx->addrs[i].socklen);
        }

        ngx_neon_dns_settle(d);
    }

    l->answered = 1;
    l->resolver = NULL;

    ngx_resolve_name_done(ctx);

    ngx_post_event(&l->event, &ngx_posted_events);
}


static ngx_int_t
ngx_neon_dns_thread_start(ngx_neon_dns_lookup_t *l)
{
    ngx_neon_dns_t  *d;

    d = l->d;

    if (d->conf->threads == NULL) {
        return ngx_neon_dns_refuse(d, "neither a resolver nor a thread pool");
    }

    l->task.ctx = l;
    l->task.handler = ngx_neon_dns_thread;
    l->task.event.handler = ngx_neon_dns_thread_handler;
    l->task.event.data = l;

    if (ngx_thread_task_post(d->conf->threads, &l->task) != NGX_OK) {
        return ngx_neon_dns_refuse(d, "the thread pool is full");
    }

    ngx_add_timer(&l->event, d->conf->resolver_timeout);

    return NGX_AGAIN;
}


static void
ngx_neon_dns_thread(void *data, ngx_log_t *log)
{
    ngx_neon_dns_lookup_t  *l = data;

    struct addrinfo  hints, *res, *ai;

    ngx_memzero(&hints, sizeof(struct addrinfo));

    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;

    l->rc = getaddrinfo(l->host, NULL, &hints, &res);

    if (l->rc != 0) {
        return;
    }

    for (ai = res; ai; ai = ai->ai_next) {
        if (ai->ai_family == AF_INET || ai->ai_family == AF_INET6) {
            ngx_neon_dns_add(&l->found, ai->ai_addr, ai->ai_addrlen);
        }
    }

    freeaddrinfo(res);
}


static void
ngx_neon_dns_thread_handler(ngx_event_t *ev)
{
    ngx_neon_dns_t         *d;
    ngx_neon_dns_lookup_t  *l;

    l = ev->data;
    d = l->d;

    if (d == NULL) {
        ngx_free(l);
        return;
    }

    if (l->rc != 0) {
        (void) ngx_neon_dns_refuse(d, gai_strerror(l->rc));

    } else {
        d->naddrs = l->found.naddrs;
        ngx_memcpy(d->addrs, l->found.addrs, sizeof(d->addrs));

        ngx_neon_dns_settle(d);
    }

    l->answered = 1;
    ngx_neon_dns_detach(l);

    d->handler(d);
}


/* the posted answer of the resolver, or the timeout of a thread */

static void
ngx_neon_dns_event_handler(ngx_event_t *ev)
{
    ngx_neon_dns_t         *d;
    ngx_neon_dns_lookup_t  *l;

    l = (ngx_neon_dns_lookup_t *)
                    ((u_char *) ev - offsetof(ngx_neon_dns_lookup_t, event));
    d = l->d;

    if (!l->answered) {
        (void) ngx_neon_dns_refuse(d, "Operation timed out");
    }

    ngx_neon_dns_detach(l);

    d->handler(d);
}


/* frees the look-up, unless a thread still works on it */

static void
ngx_neon_dns_detach(ngx_neon_dns_lookup_t *l)
{
    l->d->ctx = NULL;
    l->d = NULL;

    if (l->event.timer_set) {
        ngx_del_timer(&l->event);
    }

    if (l->event.posted) {
        ngx_delete_posted_event(&l->event);
    }

    if (l->resolver) {
        ngx_resolve_name_done(l->resolver);
    }

    if (l->task.event.active) {
        return;
    }

    ngx_free(l);
}
