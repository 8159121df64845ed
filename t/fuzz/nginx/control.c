/*
 * A control plane for the fuzzer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "control.h"

#include "place.h"
#include "server.h"

#include "ngx_neon_curl.h"


#define WAITING  64


ngx_int_t __wrap_ngx_neon_curl_start(ngx_neon_curl_t *r);
void __wrap_ngx_neon_curl_cancel(ngx_neon_curl_t *r);


static ngx_neon_curl_t  *waiting[WAITING];
static ngx_uint_t        nwaiting;


/* what would be sent must be whole, whoever gave the parts of it */

static void
check(ngx_neon_curl_t *r)
{
    ngx_uint_t  i;

    server_check(ngx_strlen(r->url.data) == r->url.len, "the URL is one");

    for (i = 0; i < r->nheaders; i++) {
        server_check(strcspn((char *) r->headers[i].data, "\r\n")
                     == r->headers[i].len, "a header is one line");
    }
}


ngx_int_t
__wrap_ngx_neon_curl_start(ngx_neon_curl_t *r)
{
    check(r);

    server_check(nwaiting < WAITING, "requests wait for each other");

    r->status = 0;
    r->retry_after = 0;
    r->error = NULL;
    r->too_large = 0;
    ngx_str_null(&r->response);

    waiting[nwaiting++] = r;

    return NGX_AGAIN;
}


static void
leave(ngx_uint_t i)
{
    nwaiting--;
    ngx_memmove(&waiting[i], &waiting[i + 1],
                (nwaiting - i) * sizeof(waiting[0]));
}


void
__wrap_ngx_neon_curl_cancel(ngx_neon_curl_t *r)
{
    ngx_uint_t  i;

    for (i = 0; i < nwaiting; i++) {
        if (waiting[i] == r) {
            leave(i);
            return;
        }
    }
}


static void
answer(ngx_uint_t i, ngx_uint_t status, neon_str_t body)
{
    ngx_neon_curl_t  *r;

    r = waiting[i];
    leave(i);

    /* exact: a byte behind it is nobody's */

    if (body.len) {
        r->response.data = ngx_pnalloc(r->pool, body.len);

        if (r->response.data) {
            ngx_memcpy(r->response.data, body.data, body.len);
            r->response.len = body.len;

        } else {
            status = 0;
        }
    }

    r->status = status;
    r->error = status ? NULL : "nobody answers";

    r->handler(r);
}


/* spans come by POST */

void
control_answer(ngx_uint_t status, neon_str_t body)
{
    ngx_uint_t  i;

    for (i = 0; i < nwaiting; i++) {
        if (waiting[i]->body.data == NULL) {
            answer(i, status, body);
            return;
        }
    }
}


void
control_answer_good(neon_str_t members)
{
    char       port[16];
    uint8_t    text[1024];
    neon_wr_t  w;

    snprintf(port, sizeof(port), "%d", place.port);

    neon_wr_init(&w, text, sizeof(text));
    neon_wr_z(&w, "{\"role_secret\":\"");
    neon_wr_z(&w, place.secret);
    neon_wr_z(&w, "\",\"address\":\"127.0.0.1:");
    neon_wr_z(&w, port);
    neon_wr_z(&w, "\",\"aux\":{\"endpoint_id\":\"ep-1\","
                  "\"cold_start_info\":\"warm\"}");

    if (members.len) {
        neon_wr_u8(&w, ',');
        neon_wr_str(&w, members);
    }

    neon_wr_u8(&w, '}');

    control_answer(200, neon_str(text, neon_wr_len(&w)));
}


ngx_uint_t
control_end(void)
{
    ngx_uint_t  n;

    for (n = 0; nwaiting; n++) {
        answer(0, waiting[0]->body.data ? 200 : 0, neon_str("", 0));
    }

    return n;
}
