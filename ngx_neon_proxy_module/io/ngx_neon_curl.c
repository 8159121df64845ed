/*
 * HTTP requests by libcurl's multi interface on nginx's event loop.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_curl_fd.h"
#include "ngx_neon_curl_req.h"


/* further requests to a host wait in libcurl's queue */
#define NGX_NEON_CURL_MAX_CONNECTIONS  1024

/* further slow ones wait in ours, so that others find a connection */
#define NGX_NEON_CURL_MAX_SLOW         768


typedef struct {
    CURLM                     *multi;
    ngx_event_t                timer;     /* libcurl's */
    ngx_event_t                work;      /* posted: there is something READY,
                                             DROPPED or DONE */
    ngx_queue_t                queues[NGX_NEON_CURL_STATES];
    ngx_uint_t                 nplaces;   /* that slow ones have */
    unsigned                   exiting:1; /* the event loop is over */
} ngx_neon_curl_worker_t;


static ngx_int_t ngx_neon_curl_init_multi(ngx_log_t *log);
static void ngx_neon_curl_give_up(ngx_uint_t all);
static void ngx_neon_curl_init_event(ngx_event_t *ev,
    ngx_event_handler_pt handler);

static void ngx_neon_curl_find_host(ngx_neon_curl_req_t *req);
static void ngx_neon_curl_wait_handler(ngx_neon_curl_wait_t *w);
static ngx_msec_t ngx_neon_curl_left(ngx_neon_curl_req_t *req);
static void ngx_neon_curl_wait_timer(ngx_event_t *ev);
static void ngx_neon_curl_resolved(ngx_neon_curl_req_t *req);

static void ngx_neon_curl_move(ngx_neon_curl_req_t *req,
    ngx_neon_curl_state_e state);
static ngx_neon_curl_req_t *ngx_neon_curl_first(ngx_neon_curl_state_e state);
static void ngx_neon_curl_fail(ngx_neon_curl_req_t *req, const char *failure);
static void ngx_neon_curl_free(ngx_neon_curl_req_t *req);
static ngx_int_t ngx_neon_curl_enter(ngx_neon_curl_req_t *req);
static void ngx_neon_curl_leave(ngx_neon_curl_req_t *req);

static void ngx_neon_curl_run(curl_socket_t fd, int events);
static void ngx_neon_curl_add(void);
static void ngx_neon_curl_collect(void);
static void ngx_neon_curl_drop(void);
static void ngx_neon_curl_deliver(void);

static int ngx_neon_curl_on_socket(CURL *easy, curl_socket_t fd, int what,
    void *data, void *fd_data);
static int ngx_neon_curl_on_timer(CURLM *multi, long ms, void *data);
static void ngx_neon_curl_fd_handler(ngx_socket_t fd, ngx_uint_t events);
static void ngx_neon_curl_work_handler(ngx_event_t *ev);


static ngx_neon_curl_worker_t  ngx_neon_curl;

/* debug logs of timers take the number of a descriptor from here */
static ngx_connection_t  ngx_neon_curl_no_fd = { .fd = (ngx_socket_t) -1 };


ngx_int_t
ngx_neon_curl_init(ngx_cycle_t *cycle)
{
    ngx_uint_t  i;

    ngx_memzero(&ngx_neon_curl, sizeof(ngx_neon_curl_worker_t));

    for (i = 0; i < NGX_NEON_CURL_STATES; i++) {
        ngx_queue_init(&ngx_neon_curl.queues[i]);
    }

    ngx_neon_curl_init_event(&ngx_neon_curl.timer, ngx_neon_curl_work_handler);
    ngx_neon_curl_init_event(&ngx_neon_curl.work, ngx_neon_curl_work_handler);

    ngx_neon_curl_addr_init();
    ngx_neon_curl_fd_init(ngx_neon_curl_fd_handler);

    return ngx_neon_curl_init_multi(cycle->log);
}


static ngx_int_t
ngx_neon_curl_init_multi(ngx_log_t *log)
{
    CURLM  *multi;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        ngx_log_error(NGX_LOG_EMERG, log, 0, "curl_global_init() failed");
        return NGX_ERROR;
    }

    multi = curl_multi_init();

    if (multi == NULL) {
        ngx_log_error(NGX_LOG_EMERG, log, 0, "curl_multi_init() failed");
        return NGX_ERROR;
    }

    (void) curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION,
                             ngx_neon_curl_on_socket);
    (void) curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION,
                             ngx_neon_curl_on_timer);
    (void) curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                             (long) NGX_NEON_CURL_MAX_CONNECTIONS);

    /* counts busy ones too: less than the above would cost keep-alive */
    (void) curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS,
                             (long) NGX_NEON_CURL_MAX_CONNECTIONS);

    ngx_neon_curl.multi = multi;
    ERR_clear_error();

    return NGX_OK;
}


static void
ngx_neon_curl_init_event(ngx_event_t *ev, ngx_event_handler_pt handler)
{
    ev->handler = handler;
    ev->data = &ngx_neon_curl_no_fd;
    ev->log = ngx_cycle->log;

    /* an exiting worker is held by the sessions' timers, not by ours */
    ev->cancelable = 1;
}


void
ngx_neon_curl_exit(ngx_cycle_t *cycle)
{
    if (ngx_neon_curl.multi == NULL) {
        return;
    }

    ngx_neon_curl.exiting = 1;
    ngx_neon_curl_give_up(1);
    ngx_neon_curl_addr_exit();

    /* closes the idle connections; it waits for nobody */

    (void) curl_multi_cleanup(ngx_neon_curl.multi);
    ngx_neon_curl.multi = NULL;

    ngx_neon_curl_fd_exit();

    curl_global_cleanup();
    ERR_clear_error();
}


/* handlers are not called; all: also those that may go on behind the loop */

static void
ngx_neon_curl_give_up(ngx_uint_t all)
{
    ngx_uint_t            i;
    ngx_queue_t          *q, *next;
    ngx_neon_curl_req_t  *req;

    for (i = 0; i < NGX_NEON_CURL_STATES; i++) {

        for (q = ngx_queue_head(&ngx_neon_curl.queues[i]);
             q != ngx_queue_sentinel(&ngx_neon_curl.queues[i]);
             q = next)
        {
            next = ngx_queue_next(q);
            req = ngx_queue_data(q, ngx_neon_curl_req_t, queue);

            if (!all && req->r && req->r->last) {
                continue;
            }

            if (i == NGX_NEON_CURL_RUNNING || i == NGX_NEON_CURL_DROPPED) {
                (void) curl_multi_remove_handle(ngx_neon_curl.multi,
                                                req->easy);
            }

            if (req->r) {
                req->r->ctx = NULL;
            }

            if (i == NGX_NEON_CURL_WAITING) {
                ngx_neon_curl_addr_cancel(&req->wait);
            }

            ngx_neon_curl_free(req);
        }
    }
}


void
ngx_neon_curl_last(void)
{
    ngx_neon_curl_req_t  *req;

    ngx_neon_curl.exiting = 1;
    ngx_neon_curl_give_up(0);

    /* nobody looks up their hosts any more: libcurl does, on a thread */

    while ((req = ngx_neon_curl_first(NGX_NEON_CURL_WAITING)) != NULL) {
        ngx_neon_curl_addr_cancel(&req->wait);
        ngx_neon_curl_move(req, NGX_NEON_CURL_READY);
    }
}


void
ngx_neon_curl_wait(ngx_msec_t msec)
{
    int  running;

    ngx_neon_curl_add();

    (void) curl_multi_perform(ngx_neon_curl.multi, &running);

    if (running) {
        (void) curl_multi_poll(ngx_neon_curl.multi, NULL, 0, (int) msec,
                               NULL);
        (void) curl_multi_perform(ngx_neon_curl.multi, &running);
    }

    ngx_neon_curl_collect();
    ngx_neon_curl_drop();
    ERR_clear_error();

    ngx_neon_curl_deliver();
}


ngx_int_t
ngx_neon_curl_start(ngx_neon_curl_t *r)
{
    ngx_neon_curl_req_t  *req;

    r->status = 0;
    r->retry_after = 0;
    r->error = NULL;
    r->too_large = 0;
    r->ctx = NULL;
    ngx_str_null(&r->response);

    req = ngx_neon_curl_req_create(r);
    if (req == NULL) {
        return NGX_ERROR;
    }

    r->ctx = req;

    req->state = NGX_NEON_CURL_WAITING;
    ngx_queue_insert_tail(&ngx_neon_curl.queues[NGX_NEON_CURL_WAITING],
                          &req->queue);

    ngx_neon_curl_init_event(&req->timer, ngx_neon_curl_wait_timer);

    if (ngx_neon_url_parse(&req->url, &r->url, &req->failure) != NGX_OK) {
        ngx_neon_curl_move(req, NGX_NEON_CURL_DONE);

    } else if (req->url.literal) {
        ngx_neon_curl_move(req, NGX_NEON_CURL_READY);

    } else {
        ngx_neon_curl_find_host(req);
    }

    return NGX_AGAIN;
}


void
ngx_neon_curl_cancel(ngx_neon_curl_t *r)
{
    ngx_neon_curl_req_t  *req;

    req = r->ctx;

    if (req == NULL) {
        return;
    }

    r->ctx = NULL;
    req->r = NULL;

    switch (req->state) {

    case NGX_NEON_CURL_RUNNING:

        /* not at once: ngx_neon_fd_attach() may bring us here from libcurl */

        ngx_neon_curl_move(req, NGX_NEON_CURL_DROPPED);
        break;

    case NGX_NEON_CURL_DROPPED:
        break;

    case NGX_NEON_CURL_WAITING:
        ngx_neon_curl_addr_cancel(&req->wait);
        ngx_neon_curl_free(req);
        break;

    default:
        ngx_neon_curl_free(req);
    }
}


static void
ngx_neon_curl_find_host(ngx_neon_curl_req_t *req)
{
    ngx_neon_curl_wait_t  *w;

    w = &req->wait;

    w->conf = req->r->conf;
    w->host = req->url.host;
    w->port = req->url.port;
    w->handler = ngx_neon_curl_wait_handler;
    w->data = req;

    if (ngx_neon_curl.exiting) {
        ngx_neon_curl_move(req, NGX_NEON_CURL_READY);
        return;
    }

    if (ngx_neon_curl_addr_get(w) == NGX_OK) {
        ngx_neon_curl_resolved(req);
        return;
    }

    ngx_add_timer(&req->timer, ngx_neon_curl_left(req));
}


/* of its time */

static ngx_msec_t
ngx_neon_curl_left(ngx_neon_curl_req_t *req)
{
    ngx_msec_t  passed;

    passed = ngx_current_msec - req->start;

    return (passed < req->r->timeout) ? req->r->timeout - passed : 1;
}


static void
ngx_neon_curl_wait_handler(ngx_neon_curl_wait_t *w)
{
    ngx_neon_curl_resolved(w->data);
}


static void
ngx_neon_curl_wait_timer(ngx_event_t *ev)
{
    ngx_neon_curl_req_t  *req;

    req = (ngx_neon_curl_req_t *)
                      ((u_char *) ev - offsetof(ngx_neon_curl_req_t, timer));

    if (req->state == NGX_NEON_CURL_HELD) {
        ngx_neon_curl_fail(req, "too many requests are under way");
        return;
    }

    ngx_neon_curl_addr_cancel(&req->wait);
    ngx_neon_curl_fail(req, "Resolving timed out");
}


static void
ngx_neon_curl_resolved(ngx_neon_curl_req_t *req)
{
    if (req->timer.timer_set) {
        ngx_del_timer(&req->timer);
    }

    if (req->wait.resolve == NULL) {
        (void) ngx_snprintf((u_char *) req->error, CURL_ERROR_SIZE - 1,
                            "Could not resolve host %V: %s%Z",
                            &req->url.host, req->wait.error);

        ngx_neon_curl_fail(req, req->error);
        return;
    }

    if (ngx_neon_curl_req_resolve(req, req->wait.resolve) != NGX_OK) {
        ngx_neon_curl_fail(req, "no memory");
        return;
    }

    ngx_neon_curl_move(req, NGX_NEON_CURL_READY);
}


static void
ngx_neon_curl_move(ngx_neon_curl_req_t *req, ngx_neon_curl_state_e state)
{
    ngx_queue_remove(&req->queue);
    ngx_queue_insert_tail(&ngx_neon_curl.queues[state], &req->queue);

    req->state = state;

    if (state != NGX_NEON_CURL_RUNNING) {
        ngx_post_event(&ngx_neon_curl.work, &ngx_posted_events);
    }
}


static ngx_neon_curl_req_t *
ngx_neon_curl_first(ngx_neon_curl_state_e state)
{
    ngx_queue_t  *queue;

    queue = &ngx_neon_curl.queues[state];

    if (ngx_queue_empty(queue)) {
        return NULL;
    }

    return ngx_queue_data(ngx_queue_head(queue), ngx_neon_curl_req_t, queue);
}


/* of a request that libcurl does not have */

static void
ngx_neon_curl_fail(ngx_neon_curl_req_t *req, const char *failure)
{
    req->failure = failure;
    ngx_neon_curl_move(req, NGX_NEON_CURL_DONE);
}


static void
ngx_neon_curl_free(ngx_neon_curl_req_t *req)
{
    ngx_queue_remove(&req->queue);

    if (req->timer.timer_set) {
        ngx_del_timer(&req->timer);
    }

    ngx_neon_curl_leave(req);
    ngx_neon_curl_req_free(req);
}


/* a slow one; it keeps its place to the end */

static ngx_int_t
ngx_neon_curl_enter(ngx_neon_curl_req_t *req)
{
    if (req->placed) {
        return NGX_OK;
    }

    if (ngx_neon_curl.nplaces == NGX_NEON_CURL_MAX_SLOW) {
        return NGX_BUSY;
    }

    ngx_neon_curl.nplaces++;
    req->placed = 1;

    return NGX_OK;
}


/* the place goes to the one that waits longest */

static void
ngx_neon_curl_leave(ngx_neon_curl_req_t *req)
{
    ngx_neon_curl_req_t  *next;

    if (!req->placed || ngx_neon_curl.exiting) {
        return;
    }

    req->placed = 0;
    next = ngx_neon_curl_first(NGX_NEON_CURL_HELD);

    if (next == NULL) {
        ngx_neon_curl.nplaces--;
        return;
    }

    next->placed = 1;

    ngx_del_timer(&next->timer);
    ngx_neon_curl_move(next, NGX_NEON_CURL_READY);
}


/*
 * The only place where the multi handle works.  Everything else queues, so
 * that no callback of libcurl, and no handler of a caller, enters it a second
 * time.
 */

static void
ngx_neon_curl_run(curl_socket_t fd, int events)
{
    int  running;

    ngx_neon_curl_add();

    (void) curl_multi_socket_action(ngx_neon_curl.multi, fd, events, &running);

    ngx_neon_curl_collect();
    ngx_neon_curl_drop();

    /* what libcurl leaves in OpenSSL's queue nginx would log as an alert */
    ERR_clear_error();

    ngx_neon_curl_deliver();
}


static void
ngx_neon_curl_add(void)
{
    ngx_neon_curl_req_t  *req;

    while ((req = ngx_neon_curl_first(NGX_NEON_CURL_READY)) != NULL) {

        if (req->r->slow && ngx_neon_curl_enter(req) != NGX_OK) {
            ngx_neon_curl_move(req, NGX_NEON_CURL_HELD);
            ngx_add_timer(&req->timer, ngx_neon_curl_left(req));
            continue;
        }

        (void) curl_easy_setopt(req->easy, CURLOPT_TIMEOUT_MS,
                                (long) ngx_neon_curl_left(req));

        if (curl_multi_add_handle(ngx_neon_curl.multi, req->easy) != CURLM_OK)
        {
            ngx_neon_curl_fail(req, "no memory");
            continue;
        }

        ngx_neon_curl_move(req, NGX_NEON_CURL_RUNNING);
    }
}


static void
ngx_neon_curl_collect(void)
{
    int                   left;
    CURLMsg              *msg;
    CURLcode              code;
    ngx_neon_curl_req_t  *req;

    while ((msg = curl_multi_info_read(ngx_neon_curl.multi, &left)) != NULL) {

        if (msg->msg != CURLMSG_DONE) {
            continue;
        }

        (void) curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE,
                                 (char **) &req);

        if (req->state != NGX_NEON_CURL_RUNNING) {
            continue;
        }

        /* msg dies with curl_multi_remove_handle() */

        code = msg->data.result;
        (void) curl_multi_remove_handle(ngx_neon_curl.multi, req->easy);

        if (ngx_neon_curl_req_complete(req, code) == NGX_AGAIN) {
            ngx_neon_curl_move(req, NGX_NEON_CURL_WAITING);
            ngx_neon_curl_find_host(req);
            continue;
        }

        ngx_neon_curl_move(req, NGX_NEON_CURL_DONE);
    }
}


static void
ngx_neon_curl_drop(void)
{
    ngx_neon_curl_req_t  *req;

    while ((req = ngx_neon_curl_first(NGX_NEON_CURL_DROPPED)) != NULL) {

        (void) curl_multi_remove_handle(ngx_neon_curl.multi, req->easy);

        if (req->r) {
            ngx_neon_curl_move(req, NGX_NEON_CURL_DONE);

        } else {
            ngx_neon_curl_free(req);
        }
    }
}


static void
ngx_neon_curl_deliver(void)
{
    ngx_neon_curl_t      *r;
    ngx_neon_curl_req_t  *req;

    /* a handler may start and cancel whatever it likes */

    while ((req = ngx_neon_curl_first(NGX_NEON_CURL_DONE)) != NULL) {

        r = req->r;

        ngx_neon_curl_req_answer(req);
        ngx_neon_curl_free(req);

        r->handler(r);
    }
}


static int
ngx_neon_curl_on_socket(CURL *easy, curl_socket_t fd, int what, void *data,
    void *fd_data)
{
    ngx_uint_t            events;
    ngx_neon_curl_req_t  *req;

    if (what == CURL_POLL_REMOVE) {
        ngx_neon_curl_fd_forget(fd);
        return 0;
    }

    events = 0;

    if (what & CURL_POLL_IN) {
        events |= NGX_NEON_FD_READ;
    }

    if (what & CURL_POLL_OUT) {
        events |= NGX_NEON_FD_WRITE;
    }

    if (ngx_neon_curl_fd_watch(fd, events) == NGX_OK) {
        return 0;
    }

    /* -1 would end all transfers of the multi handle, and for ever */

    (void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &req);

    if (req->state == NGX_NEON_CURL_RUNNING) {
        req->failure = "no free worker connection";
        ngx_neon_curl_move(req, NGX_NEON_CURL_DROPPED);
    }

    return 0;
}


static int
ngx_neon_curl_on_timer(CURLM *multi, long ms, void *data)
{
    /* deleted first: ngx_add_timer() ignores changes below 300 ms */

    if (ngx_neon_curl.timer.timer_set) {
        ngx_del_timer(&ngx_neon_curl.timer);
    }

    if (ms >= 0) {
        ngx_add_timer(&ngx_neon_curl.timer, (ngx_msec_t) ms);
    }

    return 0;
}


static void
ngx_neon_curl_fd_handler(ngx_socket_t fd, ngx_uint_t events)
{
    ngx_neon_curl_run(fd, (events & NGX_NEON_FD_WRITE) ? CURL_CSELECT_OUT
                                                       : CURL_CSELECT_IN);
}


static void
ngx_neon_curl_work_handler(ngx_event_t *ev)
{
    ngx_neon_curl_run(CURL_SOCKET_TIMEOUT, 0);
}
