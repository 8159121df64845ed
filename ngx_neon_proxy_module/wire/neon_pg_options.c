/*
 * The startup parameter "options": tokens, ours and the compute's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "neon_pg_options.h"


typedef enum {
    NEON_PG_OPTIONS_OTHER = 0,
    NEON_PG_OPTIONS_ENDPOINT,
    NEON_PG_OPTIONS_NEON,
    NEON_PG_OPTIONS_TRACEPARENT,
    NEON_PG_OPTIONS_TRACESTATE
} neon_pg_options_kind_e;


static neon_pg_options_kind_e neon_pg_options_kind(neon_rd_t *rd,
    neon_str_t token, neon_pg_option_t *option);
static int neon_pg_options_param(neon_rd_t *rd, neon_str_t token,
    const char *name, neon_str_t *value);
static neon_rc_e neon_pg_options_insert(neon_pg_options_t *o,
    neon_pg_option_t option);
static int neon_pg_options_after(const neon_pg_option_t *a,
    const neon_pg_option_t *b);
static int neon_pg_options_cmp(neon_str_t a, neon_str_t b);
static int neon_pg_options_prefix(neon_str_t *s, const char *prefix);
static int neon_pg_options_is_space(uint8_t ch);
static int neon_pg_options_is_word(uint8_t ch);


neon_rc_e
neon_pg_options_parse(neon_pg_options_t *o, neon_str_t options)
{
    neon_rd_t         rd;
    neon_str_t        token;
    neon_pg_option_t  option;

    memset(o, 0, sizeof(neon_pg_options_t));

    neon_rd_init(&rd, options.data, options.len);

    while (neon_pg_options_next(&rd, &token)) {

        switch (neon_pg_options_kind(&rd, token, &option)) {

        case NEON_PG_OPTIONS_ENDPOINT:
            o->nendpoints++;
            o->endpoint = (o->nendpoints == 1) ? option.value
                                               : neon_str(NULL, 0);
            break;

        case NEON_PG_OPTIONS_NEON:
            if (neon_pg_options_insert(o, option) != NEON_OK) {
                return NEON_ERROR;
            }

            if (neon_str_eqz(option.name, "proxy_params_compat")) {
                o->params_compat = 1;
            }

            break;

        case NEON_PG_OPTIONS_TRACEPARENT:
            o->traceparent = option.value;
            break;

        case NEON_PG_OPTIONS_TRACESTATE:
            o->tracestate = option.value;
            break;

        default:
            break;
        }
    }

    return NEON_OK;
}


int
neon_pg_options_next(neon_rd_t *rd, neon_str_t *token)
{
    const uint8_t  *p, *start;

    p = rd->pos;

    while (p < rd->last && neon_pg_options_is_space(*p)) {
        p++;
    }

    start = p;

    while (p < rd->last && !neon_pg_options_is_space(*p)) {

        /* whatever follows a backslash belongs to the token */

        if (*p == '\\' && rd->last - p > 1) {
            p++;
        }

        p++;
    }

    rd->pos = p;
    *token = neon_str(start, (size_t) (p - start));

    return token->len != 0;
}


void
neon_pg_options_filter(neon_wr_t *w, neon_str_t options)
{
    unsigned          n;
    neon_rd_t         rd;
    neon_str_t        token;
    neon_pg_option_t  option;

    n = 0;
    neon_rd_init(&rd, options.data, options.len);

    while (neon_pg_options_next(&rd, &token)) {

        if (neon_pg_options_kind(&rd, token, &option)
            != NEON_PG_OPTIONS_OTHER)
        {
            continue;
        }

        if (n++ != 0) {
            neon_wr_u8(w, ' ');
        }

        neon_wr_str(w, token);
    }
}


/* takes the next token, too, where both are one option of ours */

static neon_pg_options_kind_e
neon_pg_options_kind(neon_rd_t *rd, neon_str_t token, neon_pg_option_t *option)
{
    size_t  i;

    option->name = neon_str(NULL, 0);
    option->value = token;

    if (neon_pg_options_param(rd, token, "endpoint=", &option->value)
        || neon_pg_options_param(rd, token, "project=", &option->value))
    {
        return NEON_PG_OPTIONS_ENDPOINT;
    }

    if (neon_pg_options_param(rd, token, "traceparent=", &option->value)) {
        return NEON_PG_OPTIONS_TRACEPARENT;
    }

    if (neon_pg_options_param(rd, token, "tracestate=", &option->value)) {
        return NEON_PG_OPTIONS_TRACESTATE;
    }

    if (!neon_pg_options_prefix(&token, "neon_")) {
        return NEON_PG_OPTIONS_OTHER;
    }

    for (i = 0; i < token.len; i++) {
        if (!neon_pg_options_is_word(token.data[i])) {
            break;
        }
    }

    /* at least one byte on either side of the colon */

    if (i == 0 || token.len - i < 2 || token.data[i] != ':') {
        return NEON_PG_OPTIONS_OTHER;
    }

    option->name = neon_str(token.data, i);
    option->value = neon_str(token.data + i + 1, token.len - i - 1);

    return NEON_PG_OPTIONS_NEON;
}


/* the forms that PostgreSQL's command line has for a parameter */

static int
neon_pg_options_param(neon_rd_t *rd, neon_str_t token, const char *name,
    neon_str_t *value)
{
    neon_rd_t  next;

    next = *rd;

    if (neon_str_eqz(token, "-c")) {
        if (!neon_pg_options_next(&next, &token)) {
            return 0;
        }

    } else if (!neon_pg_options_prefix(&token, "--")) {
        (void) neon_pg_options_prefix(&token, "-c");
    }

    if (!neon_pg_options_prefix(&token, name)) {
        return 0;
    }

    *value = token;
    *rd = next;

    return 1;
}


/*
 * Sorted by name and then by value: the options are a part of the key under
 * which a compute's address is cached, and their order means nothing.
 */

static neon_rc_e
neon_pg_options_insert(neon_pg_options_t *o, neon_pg_option_t option)
{
    unsigned  i;

    if (o->noptions == NEON_PG_OPTIONS_MAX) {
        return NEON_ERROR;
    }

    for (i = o->noptions; i > 0; i--) {
        if (!neon_pg_options_after(&o->option[i - 1], &option)) {
            break;
        }

        o->option[i] = o->option[i - 1];
    }

    o->option[i] = option;
    o->noptions++;

    return NEON_OK;
}


static int
neon_pg_options_after(const neon_pg_option_t *a, const neon_pg_option_t *b)
{
    int  rc;

    rc = neon_pg_options_cmp(a->name, b->name);

    if (rc == 0) {
        rc = neon_pg_options_cmp(a->value, b->value);
    }

    return rc > 0;
}


static int
neon_pg_options_cmp(neon_str_t a, neon_str_t b)
{
    int  rc;

    rc = memcmp(a.data, b.data, (a.len < b.len) ? a.len : b.len);

    if (rc != 0 || a.len == b.len) {
        return rc;
    }

    return (a.len < b.len) ? -1 : 1;
}


static int
neon_pg_options_prefix(neon_str_t *s, const char *prefix)
{
    size_t  len;

    len = strlen(prefix);

    if (s->len < len || memcmp(s->data, prefix, len) != 0) {
        return 0;
    }

    s->data += len;
    s->len -= len;

    return 1;
}


/* isspace() of the C locale, which pg_split_opts() runs in */

static int
neon_pg_options_is_space(uint8_t ch)
{
    return ch == ' ' || (ch >= '\t' && ch <= '\r');
}


static int
neon_pg_options_is_word(uint8_t ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
           || (ch >= '0' && ch <= '9') || ch == '_';
}
