/*
 * What the control plane answers over HTTP: a status and JSON.  What is taken
 * is complete, and comes back from its packed form as it was.  What is packed
 * is not read from strangers, but must not need luck either.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "core.h"
#include "lack.h"

#include "ngx_neon_ctl_http_answer.h"
#include "ngx_neon_ctl_pack.h"


static const ngx_uint_t  statuses[] = {
    200, 204, 400, 403, 404, 423, 429, 500, 503
};


static void
question(ngx_neon_ctl_request_t *r, ngx_neon_ctl_call_e call)
{
    static ngx_neon_conf_t  conf = { .md5_verifiers = 1 };

    ngx_memzero(r, sizeof(ngx_neon_ctl_request_t));

    r->conf = &conf;
    r->call = call;
    r->log = core_log();
    r->rc = NGX_ERROR;
    r->pool = ngx_create_pool(1024, r->log);
    core_check(r->pool != NULL);
}


static void
pack_again(ngx_neon_ctl_request_t *r)
{
    static uint8_t          once[1 << 20], twice[1 << 20];
    neon_wr_t               one, two;
    ngx_neon_ctl_request_t  back;

    neon_wr_init(&one, once, sizeof(once));
    neon_wr_init(&two, twice, sizeof(twice));

    ngx_neon_ctl_pack(&one, r);

    if (one.error) {
        return;
    }

    question(&back, r->call);
    ngx_neon_ctl_unpack(&back, neon_str(once, neon_wr_len(&one)));
    core_check(back.rc == r->rc);

    ngx_neon_ctl_pack(&two, &back);
    core_check(!two.error && neon_wr_len(&one) == neon_wr_len(&two));
    core_check(memcmp(once, twice, neon_wr_len(&one)) == 0);

    ngx_destroy_pool(back.pool);
}


/* without: the allocation that fails */

static void
answer(const uint8_t *data, size_t size, ngx_uint_t without)
{
    ngx_str_t               body;
    ngx_uint_t              n;
    ngx_pool_t             *temp;
    ngx_neon_ctl_call_e     call;
    ngx_neon_ctl_request_t  r;

    call = (data[0] & 1) ? NGX_NEON_CTL_WAKE : NGX_NEON_CTL_ACCESS;
    n = data[0] >> 1;

    question(&r, call);

    if (n == 127) {
        ngx_neon_ctl_unpack(&r, neon_str(data + 1, size - 1));
        core_check(r.rc == NGX_OK || r.rc == NGX_ERROR);
        ngx_destroy_pool(r.pool);
        return;
    }

    temp = ngx_create_pool(1024, core_log());
    core_check(temp != NULL);

    body.data = ngx_pnalloc(temp, size);
    core_check(body.data != NULL);
    body.len = size - 1;
    ngx_memcpy(body.data, data + 1, body.len);

    lack(without);
    ngx_neon_ctl_http_answer(&r, statuses[n % (sizeof(statuses)
                                               / sizeof(statuses[0]))],
                             &body, temp);
    lack(0);
    ngx_destroy_pool(temp);

    if (r.rc == NGX_OK) {
        core_check(call == NGX_NEON_CTL_ACCESS ? r.access != NULL
                                               : r.node != NULL);
    }

    pack_again(&r);
    ngx_destroy_pool(r.pool);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size != 0) {
        answer(data, size, 0);
        answer(data, size, 1 + data[size - 1] % 32);
    }

    return 0;
}
