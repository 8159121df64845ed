/*
 * Directives of caches and limits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_conf_policy.h"

#include "neon_hostport.h"

#include "ngx_neon_conf.h"
#include "ngx_neon_conf_value.h"


#define NGX_NEON_CONF_CACHE_MAX  100000000
#define NGX_NEON_CONF_RATE_MAX   1000000
#define NGX_NEON_CONF_MOCK_MIN   16


static char *ngx_neon_conf_cache_time(ngx_msec_t *slot, ngx_str_t *value,
    size_t skip, ngx_uint_t zero);
static char *ngx_neon_conf_cache_param(ngx_neon_cache_conf_t *cache,
    ngx_str_t *value, ngx_uint_t negative);
static char *ngx_neon_conf_rate_param(ngx_neon_rate_t *rate,
    ngx_str_t *value);
static char *ngx_neon_conf_retry_param(ngx_neon_retry_t *retry,
    ngx_str_t *value);
static char *ngx_neon_conf_drain_param(ngx_neon_drain_t *drain,
    ngx_str_t *value);
static ngx_uint_t ngx_neon_conf_origin(ngx_str_t *value);


char *
ngx_neon_conf_set_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *c)
{
    char  *conf = c;

    char                   *form;
    ngx_str_t              *value;
    ngx_uint_t              i;
    ngx_neon_cache_conf_t  *cache;

    cache = (ngx_neon_cache_conf_t *) (conf + cmd->offset);
    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        form = ngx_neon_conf_cache_param(cache, &value[i],
                                         cmd->post != NULL);

        if (form != NGX_CONF_OK) {
            return ngx_neon_conf_bad(cf, &value[i], form);
        }
    }

    return NGX_CONF_OK;
}


/* NGX_CONF_OK or the accepted form */

static char *
ngx_neon_conf_cache_param(ngx_neon_cache_conf_t *cache, ngx_str_t *value,
    ngx_uint_t negative)
{
    ngx_int_t  n;

    if (ngx_strncmp(value->data, "size=", 5) == 0) {
        n = ngx_atoi(value->data + 5, value->len - 5);

        if (n == NGX_ERROR || n > NGX_NEON_CONF_CACHE_MAX
            || cache->size != NGX_CONF_UNSET_UINT)
        {
            return "size=N once, N from 0 (off) to 100000000 entries";
        }

        cache->size = n;
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value->data, "ttl=", 4) == 0) {
        return ngx_neon_conf_cache_time(&cache->ttl, value, 4, 0);
    }

    if (ngx_strncmp(value->data, "stale=", 6) == 0) {
        return ngx_neon_conf_cache_time(&cache->stale, value, 6, 1);
    }

    if (negative && ngx_strncmp(value->data, "negative=", 9) == 0) {
        return ngx_neon_conf_cache_time(&cache->negative, value, 9, 1);
    }

    return negative ? "size=N ttl=TIME negative=TIME stale=TIME"
                    : "size=N ttl=TIME stale=TIME";
}


static char *
ngx_neon_conf_cache_time(ngx_msec_t *slot, ngx_str_t *value, size_t skip,
    ngx_uint_t zero)
{
    ngx_int_t  msec;
    ngx_str_t  s;

    s.data = value->data + skip;
    s.len = value->len - skip;

    msec = ngx_parse_time(&s, 0);

    if (msec == NGX_ERROR || *slot != NGX_CONF_UNSET_MSEC) {
        return "a time, once, e.g. 30s or 5m";
    }

    if (msec == 0 && !zero) {
        return "a time above zero, e.g. 5m; size=0 turns the cache off";
    }

    *slot = msec;

    return NGX_CONF_OK;
}


char *
ngx_neon_conf_set_rate(ngx_conf_t *cf, ngx_command_t *cmd, void *c)
{
    char  *conf = c;

    char             *form;
    ngx_str_t        *value;
    ngx_uint_t        i;
    ngx_neon_rate_t  *rate;

    rate = (ngx_neon_rate_t *) (conf + cmd->offset);
    value = cf->args->elts;

    if (rate->rate != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    rate->burst = NGX_CONF_UNSET_UINT;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        rate->rate = 0;
        rate->burst = 0;
        return NGX_CONF_OK;
    }

    for (i = 1; i < cf->args->nelts; i++) {
        form = ngx_neon_conf_rate_param(rate, &value[i]);

        if (form != NGX_CONF_OK) {
            return ngx_neon_conf_bad(cf, &value[i], form);
        }
    }

    if (rate->rate == NGX_CONF_UNSET_UINT) {
        return ngx_neon_conf_bad(cf, &value[1],
                                 "off, or rate=Nr/s with burst=N");
    }

    ngx_conf_init_uint_value(rate->burst, rate->rate);

    return NGX_CONF_OK;
}


/* NGX_CONF_OK or the accepted form */

static char *
ngx_neon_conf_rate_param(ngx_neon_rate_t *rate, ngx_str_t *value)
{
    size_t      len;
    ngx_int_t   n;
    ngx_uint_t  minute;

    if (ngx_strncmp(value->data, "rate=", 5) == 0) {
        len = value->len - 5;
        minute = 0;

        if (len > 3
            && (ngx_strncmp(value->data + value->len - 3, "r/s", 3) == 0
                || ngx_strncmp(value->data + value->len - 3, "r/m", 3) == 0))
        {
            minute = (value->data[value->len - 1] == 'm');
            len -= 3;

        } else {
            len = 0;
        }

        n = ngx_atofp(value->data + 5, len, 3);

        if (n <= 0 || n > (ngx_int_t) NGX_NEON_CONF_RATE_MAX * 1000
            || rate->rate != NGX_CONF_UNSET_UINT)
        {
            return "rate=Nr/s or rate=Nr/m once, N above 0";
        }

        rate->rate = minute ? ngx_max(n / 60, 1) : n;
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value->data, "burst=", 6) == 0) {
        n = ngx_atoi(value->data + 6, value->len - 6);

        if (n <= 0 || n > NGX_NEON_CONF_RATE_MAX
            || rate->burst != NGX_CONF_UNSET_UINT)
        {
            return "burst=N once, N from 1 to 1000000";
        }

        rate->burst = n * 1000;
        return NGX_CONF_OK;
    }

    return "off, or rate=Nr/s burst=N";
}


char *
ngx_neon_conf_set_drain(ngx_conf_t *cf, ngx_command_t *cmd, void *c)
{
    char  *conf = c;

    char              *form;
    ngx_str_t         *value;
    ngx_uint_t         i;
    ngx_neon_drain_t  *drain;

    drain = (ngx_neon_drain_t *) (conf + cmd->offset);
    value = cf->args->elts;

    if (drain->idle != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    drain->idle = (ngx_strcmp(value[1].data, "idle") == 0);

    if (!drain->idle
        && (ngx_strcmp(value[1].data, "wait") != 0 || cf->args->nelts > 2))
    {
        return ngx_neon_conf_bad(cf, &value[cf->args->nelts > 2 ? 2 : 1],
                                 "wait, or idle after=TIME rate=Nr/s");
    }

    for (i = 2; i < cf->args->nelts; i++) {
        form = ngx_neon_conf_drain_param(drain, &value[i]);

        if (form != NGX_CONF_OK) {
            return ngx_neon_conf_bad(cf, &value[i], form);
        }
    }

    return NGX_CONF_OK;
}


/* NGX_CONF_OK or the accepted form */

static char *
ngx_neon_conf_drain_param(ngx_neon_drain_t *drain, ngx_str_t *value)
{
    if (ngx_strncmp(value->data, "after=", 6) == 0) {
        return ngx_neon_conf_cache_time(&drain->after, value, 6, 1);
    }

    if (ngx_strcmp(value->data, "rate=off") == 0
        && drain->rate.rate == NGX_CONF_UNSET_UINT)
    {
        drain->rate.rate = 0;
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value->data, "rate=", 5) == 0) {
        return ngx_neon_conf_rate_param(&drain->rate, value);
    }

    return "after=TIME or rate=Nr/s";
}


char *
ngx_neon_conf_set_msec_or_off(ngx_conf_t *cf, ngx_command_t *cmd, void *c)
{
    char  *conf = c;

    ngx_int_t    msec;
    ngx_str_t   *value;
    ngx_msec_t  *slot;

    slot = (ngx_msec_t *) (conf + cmd->offset);
    value = cf->args->elts;

    if (*slot != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    if (ngx_strcmp(value[1].data, "off") == 0) {
        *slot = 0;
        return NGX_CONF_OK;
    }

    msec = ngx_parse_time(&value[1], 0);

    if (msec == NGX_ERROR || msec == 0) {
        return ngx_neon_conf_bad(cf, &value[1],
                                 "off, or a time above zero, e.g. 5s");
    }

    *slot = msec;

    return NGX_CONF_OK;
}


char *
ngx_neon_conf_set_mock_secret(ngx_conf_t *cf, ngx_command_t *cmd, void *c)
{
    char  *conf = c;

    ngx_str_t  *value, *slot;

    slot = (ngx_str_t *) (conf + cmd->offset);
    value = cf->args->elts;

    if (slot->data) {
        return "is duplicate";
    }

    if (ngx_strcmp(value[1].data, "random") == 0) {
        ngx_str_set(slot, "");
        return NGX_CONF_OK;
    }

    if (value[1].len == 0) {
        return ngx_neon_conf_bad(cf, &value[1],
                                 "random, file:PATH, env:NAME or a secret");
    }

    if (ngx_neon_conf_secret(cf, &value[1], slot) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (slot->len < NGX_NEON_CONF_MOCK_MIN) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"mock_secret\" is short: with %d random"
                           " characters or more nobody guesses it",
                           NGX_NEON_CONF_MOCK_MIN);
    }

    return NGX_CONF_OK;
}


char *
ngx_neon_conf_set_origins(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    ngx_str_t     *value, *origin;
    ngx_uint_t     i;
    ngx_array_t  **origins;

    origins = (ngx_array_t **) (p + cmd->offset);

    if (*origins) {
        return "is duplicate";
    }

    *origins = ngx_array_create(cf->pool, cf->args->nelts, sizeof(ngx_str_t));
    if (*origins == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (!ngx_neon_conf_origin(&value[i])) {
            return ngx_neon_conf_bad(cf, &value[i], "* or origins like"
                                     " https://app.example.com or"
                                     " https://*.example.com, as browsers"
                                     " send them: without a path or a"
                                     " scheme's own port");
        }

        origin = ngx_array_push(*origins);
        *origin = value[i];
    }

    return NGX_CONF_OK;
}


/* could a browser's Origin ever match it? */

static ngx_uint_t
ngx_neon_conf_origin(ngx_str_t *value)
{
    u_char     *p, *last, *host;
    ngx_str_t   tail;

    if (value->len == 1 && value->data[0] == '*') {
        return 1;
    }

    last = value->data + value->len;
    host = ngx_strnstr(value->data, "://", value->len);

    if (host == NULL || host == value->data) {
        return 0;
    }

    host += 3;

    if (last - host > 2 && host[0] == '*' && host[1] == '.') {
        host += 2;
    }

    for (p = host; p < last; p++) {
        if (!((*p >= '0' && *p <= '9') || ((*p | 0x20) >= 'a'
            && (*p | 0x20) <= 'z') || ngx_strchr("-._:[]", *p)))
        {
            return 0;
        }
    }

    if (host == last || last[-1] == ':') {
        return 0;
    }

    if (ngx_strncasecmp(value->data, (u_char *) "https:", 6) == 0) {
        ngx_str_set(&tail, ":443");

    } else if (ngx_strncasecmp(value->data, (u_char *) "http:", 5) == 0) {
        ngx_str_set(&tail, ":80");

    } else {
        return 1;
    }

    return (size_t) (last - host) < tail.len
           || ngx_strncmp(last - tail.len, tail.data, tail.len) != 0;
}


char *
ngx_neon_conf_set_tunnel(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    ngx_str_t                *value;
    ngx_uint_t                i;
    ngx_array_t             **patterns;
    neon_hostport_pattern_t  *pattern;

    patterns = (ngx_array_t **) (p + cmd->offset);

    if (*patterns) {
        return "is duplicate";
    }

    *patterns = ngx_array_create(cf->pool, cf->args->nelts,
                                 sizeof(neon_hostport_pattern_t));
    if (*patterns == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        pattern = ngx_array_push(*patterns);

        if (neon_hostport_pattern_parse(pattern, neon_str(value[i].data,
                                                          value[i].len))
            != NEON_OK)
        {
            return ngx_neon_conf_bad(cf, &value[i], "off, or HOST:PORT where"
                                     " HOST is db.example.com, *.example.com,"
                                     " 10.0.0.1, 10.0.0.0/8, [2001:db8::/32]"
                                     " or *, and PORT 5432, 5432-5440 or *");
        }

        if (pattern->kind == NEON_HOSTPORT_ANY) {
            ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                               "\"%V\" in \"websocket_tunnel\" leads clients"
                               " to every host that nginx can reach, this one"
                               " included", &value[i]);
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_neon_conf_set_retry(ngx_conf_t *cf, ngx_command_t *cmd, void *c)
{
    char  *conf = c;

    char              *form;
    ngx_str_t         *value;
    ngx_uint_t         i;
    ngx_neon_retry_t  *retry;

    retry = (ngx_neon_retry_t *) (conf + cmd->offset);
    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        form = ngx_neon_conf_retry_param(retry, &value[i]);

        if (form != NGX_CONF_OK) {
            return ngx_neon_conf_bad(cf, &value[i], form);
        }
    }

    return NGX_CONF_OK;
}


/* NGX_CONF_OK or the accepted form */

static char *
ngx_neon_conf_retry_param(ngx_neon_retry_t *retry, ngx_str_t *value)
{
    ngx_int_t  n;
    ngx_str_t  s;

    if (ngx_strncmp(value->data, "attempts=", 9) == 0) {
        n = ngx_atoi(value->data + 9, value->len - 9);

        if (n <= 0 || n > 1000 || retry->attempts) {
            return "attempts=N once, N from 1 to 1000";
        }

        retry->attempts = n;
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value->data, "base=", 5) == 0) {
        s.data = value->data + 5;
        s.len = value->len - 5;
        n = ngx_parse_time(&s, 0);

        if (n <= 0 || n > 60000 || retry->base) {
            return "base=TIME once, TIME from 1ms to 60s";
        }

        retry->base = n;
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value->data, "factor=", 7) == 0) {
        n = ngx_atofp(value->data + 7, value->len - 7, 3);

        if (n < 1000 || n > 10000 || retry->factor) {
            return "factor=N once, N from 1 to 10 with up to 3 decimal"
                   " places";
        }

        retry->factor = n;
        return NGX_CONF_OK;
    }

    return "attempts=N base=TIME factor=N";
}
