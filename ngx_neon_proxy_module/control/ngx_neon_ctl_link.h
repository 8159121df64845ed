/*
 * Console redirect: the client is shown a URL, somebody logs in there, and the
 * console calls back (ngx_neon_manage.h) with a database for that client.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CTL_LINK_H
#define NGX_NEON_CTL_LINK_H


#include "ngx_neon_ctl.h"
#include "ngx_neon_ctl_json.h"


/*
 * ngx_neon_conf_t.ctl_conf of `control_plane link URL [timeout=TIME]
 * [waiters=N]`.  The members below `waiters` are the worker's own, at run
 * time: see ngx_neon_confirm.c.
 */

typedef struct {
    ngx_str_t                  url;           /* the id is put behind it */
    ngx_msec_t                 timeout;
    ngx_uint_t                 waiters;       /* at one time, at most */

    ngx_queue_t                sessions;
    ngx_event_t                event;
    ngx_uint_t                 answers;       /* seen so far */
} ngx_neon_ctl_link_conf_t;


/*
 * The arguments of the directive: cf->args as nginx gives them.  NGX_CONF_OK,
 * or NGX_CONF_ERROR after the error was logged.
 */
char *ngx_neon_ctl_link_directive(ngx_conf_t *cf,
    ngx_neon_ctl_link_conf_t *lconf);

/* NULL: it is another kind of control plane */
ngx_neon_ctl_link_conf_t *ngx_neon_ctl_link_conf(ngx_neon_conf_t *conf);

/*
 * A callback: NULL, or what is wrong with it, in the pool or static.  In both
 * cases json->password is to be wiped where there is one.
 */
const char *ngx_neon_ctl_link_parse(ngx_neon_ctl_json_t *json,
    ngx_str_t *text, ngx_pool_t *pool);

/* r->access and r->node from such a callback; r->rc says whether */
void ngx_neon_ctl_link_answer(ngx_neon_ctl_request_t *r,
    ngx_neon_ctl_json_t *json);


#endif /* NGX_NEON_CTL_LINK_H */
