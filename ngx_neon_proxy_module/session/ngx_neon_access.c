/*
 * Third step: the role's verifier and the endpoint's rules.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_login.h"

#include "neon_endpoint.h"

#include "ngx_neon_limit.h"


static ngx_int_t ngx_neon_access_verifier(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_access_public(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_access_private(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_access_rate(ngx_neon_session_t *s);
static ngx_int_t ngx_neon_access_pass(ngx_neon_session_t *s);


ngx_int_t
ngx_neon_access_step(ngx_neon_session_t *s)
{
    ngx_int_t          rc;
    ngx_neon_login_t  *l;

    l = s->login;

    if (s->conf->auth != NGX_NEON_AUTH_SCRAM) {
        return ngx_neon_access_pass(s);
    }

    rc = ngx_neon_ask(s, NGX_NEON_CTL_ACCESS);
    if (rc != NGX_OK) {
        return rc;
    }

    l->access = l->ctl.access;
    l->access_generation = l->ctl.generation;
    l->access_age = l->ctl.age;

    if (ngx_neon_access_check(s) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_neon_access_verifier(s);
}


ngx_int_t
ngx_neon_access_check(ngx_neon_session_t *s)
{
    ngx_int_t  rc;

    rc = s->conf->private_access ? ngx_neon_access_private(s)
                                 : ngx_neon_access_public(s);

    return rc == NGX_OK ? ngx_neon_access_rate(s) : NGX_ERROR;
}


/*
 * An unknown role or endpoint goes on with a verifier of its own that no
 * password fits, the same at each attempt: it cannot be told from a known one.
 * So does a role whose password has expired, as in PostgreSQL.
 */

static ngx_int_t
ngx_neon_access_verifier(ngx_neon_session_t *s)
{
    time_t             until;
    neon_str_t         endpoint, secret;
    ngx_neon_login_t  *l;

    l = s->login;
    until = l->access->valid_until;

    if (l->access->found && (until == 0 || until > ngx_time())) {
        l->verifier = l->access->verifier;
        l->md5 = l->access->by_md5 ? &l->access->md5 : NULL;
        return NGX_OK;
    }

    endpoint = neon_endpoint_normal(neon_str(s->endpoint.data,
                                             s->endpoint.len));

    secret = s->conf->mock_secret.len
             ? neon_str(s->conf->mock_secret.data, s->conf->mock_secret.len)
             : ngx_neon_zone_secret(s->conf);

    if (neon_scram_verifier_mock(&l->verifier, secret, endpoint,
                                 neon_str(s->user.data, s->user.len))
        != NEON_OK)
    {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    if (l->access->found) {
        ngx_str_set(&s->detail, "the role's password has expired");

    } else if (l->access->by_md5) {
        ngx_str_set(&s->detail, "the role has an MD5 verifier, and"
                                " \"md5_verifiers\" is off");

    } else {
        ngx_str_set(&s->detail, "the control plane knows no such role with a"
                                " SCRAM verifier");
    }

    return NGX_OK;
}


/*
 * Login attempts by endpoint.  What the control plane says of it comes first,
 * and has a bucket for each front: their rates differ.
 */

static ngx_int_t
ngx_neon_access_rate(ngx_neon_session_t *s)
{
    neon_str_t              endpoint;
    ngx_neon_limit_e        what;
    const ngx_neon_rate_t  *rate;

    rate = &s->login->access->rate[s->front->index];
    what = NGX_NEON_LIMIT_FRONT + s->front->index;

    if (rate->rate == 0) {
        rate = &s->conf->limit_connections;
        what = NGX_NEON_LIMIT_LOGIN;
    }

    endpoint = neon_endpoint_normal(neon_str(s->endpoint.data,
                                             s->endpoint.len));

    if (ngx_neon_limit_take(ngx_neon_zone(s->conf), what, endpoint, rate)
        == 0)
    {
        return NGX_OK;
    }

    return ngx_neon_session_error(s, NGX_NEON_REASON_RATE_LIMIT);
}


/* the compute knows its roles; nobody has rules for it but the block */

static ngx_int_t
ngx_neon_access_pass(ngx_neon_session_t *s)
{
    ngx_neon_login_t  *l;

    l = s->login;

    l->access = ngx_pcalloc(l->pool, sizeof(ngx_neon_access_t));
    if (l->access == NULL) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_INTERNAL);
    }

    return ngx_neon_access_rate(s);
}


static ngx_int_t
ngx_neon_access_public(ngx_neon_session_t *s)
{
    ngx_uint_t          i, allowed;
    neon_ip_t           ip;
    neon_ip_range_t    *range;
    ngx_neon_access_t  *a;

    a = s->login->access;
    allowed = !a->restricted;

    if (a->allowed_ips && ngx_neon_access_address(s, &ip) == NGX_OK) {
        range = a->allowed_ips->elts;

        for (i = 0; !allowed && i < a->allowed_ips->nelts; i++) {
            allowed = neon_ip_in_range(&ip, &range[i]);
        }
    }

    if (!allowed) {
        return ngx_neon_session_errorf(s, NGX_NEON_REASON_ADDRESS,
                      "This IP address %V is not allowed to connect to this"
                      " endpoint.", &s->client->addr_text);
    }

    if (a->block_public) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_NETWORK_BLOCKED);
    }

    return NGX_OK;
}


/* addresses say nothing here: every private network has the same ones */

static ngx_int_t
ngx_neon_access_private(ngx_neon_session_t *s)
{
    ngx_str_t          *id, *allowed;
    ngx_uint_t          i;
    ngx_neon_access_t  *a;

    a = s->login->access;
    id = &s->vpc_endpoint_id;

    if (a->block_vpc) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_NETWORK_BLOCKED);
    }

    if (id->len == 0) {
        return ngx_neon_session_error(s, NGX_NEON_REASON_VPC_MISSING);
    }

    if (a->allowed_vpc_ids == NULL) {
        return NGX_OK;
    }

    allowed = a->allowed_vpc_ids->elts;

    for (i = 0; i < a->allowed_vpc_ids->nelts; i++) {
        if (allowed[i].len == id->len
            && ngx_memcmp(allowed[i].data, id->data, id->len) == 0)
        {
            return NGX_OK;
        }
    }

    return ngx_neon_session_errorf(s, NGX_NEON_REASON_VPC,
                  "This VPC endpoint id %V is not allowed to connect to this"
                  " endpoint.", id);
}


const ngx_str_t *
ngx_neon_access_link(ngx_neon_session_t *s)
{
    static const ngx_str_t  none = ngx_null_string;

    return s->conf->private_access ? &s->vpc_endpoint_id : &none;
}


/*
 * The same private addresses are in use behind many links, whose users have
 * nothing to do with each other: a hash of the link is its network, in the
 * place of an IPv6 /64.
 */

ngx_int_t
ngx_neon_access_network(ngx_neon_session_t *s, neon_ip_t *ip)
{
    uint64_t          hash[2];
    neon_str_t        id;
    const ngx_str_t  *link;

    link = ngx_neon_access_link(s);

    if (link->len == 0) {
        return ngx_neon_access_address(s, ip);
    }

    id = neon_str(link->data, link->len);

    hash[0] = ngx_neon_zone_hash(ngx_neon_zone(s->conf), &id, 1);
    hash[1] = 0;

    return neon_ip_set(ip, hash, sizeof(hash)) == NEON_OK ? NGX_OK
                                                          : NGX_DECLINED;
}


ngx_int_t
ngx_neon_access_address(ngx_neon_session_t *s, neon_ip_t *ip)
{
    neon_rc_e             rc;
    struct sockaddr      *sa;
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    sa = s->client->sockaddr;

    switch (sa->sa_family) {

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sa;
        rc = neon_ip_set(ip, &sin6->sin6_addr, 16);
        break;
#endif

    case AF_INET:
        sin = (struct sockaddr_in *) sa;
        rc = neon_ip_set(ip, &sin->sin_addr, 4);
        break;

    default:
        return NGX_DECLINED;
    }

    return rc == NEON_OK ? NGX_OK : NGX_DECLINED;
}
