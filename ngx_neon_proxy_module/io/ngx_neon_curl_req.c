/*
 * One HTTP request of libcurl.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_curl_fd.h"
#include "ngx_neon_curl_req.h"


#define NGX_NEON_CURL_MAX_HEADERS      65536
#define NGX_NEON_CURL_FIRST_BUFFER     1024
#define NGX_NEON_CURL_RETRY_MAX        3600       /* s */


static ngx_int_t ngx_neon_curl_req_set_policy(CURL *easy);
static ngx_int_t ngx_neon_curl_req_set(ngx_neon_curl_req_t *req);
static ngx_int_t ngx_neon_curl_req_set_headers(ngx_neon_curl_req_t *req);
static ngx_int_t ngx_neon_curl_req_other_address(ngx_neon_curl_req_t *req,
    CURLcode code);
static curl_socket_t ngx_neon_curl_req_open(void *data, curlsocktype purpose,
    struct curl_sockaddr *addr);
static size_t ngx_neon_curl_req_body(char *p, size_t size, size_t n,
    void *data);
static void ngx_neon_curl_req_too_large(ngx_neon_curl_req_t *req);
static ngx_int_t ngx_neon_curl_req_grow(ngx_neon_curl_req_t *req, size_t len);
static size_t ngx_neon_curl_req_header(char *p, size_t size, size_t n,
    void *data);


ngx_neon_curl_req_t *
ngx_neon_curl_req_create(ngx_neon_curl_t *r)
{
    ngx_neon_curl_req_t  *req;

    req = ngx_calloc(sizeof(ngx_neon_curl_req_t), r->log);
    if (req == NULL) {
        return NULL;
    }

    req->r = r;
    req->start = ngx_current_msec;
    req->easy = curl_easy_init();

    if (req->easy == NULL
        || ngx_neon_curl_req_set_policy(req->easy) != NGX_OK
        || ngx_neon_curl_req_set(req) != NGX_OK
        || ngx_neon_curl_req_set_headers(req) != NGX_OK)
    {
        ngx_neon_curl_req_free(req);
        return NULL;
    }

    /* what libcurl leaves in OpenSSL's queue nginx would log as an alert */
    ERR_clear_error();

    return req;
}


void
ngx_neon_curl_req_free(ngx_neon_curl_req_t *req)
{
    if (req->easy) {
        curl_easy_cleanup(req->easy);
        ERR_clear_error();
    }

    curl_slist_free_all(req->headers);
    curl_slist_free_all(req->resolve);

    ngx_free(req);
}


static ngx_int_t
ngx_neon_curl_req_set_policy(CURL *easy)
{
    (void) curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void) curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void) curl_easy_setopt(easy, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
    (void) curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                            (long) CURL_HTTP_VERSION_1_1);
    (void) curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    (void) curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void) curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    (void) curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    (void) curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    (void) curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION,
                            ngx_neon_curl_req_open);

    /* with a folder besides the CA bundle libcurl would not cache the bundle,
       and reading it takes tens of milliseconds a connection */
    (void) curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);

    /* or libcurl would look names up itself that waited in its queue */
    (void) curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, -1L);

    /* where it does look up a name, that thread holds nobody up at the end */
    (void) curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);

    if (curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https")
           != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_USERAGENT, "ngx_neon_proxy")
           != CURLE_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_neon_curl_req_set(ngx_neon_curl_req_t *req)
{
    CURL             *easy;
    ngx_neon_curl_t  *r;

    r = req->r;
    easy = req->easy;

    (void) curl_easy_setopt(easy, CURLOPT_PRIVATE, req);
    (void) curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, req->error);
    (void) curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION,
                            ngx_neon_curl_req_body);
    (void) curl_easy_setopt(easy, CURLOPT_WRITEDATA, req);
    (void) curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION,
                            ngx_neon_curl_req_header);
    (void) curl_easy_setopt(easy, CURLOPT_HEADERDATA, req);
    (void) curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE,
                            (curl_off_t) r->max_response);
    (void) curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                            (long) ngx_max(r->connect_timeout, 1));

    if (curl_easy_setopt(easy, CURLOPT_URL, r->url.data) != CURLE_OK) {
        return NGX_ERROR;
    }

    if (r->body.data == NULL) {
        return NGX_OK;
    }

    /* a copy, because libcurl may look at it behind a cancel */

    (void) curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                            (curl_off_t) r->body.len);

    if (curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, r->body.data)
        != CURLE_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_neon_curl_req_set_headers(ngx_neon_curl_req_t *req)
{
    ngx_uint_t          i;
    ngx_neon_curl_t    *r;
    struct curl_slist  *list;

    r = req->r;

    for (i = 0; i < r->nheaders; i++) {
        list = curl_slist_append(req->headers, (char *) r->headers[i].data);
        if (list == NULL) {
            return NGX_ERROR;
        }

        req->headers = list;
    }

    (void) curl_easy_setopt(req->easy, CURLOPT_HTTPHEADER, req->headers);

    return NGX_OK;
}


ngx_int_t
ngx_neon_curl_req_resolve(ngx_neon_curl_req_t *req, const char *text)
{
    curl_slist_free_all(req->resolve);

    req->resolve = curl_slist_append(NULL, text);

    if (req->resolve == NULL) {
        return NGX_ERROR;
    }

    (void) curl_easy_setopt(req->easy, CURLOPT_RESOLVE, req->resolve);

    return NGX_OK;
}


ngx_int_t
ngx_neon_curl_req_complete(ngx_neon_curl_req_t *req, CURLcode code)
{
    long        status;
    curl_off_t  seconds;

    if (req->failure) {
        return NGX_ERROR;
    }

    if (code == CURLE_FILESIZE_EXCEEDED) {
        ngx_neon_curl_req_too_large(req);
        return NGX_ERROR;
    }

    if (code != CURLE_OK) {

        if (ngx_neon_curl_req_other_address(req, code) == NGX_OK) {
            req->error[0] = '\0';
            return NGX_AGAIN;
        }

        req->failure = req->error[0] ? req->error : curl_easy_strerror(code);

        return NGX_ERROR;
    }

    status = 0;
    (void) curl_easy_getinfo(req->easy, CURLINFO_RESPONSE_CODE, &status);

    if (status == 0) {
        req->failure = "response has no status";
        return NGX_ERROR;
    }

    req->r->status = status;

    seconds = 0;
    (void) curl_easy_getinfo(req->easy, CURLINFO_RETRY_AFTER, &seconds);

    if (seconds > 0) {
        req->r->retry_after = (ngx_msec_t) ngx_min(seconds,
                                           NGX_NEON_CURL_RETRY_MAX) * 1000;
    }

    return NGX_OK;
}


/*
 * Before 8.4 libcurl comes to the second address of a family only when the
 * connect timeout is over, if the first one does not answer at all.
 */

static ngx_int_t
ngx_neon_curl_req_other_address(ngx_neon_curl_req_t *req, CURLcode code)
{
    curl_off_t             us;
    ngx_neon_curl_wait_t  *w;

    if (req->url.literal) {
        return NGX_DECLINED;
    }

    w = &req->wait;

    us = 0;
    (void) curl_easy_getinfo(req->easy, CURLINFO_CONNECT_TIME_T, &us);

    if (us == 0
        && (code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT)
        && ++req->tries < w->naddrs
        && ngx_current_msec - req->start < req->r->timeout)
    {
        ngx_neon_curl_addr_failed(w);
        return NGX_OK;
    }

    ngx_neon_curl_addr_forget(w);

    return NGX_DECLINED;
}


void
ngx_neon_curl_req_answer(ngx_neon_curl_req_t *req)
{
    char             *error;
    size_t            len;
    ngx_neon_curl_t  *r;

    r = req->r;

    r->ctx = NULL;
    req->r = NULL;

    if (req->failure == NULL) {
        return;
    }

    r->status = 0;
    r->error = "no memory";
    ngx_str_null(&r->response);

    len = ngx_strlen(req->failure) + 1;

    error = ngx_pnalloc(r->pool, len);
    if (error == NULL) {
        return;
    }

    ngx_memcpy(error, req->failure, len);
    r->error = error;
}


static curl_socket_t
ngx_neon_curl_req_open(void *data, curlsocktype purpose,
    struct curl_sockaddr *addr)
{
    return ngx_neon_curl_fd_open(addr->family, addr->socktype,
                                 addr->protocol);
}


static size_t
ngx_neon_curl_req_body(char *p, size_t size, size_t n, void *data)
{
    ngx_neon_curl_t      *r;
    ngx_neon_curl_req_t  *req = data;

    r = req->r;

    if (r == NULL) {
        return 0;
    }

    n *= size;

    if (n > r->max_response - r->response.len) {
        ngx_neon_curl_req_too_large(req);
        return 0;
    }

    if (ngx_neon_curl_req_grow(req, r->response.len + n) != NGX_OK) {
        req->failure = "no memory";
        return 0;
    }

    ngx_memcpy(r->response.data + r->response.len, p, n);
    r->response.len += n;

    return n;
}


static void
ngx_neon_curl_req_too_large(ngx_neon_curl_req_t *req)
{
    req->r->too_large = 1;
    req->failure = "response is too large";
}


static ngx_int_t
ngx_neon_curl_req_grow(ngx_neon_curl_req_t *req, size_t len)
{
    u_char           *buf;
    size_t            capacity;
    ngx_neon_curl_t  *r;

    if (len <= req->capacity) {
        return NGX_OK;
    }

    r = req->r;

    capacity = ngx_max(2 * req->capacity, NGX_NEON_CURL_FIRST_BUFFER);
    capacity = ngx_max(capacity, len);

    buf = ngx_pnalloc(r->pool, capacity);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    if (r->response.data) {
        ngx_memcpy(buf, r->response.data, r->response.len);
        (void) ngx_pfree(r->pool, r->response.data);
    }

    r->response.data = buf;
    req->capacity = capacity;

    return NGX_OK;
}


static size_t
ngx_neon_curl_req_header(char *p, size_t size, size_t n, void *data)
{
    ngx_neon_curl_req_t  *req = data;

    n *= size;
    req->header_size += n;

    if (req->header_size > NGX_NEON_CURL_MAX_HEADERS) {
        req->failure = "response header is too large";
        return 0;
    }

    return n;
}
