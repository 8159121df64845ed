/*
 * The directive `otlp`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_conf_otlp.h"

#include "ngx_neon_conf.h"
#include "ngx_neon_conf_value.h"
#include "ngx_neon_url.h"


/* of sample= six places count; ids have 56 random bits */
#define NGX_NEON_CONF_OTLP_ALL    1000000
#define NGX_NEON_CONF_OTLP_RANGE  ((uint64_t) 1 << 56)


static char *ngx_neon_conf_otlp_url(ngx_conf_t *cf,
    ngx_neon_otlp_conf_t *otlp, ngx_str_t *value);
static char *ngx_neon_conf_otlp_param(ngx_conf_t *cf,
    ngx_neon_otlp_conf_t *otlp, ngx_str_t *value);
static char *ngx_neon_conf_otlp_sample(ngx_conf_t *cf,
    ngx_neon_otlp_conf_t *otlp, ngx_str_t *value);
static char *ngx_neon_conf_otlp_header(ngx_conf_t *cf,
    ngx_neon_otlp_conf_t *otlp, ngx_str_t *value);
static ngx_uint_t ngx_neon_conf_otlp_token(ngx_str_t *name);
static ngx_uint_t ngx_neon_conf_otlp_ascii(ngx_str_t *text);
static ngx_int_t ngx_neon_conf_otlp_push(ngx_conf_t *cf,
    ngx_neon_otlp_conf_t *otlp, ngx_str_t *name, ngx_str_t *value);


/* of every request; libcurl would wait before it sends a long one */

static const struct {
    ngx_str_t  name;
    ngx_str_t  value;
} ngx_neon_conf_otlp_headers[] = {
    { ngx_string("Content-Type"), ngx_string("application/json") },
    { ngx_string("Expect"), ngx_null_string }
};


char *
ngx_neon_conf_set_otlp(ngx_conf_t *cf, ngx_command_t *cmd, void *c)
{
    ngx_neon_conf_t  *conf = c;

    char                  *rv;
    ngx_str_t             *value;
    ngx_uint_t             i;
    ngx_neon_otlp_conf_t  *otlp;

    if (conf->otlp != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        conf->otlp = NULL;
        return NGX_CONF_OK;
    }

    otlp = ngx_pcalloc(cf->pool, sizeof(ngx_neon_otlp_conf_t));
    if (otlp == NULL) {
        return NGX_CONF_ERROR;
    }

    otlp->threshold = NGX_NEON_CONF_OTLP_RANGE;
    otlp->headers = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));
    if (otlp->headers == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < 2; i++) {
        if (ngx_neon_conf_otlp_push(cf, otlp,
                         (ngx_str_t *) &ngx_neon_conf_otlp_headers[i].name,
                         (ngx_str_t *) &ngx_neon_conf_otlp_headers[i].value)
            != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    rv = ngx_neon_conf_otlp_url(cf, otlp, &value[1]);

    for (i = 2; rv == NGX_CONF_OK && i < cf->args->nelts; i++) {
        rv = ngx_neon_conf_otlp_param(cf, otlp, &value[i]);
    }

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (otlp->service.data == NULL) {
        ngx_str_set(&otlp->service, "neon-proxy");
    }

    if (otlp->threshold == NGX_NEON_CONF_OTLP_RANGE) {
        otlp->threshold = 0;
    }

    conf->otlp = otlp;

    return NGX_CONF_OK;
}


static char *
ngx_neon_conf_otlp_url(ngx_conf_t *cf, ngx_neon_otlp_conf_t *otlp,
    ngx_str_t *value)
{
    const char      *err;
    ngx_neon_url_t   u;

    if (ngx_neon_url_parse(&u, value, &err) == NGX_OK) {
        otlp->url = *value;
        return NGX_CONF_OK;
    }

    ngx_neon_url_hide(value);

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"otlp\" directive: %s, it"
                       " must be off, http://HOST[:PORT]/PATH or"
                       " https://HOST[:PORT]/PATH, e.g."
                       " http://127.0.0.1:4318/v1/traces", value, err);

    return NGX_CONF_ERROR;
}


static char *
ngx_neon_conf_otlp_param(ngx_conf_t *cf, ngx_neon_otlp_conf_t *otlp,
    ngx_str_t *value)
{
    ngx_str_t  service;

    if (ngx_strncmp(value->data, "sample=", 7) == 0) {
        return ngx_neon_conf_otlp_sample(cf, otlp, value);
    }

    if (ngx_strncmp(value->data, "header=", 7) == 0) {
        return ngx_neon_conf_otlp_header(cf, otlp, value);
    }

    if (ngx_strncmp(value->data, "service=", 8) == 0) {
        service.data = value->data + 8;
        service.len = value->len - 8;

        if (otlp->service.data || !ngx_neon_conf_otlp_ascii(&service)) {
            return ngx_neon_conf_bad(cf, value, "service=NAME once, of"
                                     " printable ASCII characters");
        }

        otlp->service = service;
        return NGX_CONF_OK;
    }

    return ngx_neon_conf_bad(cf, value, "sample=N service=NAME"
                             " header=NAME:VALUE");
}


/* the rightmost 56 bits of a trace id, as OpenTelemetry's samplers see them */

static char *
ngx_neon_conf_otlp_sample(ngx_conf_t *cf, ngx_neon_otlp_conf_t *otlp,
    ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_atofp(value->data + 7, value->len - 7, 6);

    if (n == NGX_ERROR || n > NGX_NEON_CONF_OTLP_ALL
        || otlp->threshold != NGX_NEON_CONF_OTLP_RANGE)
    {
        return ngx_neon_conf_bad(cf, value, "sample=N once, N from 0 to 1 with"
                                 " up to 6 decimal places");
    }

    otlp->threshold = (n == NGX_NEON_CONF_OTLP_ALL) ? 0
                      : (n == 0) ? (uint64_t) -1
                      : NGX_NEON_CONF_OTLP_RANGE
                        - NGX_NEON_CONF_OTLP_RANGE / NGX_NEON_CONF_OTLP_ALL
                          * n;

    return NGX_CONF_OK;
}


static char *
ngx_neon_conf_otlp_header(ngx_conf_t *cf, ngx_neon_otlp_conf_t *otlp,
    ngx_str_t *value)
{
    u_char     *colon;
    ngx_str_t   name, text, secret;

    name.data = value->data + 7;
    colon = (u_char *) ngx_strchr(name.data, ':');
    name.len = colon ? (size_t) (colon - name.data) : 0;

    if (colon == NULL || !ngx_neon_conf_otlp_token(&name)) {

        /* what stands behind it may be a secret */

        name.len += name.data - value->data;
        name.data = value->data;

        return ngx_neon_conf_bad(cf, &name, "header=NAME:VALUE, VALUE may be"
                                 " file:PATH or env:NAME; not Content-Type,"
                                 " Content-Length, Transfer-Encoding or Host");
    }

    text.data = colon + 1;

    while (*text.data == ' ') {
        text.data++;
    }

    text.len = value->data + value->len - text.data;

    if (ngx_neon_conf_secret(cf, &text, &secret) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (!ngx_neon_conf_otlp_ascii(&secret)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "the value of header \"%V\""
                           " in \"otlp\" directive must be printable ASCII",
                           &name);
        return NGX_CONF_ERROR;
    }

    return ngx_neon_conf_otlp_push(cf, otlp, &name, &secret) == NGX_OK
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* RFC 9110, section 5.6.2; and none that is ours or libcurl's */

static ngx_uint_t
ngx_neon_conf_otlp_token(ngx_str_t *name)
{
    size_t      i;
    u_char      ch;
    ngx_uint_t  n;

    static const ngx_str_t  ours[] = {
        ngx_string("Content-Type"), ngx_string("Content-Length"),
        ngx_string("Transfer-Encoding"), ngx_string("Expect"),
        ngx_string("Host")
    };

    for (n = 0; n < sizeof(ours) / sizeof(ours[0]); n++) {
        if (ours[n].len == name->len
            && ngx_strncasecmp(ours[n].data, name->data, name->len) == 0)
        {
            return 0;
        }
    }

    for (i = 0; i < name->len; i++) {
        ch = name->data[i];

        if (!(ch >= '0' && ch <= '9') && !(ch >= 'a' && ch <= 'z')
            && !(ch >= 'A' && ch <= 'Z')
            && ngx_strchr("!#$%&'*+-.^_`|~", ch) == NULL)
        {
            return 0;
        }
    }

    return name->len != 0;
}


static ngx_uint_t
ngx_neon_conf_otlp_ascii(ngx_str_t *text)
{
    size_t  i;

    for (i = 0; i < text->len; i++) {
        if (text->data[i] < ' ' || text->data[i] >= 0x7f) {
            return 0;
        }
    }

    return text->len != 0;
}


static ngx_int_t
ngx_neon_conf_otlp_push(ngx_conf_t *cf, ngx_neon_otlp_conf_t *otlp,
    ngx_str_t *name, ngx_str_t *value)
{
    u_char     *p;
    ngx_str_t  *header;

    header = ngx_array_push(otlp->headers);
    if (header == NULL) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(cf->pool, name->len + value->len + sizeof(": "));
    if (p == NULL) {
        return NGX_ERROR;
    }

    /* "Name:" takes a header of libcurl's away */

    header->data = p;
    header->len = ngx_sprintf(p, "%V:%s%V%Z", name, value->len ? " " : "",
                              value) - p - 1;

    return NGX_OK;
}
