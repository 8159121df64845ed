/*
 * An answer of a control plane as bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_ctl_pack.h"
#include "ngx_neon_ctl_answer.h"


typedef enum {
    NGX_NEON_CTL_PACK_ACCESS = 1,
    NGX_NEON_CTL_PACK_NODE,
    NGX_NEON_CTL_PACK_ERROR
} ngx_neon_ctl_pack_e;


/* bits of ACCESS */
#define NGX_NEON_CTL_PACK_FOUND         1
#define NGX_NEON_CTL_PACK_RESTRICTED    2
#define NGX_NEON_CTL_PACK_BLOCK_PUBLIC  4
#define NGX_NEON_CTL_PACK_BLOCK_VPC     8
#define NGX_NEON_CTL_PACK_RATES         16
#define NGX_NEON_CTL_PACK_UNTIL         32
#define NGX_NEON_CTL_PACK_MD5           64
#define NGX_NEON_CTL_PACK_VPC           128

/* bits of ERROR */
#define NGX_NEON_CTL_PACK_RETRYABLE     1
#define NGX_NEON_CTL_PACK_TRANSPORT     2


static void ngx_neon_ctl_pack_access(neon_wr_t *w, ngx_neon_access_t *a);
static void ngx_neon_ctl_pack_rates(neon_wr_t *w, ngx_neon_access_t *a);
static void ngx_neon_ctl_pack_vpc(neon_wr_t *w, ngx_array_t *list);
static void ngx_neon_ctl_pack_node(neon_wr_t *w, ngx_neon_node_t *node);
static void ngx_neon_ctl_pack_error(neon_wr_t *w, ngx_neon_ctl_request_t *r);
static void ngx_neon_ctl_pack_str(neon_wr_t *w, ngx_str_t *s);
static ngx_int_t ngx_neon_ctl_unpack_access(ngx_neon_ctl_request_t *r,
    neon_rd_t *rd);
static ngx_int_t ngx_neon_ctl_unpack_ranges(ngx_neon_ctl_request_t *r,
    neon_rd_t *rd);
static ngx_int_t ngx_neon_ctl_unpack_vpc(ngx_neon_ctl_request_t *r,
    neon_rd_t *rd);
static ngx_int_t ngx_neon_ctl_unpack_node(ngx_neon_ctl_request_t *r,
    neon_rd_t *rd);
static ngx_int_t ngx_neon_ctl_unpack_error(ngx_neon_ctl_request_t *r,
    neon_rd_t *rd);
static ngx_int_t ngx_neon_ctl_unpack_str(ngx_neon_ctl_request_t *r,
    neon_rd_t *rd, ngx_str_t *s);


void
ngx_neon_ctl_pack(neon_wr_t *w, ngx_neon_ctl_request_t *r)
{
    if (r->rc != NGX_OK) {
        ngx_neon_ctl_pack_error(w, r);

    } else if (r->call == NGX_NEON_CTL_ACCESS) {
        ngx_neon_ctl_pack_access(w, r->access);

    } else {
        ngx_neon_ctl_pack_node(w, r->node);
    }
}


static void
ngx_neon_ctl_pack_access(neon_wr_t *w, ngx_neon_access_t *a)
{
    ngx_uint_t              i, n, rates;
    neon_ip_range_t        *range;
    neon_scram_verifier_t  *v;

    v = &a->verifier;
    n = a->allowed_ips ? a->allowed_ips->nelts : 0;
    range = a->allowed_ips ? a->allowed_ips->elts : NULL;

    rates = 0;

    for (i = 0; i < NGX_NEON_FRONTS; i++) {
        rates |= (a->rate[i].rate != 0);
    }

    neon_wr_u8(w, NGX_NEON_CTL_PACK_ACCESS);
    neon_wr_u8(w, (a->found ? NGX_NEON_CTL_PACK_FOUND : 0)
                  | (a->restricted ? NGX_NEON_CTL_PACK_RESTRICTED : 0)
                  | (a->block_public ? NGX_NEON_CTL_PACK_BLOCK_PUBLIC : 0)
                  | (a->block_vpc ? NGX_NEON_CTL_PACK_BLOCK_VPC : 0)
                  | (rates ? NGX_NEON_CTL_PACK_RATES : 0)
                  | (a->valid_until ? NGX_NEON_CTL_PACK_UNTIL : 0)
                  | (a->by_md5 ? NGX_NEON_CTL_PACK_MD5 : 0)
                  | (a->allowed_vpc_ids ? NGX_NEON_CTL_PACK_VPC : 0));

    if (a->found && a->by_md5) {
        neon_wr_bytes(w, a->md5.hex, NEON_MD5_HEX);

    } else if (a->found) {
        neon_wr_u32(w, v->iterations);
        neon_wr_u16(w, v->salt_len);
        neon_wr_bytes(w, v->salt, v->salt_len);
        neon_wr_bytes(w, v->stored_key, NEON_SCRAM_KEY_LEN);
        neon_wr_bytes(w, v->server_key, NEON_SCRAM_KEY_LEN);
    }

    if (n > 0xffff) {
        w->error = 1;
        return;
    }

    neon_wr_u16(w, (uint16_t) n);

    for (i = 0; i < n; i++) {
        neon_wr_u8(w, range[i].from.len);
        neon_wr_bytes(w, range[i].from.addr, range[i].from.len);
        neon_wr_bytes(w, range[i].to.addr, range[i].from.len);
    }

    ngx_neon_ctl_pack_str(w, &a->project_id);
    ngx_neon_ctl_pack_str(w, &a->account_id);

    if (rates) {
        ngx_neon_ctl_pack_rates(w, a);
    }

    if (a->valid_until) {
        neon_wr_u32(w, (uint32_t) ((uint64_t) a->valid_until >> 32));
        neon_wr_u32(w, (uint32_t) a->valid_until);
    }

    if (a->allowed_vpc_ids) {
        ngx_neon_ctl_pack_vpc(w, a->allowed_vpc_ids);
    }
}


static void
ngx_neon_ctl_pack_rates(neon_wr_t *w, ngx_neon_access_t *a)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_NEON_FRONTS; i++) {
        neon_wr_u32(w, (uint32_t) a->rate[i].rate);
        neon_wr_u32(w, (uint32_t) a->rate[i].burst);
    }
}


static void
ngx_neon_ctl_pack_vpc(neon_wr_t *w, ngx_array_t *list)
{
    ngx_str_t   *id;
    ngx_uint_t   i;

    if (list->nelts > 0xffff) {
        w->error = 1;
        return;
    }

    neon_wr_u16(w, (uint16_t) list->nelts);

    id = list->elts;

    for (i = 0; i < list->nelts; i++) {
        ngx_neon_ctl_pack_str(w, &id[i]);
    }
}


static void
ngx_neon_ctl_pack_node(neon_wr_t *w, ngx_neon_node_t *node)
{
    neon_wr_u8(w, NGX_NEON_CTL_PACK_NODE);
    neon_wr_u16(w, node->port);
    neon_wr_u8(w, (uint8_t) node->ssl);

    ngx_neon_ctl_pack_str(w, &node->host);
    ngx_neon_ctl_pack_str(w, &node->server_name);
    ngx_neon_ctl_pack_str(w, &node->endpoint_id);
    ngx_neon_ctl_pack_str(w, &node->project_id);
    ngx_neon_ctl_pack_str(w, &node->branch_id);
    ngx_neon_ctl_pack_str(w, &node->compute_id);
    ngx_neon_ctl_pack_str(w, &node->cold_start);
}


static void
ngx_neon_ctl_pack_error(neon_wr_t *w, ngx_neon_ctl_request_t *r)
{
    neon_wr_u8(w, NGX_NEON_CTL_PACK_ERROR);
    neon_wr_u8(w, (uint8_t) r->reason);
    neon_wr_u8(w, (r->retryable ? NGX_NEON_CTL_PACK_RETRYABLE : 0)
                  | (r->transport ? NGX_NEON_CTL_PACK_TRANSPORT : 0));
    neon_wr_u32(w, (uint32_t) r->retry_delay);

    ngx_neon_ctl_pack_str(w, &r->message);
    ngx_neon_ctl_pack_str(w, &r->detail);
}


/* a length of one byte, or of two with the first bit set */

static void
ngx_neon_ctl_pack_str(neon_wr_t *w, ngx_str_t *s)
{
    if (s->len < 0x80) {
        neon_wr_u8(w, (uint8_t) s->len);

    } else if (s->len < 0x8000) {
        neon_wr_u16(w, (uint16_t) (0x8000 | s->len));

    } else {
        w->error = 1;
        return;
    }

    neon_wr_bytes(w, s->data, s->len);
}


void
ngx_neon_ctl_unpack(ngx_neon_ctl_request_t *r, neon_str_t value)
{
    ngx_int_t  rc;
    neon_rd_t  rd;

    neon_rd_init(&rd, value.data, value.len);

    r->rc = NGX_OK;

    switch (neon_rd_u8(&rd)) {

    case NGX_NEON_CTL_PACK_ACCESS:
        rc = ngx_neon_ctl_unpack_access(r, &rd);
        break;

    case NGX_NEON_CTL_PACK_NODE:
        rc = ngx_neon_ctl_unpack_node(r, &rd);
        break;

    case NGX_NEON_CTL_PACK_ERROR:
        rc = ngx_neon_ctl_unpack_error(r, &rd);
        break;

    default:
        rc = NGX_ERROR;
    }

    if (rc != NGX_OK || rd.error) {
        ngx_neon_ctl_fail(r, NGX_NEON_REASON_INTERNAL, "no memory");
    }
}


static ngx_int_t
ngx_neon_ctl_unpack_access(ngx_neon_ctl_request_t *r, neon_rd_t *rd)
{
    uint8_t                 flags;
    uint64_t                until;
    neon_str_t              salt;
    ngx_uint_t              i;
    ngx_neon_access_t      *a;
    neon_scram_verifier_t  *v;

    a = ngx_pcalloc(r->pool, sizeof(ngx_neon_access_t));
    if (a == NULL) {
        return NGX_ERROR;
    }

    r->access = a;
    flags = neon_rd_u8(rd);

    a->found = (flags & NGX_NEON_CTL_PACK_FOUND) != 0;
    a->restricted = (flags & NGX_NEON_CTL_PACK_RESTRICTED) != 0;
    a->block_public = (flags & NGX_NEON_CTL_PACK_BLOCK_PUBLIC) != 0;
    a->block_vpc = (flags & NGX_NEON_CTL_PACK_BLOCK_VPC) != 0;
    a->by_md5 = (flags & NGX_NEON_CTL_PACK_MD5) != 0;

    if (a->found && a->by_md5) {
        if (neon_rd_left(rd) < NEON_MD5_HEX) {
            return NGX_ERROR;
        }

        ngx_memcpy(a->md5.hex, neon_rd_bytes(rd, NEON_MD5_HEX).data,
                   NEON_MD5_HEX);

        /* of a worker from before the reload that turned them off */

        a->found = r->conf->md5_verifiers;

    } else if (a->found) {
        v = &a->verifier;

        v->iterations = neon_rd_u32(rd);
        salt = neon_rd_bytes(rd, neon_rd_u16(rd));

        if (salt.len > NEON_SCRAM_SALT_MAX
            || neon_rd_left(rd) < 2 * NEON_SCRAM_KEY_LEN)
        {
            return NGX_ERROR;
        }

        v->salt_len = (uint16_t) salt.len;
        ngx_memcpy(v->salt, salt.data, salt.len);
        ngx_memcpy(v->stored_key, neon_rd_bytes(rd, NEON_SCRAM_KEY_LEN).data,
                   NEON_SCRAM_KEY_LEN);
        ngx_memcpy(v->server_key, neon_rd_bytes(rd, NEON_SCRAM_KEY_LEN).data,
                   NEON_SCRAM_KEY_LEN);
    }

    if (ngx_neon_ctl_unpack_ranges(r, rd) != NGX_OK
        || ngx_neon_ctl_unpack_str(r, rd, &a->project_id) != NGX_OK
        || ngx_neon_ctl_unpack_str(r, rd, &a->account_id) != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; (flags & NGX_NEON_CTL_PACK_RATES) && i < NGX_NEON_FRONTS; i++)
    {
        a->rate[i].rate = neon_rd_u32(rd);
        a->rate[i].burst = neon_rd_u32(rd);
    }

    if (flags & NGX_NEON_CTL_PACK_UNTIL) {
        until = (uint64_t) neon_rd_u32(rd) << 32;
        a->valid_until = (time_t) (until | neon_rd_u32(rd));
    }

    return (flags & NGX_NEON_CTL_PACK_VPC) ? ngx_neon_ctl_unpack_vpc(r, rd)
                                           : NGX_OK;
}


static ngx_int_t
ngx_neon_ctl_unpack_ranges(ngx_neon_ctl_request_t *r, neon_rd_t *rd)
{
    neon_str_t        from, to;
    ngx_uint_t        n;
    ngx_array_t      *list;
    neon_ip_range_t  *range;

    n = neon_rd_u16(rd);

    if (n == 0) {
        return NGX_OK;
    }

    list = ngx_array_create(r->pool, n, sizeof(neon_ip_range_t));
    if (list == NULL) {
        return NGX_ERROR;
    }

    r->access->allowed_ips = list;

    while (n--) {
        range = ngx_array_push(list);

        range->from.len = neon_rd_u8(rd);
        range->to.len = range->from.len;

        from = neon_rd_bytes(rd, range->from.len);
        to = neon_rd_bytes(rd, range->from.len);

        if (rd->error || from.len > sizeof(range->from.addr)) {
            return NGX_ERROR;
        }

        ngx_memcpy(range->from.addr, from.data, from.len);
        ngx_memcpy(range->to.addr, to.data, to.len);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_neon_ctl_unpack_vpc(ngx_neon_ctl_request_t *r, neon_rd_t *rd)
{
    ngx_uint_t    n;
    ngx_array_t  *list;

    n = neon_rd_u16(rd);

    list = ngx_array_create(r->pool, n ? n : 1, sizeof(ngx_str_t));
    if (list == NULL) {
        return NGX_ERROR;
    }

    r->access->allowed_vpc_ids = list;

    while (n--) {
        if (ngx_neon_ctl_unpack_str(r, rd, ngx_array_push(list)) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_neon_ctl_unpack_node(ngx_neon_ctl_request_t *r, neon_rd_t *rd)
{
    ngx_neon_node_t  *node;

    node = ngx_pcalloc(r->pool, sizeof(ngx_neon_node_t));
    if (node == NULL) {
        return NGX_ERROR;
    }

    r->node = node;
    node->port = neon_rd_u16(rd);
    node->ssl = neon_rd_u8(rd);

    if (ngx_neon_ctl_unpack_str(r, rd, &node->host) != NGX_OK
        || ngx_neon_ctl_unpack_str(r, rd, &node->server_name) != NGX_OK
        || ngx_neon_ctl_unpack_str(r, rd, &node->endpoint_id) != NGX_OK
        || ngx_neon_ctl_unpack_str(r, rd, &node->project_id) != NGX_OK
        || ngx_neon_ctl_unpack_str(r, rd, &node->branch_id) != NGX_OK
        || ngx_neon_ctl_unpack_str(r, rd, &node->compute_id) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_neon_ctl_unpack_str(r, rd, &node->cold_start);
}


static ngx_int_t
ngx_neon_ctl_unpack_error(ngx_neon_ctl_request_t *r, neon_rd_t *rd)
{
    uint8_t  flags;

    r->rc = NGX_ERROR;
    r->reason = neon_rd_u8(rd);

    if (r->reason >= NGX_NEON_REASONS) {
        return NGX_ERROR;
    }

    flags = neon_rd_u8(rd);

    r->retryable = (flags & NGX_NEON_CTL_PACK_RETRYABLE) != 0;
    r->transport = (flags & NGX_NEON_CTL_PACK_TRANSPORT) != 0;
    r->retry_delay = neon_rd_u32(rd);

    if (ngx_neon_ctl_unpack_str(r, rd, &r->message) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_neon_ctl_unpack_str(r, rd, &r->detail);
}


/* with NUL behind it */

static ngx_int_t
ngx_neon_ctl_unpack_str(ngx_neon_ctl_request_t *r, neon_rd_t *rd,
    ngx_str_t *s)
{
    size_t      len;
    neon_str_t  text;

    ngx_str_null(s);

    len = neon_rd_u8(rd);

    if (len & 0x80) {
        len = (len & 0x7f) << 8 | neon_rd_u8(rd);
    }

    text = neon_rd_bytes(rd, len);

    if (rd->error) {
        return NGX_ERROR;
    }

    if (len == 0) {
        return NGX_OK;
    }

    s->data = ngx_pnalloc(r->pool, len + 1);
    if (s->data == NULL) {
        return NGX_ERROR;
    }

    *ngx_cpymem(s->data, text.data, len) = '\0';
    s->len = len;

    return NGX_OK;
}
