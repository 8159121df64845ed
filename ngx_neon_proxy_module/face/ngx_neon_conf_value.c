/*
 * Values of directives.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_conf_value.h"


static ngx_int_t ngx_neon_conf_secret_file(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *secret);
static ngx_int_t ngx_neon_conf_secret_bad(ngx_conf_t *cf, ngx_str_t *value,
    ngx_err_t err, const char *what);


char *
ngx_neon_conf_set_msec(ngx_conf_t *cf, ngx_command_t *cmd, void *c)
{
    char  *conf = c;

    ngx_int_t    msec;
    ngx_str_t   *value;
    ngx_msec_t  *slot;

    slot = (ngx_msec_t *) (conf + cmd->offset);

    if (*slot != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;
    msec = ngx_parse_time(&value[1], 0);

    if (msec == NGX_ERROR || msec == 0) {
        return ngx_neon_conf_bad(cf, &value[1],
                                 "a time above zero, e.g. 500ms or 15s");
    }

    *slot = msec;

    return NGX_CONF_OK;
}


char *
ngx_neon_conf_set_enum(ngx_conf_t *cf, ngx_command_t *cmd, void *c)
{
    char  *conf = c;

    u_char           *p, *last, form[256];
    ngx_str_t        *value;
    ngx_uint_t        i, *slot;
    ngx_conf_enum_t  *e;

    slot = (ngx_uint_t *) (conf + cmd->offset);

    if (*slot != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    e = cmd->post;
    p = form;
    last = form + sizeof(form) - 1;

    for (i = 0; e[i].name.len; i++) {
        if (e[i].name.len == value[1].len
            && ngx_strncmp(e[i].name.data, value[1].data, value[1].len) == 0)
        {
            *slot = e[i].value;
            return NGX_CONF_OK;
        }

        p = ngx_slprintf(p, last, "%s%V", i ? " or " : "", &e[i].name);
    }

    *p = '\0';

    return ngx_neon_conf_bad(cf, &value[1], (char *) form);
}


char *
ngx_neon_conf_set_flag(ngx_conf_t *cf, ngx_command_t *cmd, void *c)
{
    char  *conf = c;

    ngx_str_t   *value;
    ngx_flag_t  *slot;

    slot = (ngx_flag_t *) (conf + cmd->offset);

    if (*slot != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcasecmp(value[1].data, (u_char *) "on") == 0) {
        *slot = 1;

    } else if (ngx_strcasecmp(value[1].data, (u_char *) "off") == 0) {
        *slot = 0;

    } else {
        return ngx_neon_conf_bad(cf, &value[1], "on or off");
    }

    return NGX_CONF_OK;
}


char *
ngx_neon_conf_bad(ngx_conf_t *cf, ngx_str_t *value, const char *form)
{
    ngx_str_t  *name;

    name = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\" directive,"
                       " it must be %s", value, name, form);

    return NGX_CONF_ERROR;
}


/* file:PATH, env:NAME, or the secret itself */

ngx_int_t
ngx_neon_conf_secret(ngx_conf_t *cf, ngx_str_t *value, ngx_str_t *secret)
{
    char  *env;

    if (ngx_strncmp(value->data, "file:", 5) == 0) {
        return ngx_neon_conf_secret_file(cf, value, secret);
    }

    if (ngx_strncmp(value->data, "env:", 4) != 0) {
        *secret = *value;
        return NGX_OK;
    }

    env = getenv((char *) value->data + 4);

    if (env == NULL || env[0] == '\0') {
        return ngx_neon_conf_secret_bad(cf, value, 0,
                                        "this environment variable is not set");
    }

    secret->len = ngx_strlen(env);
    secret->data = ngx_pnalloc(cf->pool, secret->len + 1);
    if (secret->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(secret->data, env, secret->len + 1);

    return NGX_OK;
}


static ngx_int_t
ngx_neon_conf_secret_file(ngx_conf_t *cf, ngx_str_t *value, ngx_str_t *secret)
{
    u_char      buf[4097];
    ssize_t     n;
    ngx_fd_t    fd;
    ngx_err_t   err;
    ngx_str_t   path;

    path.data = value->data + 5;
    path.len = value->len - 5;

    if (path.len == 0) {
        return ngx_neon_conf_secret_bad(cf, value, 0, "it names no file");
    }

    if (ngx_conf_full_name(cf->cycle, &path, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    fd = ngx_open_file(path.data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        return ngx_neon_conf_secret_bad(cf, value, ngx_errno,
                                        ngx_open_file_n " failed");
    }

    n = ngx_read_fd(fd, buf, sizeof(buf));
    err = ngx_errno;

    (void) ngx_close_file(fd);

    if (n == -1) {
        return ngx_neon_conf_secret_bad(cf, value, err,
                                        ngx_read_fd_n " failed");
    }

    if (n == sizeof(buf)) {
        return ngx_neon_conf_secret_bad(cf, value, 0,
                                   "the file is longer than 4096 bytes");
    }

    while (n && (buf[n - 1] == LF || buf[n - 1] == CR || buf[n - 1] == ' ')) {
        n--;
    }

    if (n == 0) {
        return ngx_neon_conf_secret_bad(cf, value, 0, "the file is empty");
    }

    secret->len = n;
    secret->data = ngx_pnalloc(cf->pool, n + 1);
    if (secret->data == NULL) {
        return NGX_ERROR;
    }

    *ngx_cpymem(secret->data, buf, n) = '\0';
    ngx_explicit_memzero(buf, sizeof(buf));

    return NGX_OK;
}


/* the value is no secret here: it says where one is */

static ngx_int_t
ngx_neon_conf_secret_bad(ngx_conf_t *cf, ngx_str_t *value, ngx_err_t err,
    const char *what)
{
    ngx_str_t  *name;

    name = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, err,
                       "invalid value \"%V\" in \"%V\" directive, it must be"
                       " file:PATH, env:NAME or the text itself: %s",
                       value, name, what);

    return NGX_ERROR;
}
