/*
 * A whole nginx with the module in this process.
 *
 * The calls named __wrap_... stand in for those of nginx and of the module, by
 * the linker's --wrap.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "server.h"

#include <ngx_thread_pool.h>
#include <sanitizer/lsan_interface.h>
#include <sys/epoll.h>

#include "lack.h"
#include "neon_crypto.h"

#include "ngx_neon_time.h"


int nginx_main(int argc, char *const *argv);

void __wrap_ngx_single_process_cycle(ngx_cycle_t *cycle);
void __wrap_ngx_time_update(void);
void __real_ngx_time_update(void);
ngx_int_t __wrap_ngx_thread_task_post(ngx_thread_pool_t *tp,
    ngx_thread_task_t *task);
uint64_t __wrap_ngx_neon_usec(void);
neon_rc_e __wrap_neon_random(void *out, size_t len);
int __wrap_epoll_wait(int ep, struct epoll_event *events, int n, int timeout);
int __real_epoll_wait(int ep, struct epoll_event *events, int n, int timeout);


static ngx_msec_t  server_msec;
static ngx_uint_t  server_events;
static uint32_t    server_random;


void
server_start(const char *dir, const char *conf)
{
    int          i, err;
    FILE        *f;
    static char  file[NGX_MAX_PATH], log[NGX_MAX_PATH], prefix[NGX_MAX_PATH];
    static char *argv[] = { "nginx", "-p", prefix, "-e", log, "-c", file,
                            NULL };

    static const int  signals[] = { SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGALRM,
                                    SIGUSR1, SIGUSR2, SIGWINCH, SIGIO,
                                    SIGCHLD };

    snprintf(prefix, sizeof(prefix), "%s", dir);
    snprintf(log, sizeof(log), "%s/error.log", dir);
    snprintf(file, sizeof(file), "%s/nginx.conf", dir);

    f = fopen(file, "w");
    server_check(f != NULL, "nginx.conf");
    fputs(conf, f);
    fclose(f);

    /* nginx takes stderr for its log, and signals; both are the fuzzer's.
       What it has from its start it has for good. */

    err = dup(STDERR_FILENO);
    __lsan_disable();
    i = nginx_main(7, argv);
    __lsan_enable();
    (void) dup2(err, STDERR_FILENO);
    close(err);

    server_check(i == 0 && server_msec, "nginx starts");

    for (i = 0; i < (int) (sizeof(signals) / sizeof(signals[0])); i++) {
        signal(signals[i], SIG_DFL);
    }
}


void
server_reset(void)
{
    server_random = 1;
    lack(0);
    srandom(1);
}


ngx_uint_t
server_turn(void)
{
    server_events = 0;
    ngx_process_events_and_timers((ngx_cycle_t *) ngx_cycle);

    return server_events;
}


ngx_uint_t
server_idle(void)
{
    return ngx_queue_empty(&ngx_posted_events)
           && ngx_queue_empty(&ngx_posted_next_events)
           && ngx_queue_empty(&ngx_posted_accept_events);
}


void
server_later(ngx_msec_t msec)
{
    server_msec += msec;
}


void
server_check(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}


/* where nginx would go into its loop */

void
__wrap_ngx_single_process_cycle(ngx_cycle_t *cycle)
{
    ngx_uint_t  i;

    server_msec = ngx_current_msec;

    server_check(ngx_set_environment(cycle, NULL) != NULL, "environment");

    for (i = 0; cycle->modules[i]; i++) {
        if (cycle->modules[i]->init_process) {
            server_check(cycle->modules[i]->init_process(cycle) == NGX_OK,
                         "init_process");
        }
    }
}


void
__wrap_ngx_time_update(void)
{
    if (server_msec == 0) {
        __real_ngx_time_update();
        return;
    }

    ngx_current_msec = server_msec;
}


uint64_t
__wrap_ngx_neon_usec(void)
{
    return (uint64_t) server_msec * 1000;
}


int
__wrap_epoll_wait(int ep, struct epoll_event *events, int n, int timeout)
{
    int  rc;

    rc = __real_epoll_wait(ep, events, n, 0);

    if (rc > 0) {
        server_events += rc;

    } else if (rc == 0 && timeout == -1) {

        /* without a timer it ends with an event or a signal */

        errno = EINTR;
        return -1;
    }

    return rc;
}


neon_rc_e
__wrap_neon_random(void *out, size_t len)
{
    size_t    i;
    uint8_t  *p;

    p = out;

    for (i = 0; i < len; i++) {
        server_random = server_random * 1103515245 + 12345;
        p[i] = (uint8_t) (server_random >> 16);
    }

    return NEON_OK;
}


/* its end is an event of the next turn, as it would be of the real one */

ngx_int_t
__wrap_ngx_thread_task_post(ngx_thread_pool_t *tp, ngx_thread_task_t *task)
{
    task->handler(task->ctx, ngx_cycle->log);

    task->event.complete = 1;
    task->event.active = 0;
    task->event.log = ngx_cycle->log;

    ngx_post_event(&task->event, &ngx_posted_next_events);

    return NGX_OK;
}
