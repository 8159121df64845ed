/*
 * BackendKeyData: the key by which the client may cancel its queries.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_login.h"


#define NGX_NEON_LOGIN_RANGES  64


static ngx_uint_t ngx_neon_login_cancel_ranges(ngx_neon_session_t *s,
    neon_ip_range_t **ranges);


/* the client gets a key of ours, which leads to the compute's */

ngx_int_t
ngx_neon_login_cancel_key(ngx_neon_session_t *s)
{
    size_t                     len;
    neon_wr_t                  w;
    const char                *name;
    ngx_uint_t                 n;
    neon_ip_range_t           *ranges;
    ngx_connection_t          *pc;
    ngx_neon_login_t          *l;
    ngx_neon_cancel_key_t      key;
    ngx_neon_cancel_target_t  *t;

    l = s->login;
    t = &l->target;
    pc = s->compute;

    t->ssl = l->ssl;
    t->socklen = l->dns->addrs[l->addr].socklen;
    t->sockaddr = l->dns->addrs[l->addr].sockaddr;

    name = (char *) (l->node->server_name.len ? l->node->server_name.data
                                              : l->node->host.data);
    len = ngx_strlen(name);

    if (pc->ssl == NULL || len >= sizeof(t->server_name)) {
        len = 0;
    }

    ngx_memcpy(t->server_name, name, len);
    t->server_name[len] = '\0';

    ngx_memzero(&key, sizeof(ngx_neon_cancel_key_t));
    key.len = l->cancel_key_len;

    n = ngx_neon_login_cancel_ranges(s, &ranges);

    if (ngx_neon_cancel_add(s->conf, &key, ngx_neon_access_link(s), t, ranges,
                            n, &s->cancel)
        != NGX_OK)
    {
        ngx_log_error(NGX_LOG_WARN, s->log, 0,
                      "zone \"%V\" is full: queries of this session cannot be"
                      " canceled", &s->conf->zone_name);
    }

    if (ngx_neon_bytes_writer(s, &l->out, 64, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    neon_pg_key_data_write(&w, key.pid, neon_str(key.key, key.len));

    return ngx_neon_bytes_wrote(s, &l->out, &w);
}


/*
 * From where the key may be used: the endpoint's list of addresses.  Of a long
 * one, which every session would have a copy of, just the client's own.  None
 * of it concerns private links.
 */

static ngx_uint_t
ngx_neon_login_cancel_ranges(ngx_neon_session_t *s, neon_ip_range_t **ranges)
{
    ngx_array_t       *list;
    neon_ip_range_t   *own;
    ngx_neon_login_t  *l;

    l = s->login;
    list = s->conf->private_access ? NULL : l->access->allowed_ips;
    *ranges = list ? list->elts : NULL;

    if (list == NULL || list->nelts <= NGX_NEON_LOGIN_RANGES) {
        return list ? list->nelts : 0;
    }

    own = list->elts;

    if (ngx_neon_access_address(s, &own->from) != NGX_OK) {
        return 0;
    }

    own->to = own->from;

    return 1;
}
