/*
 * The role file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_ctl_roles.h"

#include "neon_endpoint.h"
#include "neon_md5.h"
#include "neon_scram.h"


#define NGX_NEON_CTL_ROLES_MAX_FILE   (64 * 1024 * 1024)
#define NGX_NEON_CTL_ROLES_MAX_NAME   255
#define NGX_NEON_CTL_ROLES_FORM                                              \
    "a line must be \"ROLE\" or \"ENDPOINT/ROLE\", and behind it \"SCRAM-"   \
    "SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY\", with or without quotes"


typedef struct {
    ngx_conf_t      *cf;
    u_char          *pos;             /* of the line */
    u_char          *last;
    ngx_uint_t       quoted;          /* the field just read was */
    ngx_uint_t       md5;             /* so may verifiers be */
} ngx_neon_ctl_roles_line_t;


static ngx_int_t ngx_neon_ctl_roles_load(ngx_conf_t *cf, ngx_str_t *file,
    ngx_str_t *text);
static ngx_int_t ngx_neon_ctl_roles_check(ngx_conf_t *cf, ngx_str_t *file,
    ngx_file_info_t *fi);
static ngx_int_t ngx_neon_ctl_roles_parse(ngx_conf_t *cf, ngx_str_t *file,
    ngx_uint_t md5, ngx_str_t *text, ngx_array_t *roles);
static const char *ngx_neon_ctl_roles_line(ngx_neon_ctl_roles_line_t *l,
    ngx_neon_ctl_role_t *role);
static const char *ngx_neon_ctl_roles_field(ngx_neon_ctl_roles_line_t *l,
    ngx_str_t *field);
static const char *ngx_neon_ctl_roles_quoted(ngx_neon_ctl_roles_line_t *l,
    ngx_str_t *field);
static void ngx_neon_ctl_roles_space(ngx_neon_ctl_roles_line_t *l);
static const char *ngx_neon_ctl_roles_name(ngx_neon_ctl_role_t *role);
static const char *ngx_neon_ctl_roles_verifier(ngx_str_t *verifier,
    ngx_uint_t md5);
static ngx_int_t ngx_neon_ctl_roles_unique(ngx_conf_t *cf, ngx_str_t *file,
    ngx_array_t *roles);
static int ngx_neon_ctl_roles_cmp(const void *one, const void *two);
static int ngx_neon_ctl_roles_cmp_str(const ngx_str_t *a, const ngx_str_t *b);


ngx_int_t
ngx_neon_ctl_roles_read(ngx_conf_t *cf, ngx_str_t *file, ngx_uint_t md5,
    ngx_array_t *roles)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    if (ngx_array_init(roles, cf->pool, 16, sizeof(ngx_neon_ctl_role_t))
        != NGX_OK
        || ngx_neon_ctl_roles_load(cf, file, &text) != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_neon_ctl_roles_parse(cf, file, md5, &text, roles);

    /* it may hold passwords, by mistake */

    ngx_explicit_memzero(text.data, text.len);
    ngx_free(text.data);

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_qsort(roles->elts, roles->nelts, sizeof(ngx_neon_ctl_role_t),
              ngx_neon_ctl_roles_cmp);

    return ngx_neon_ctl_roles_unique(cf, file, roles);
}


ngx_neon_ctl_role_t *
ngx_neon_ctl_roles_find(ngx_array_t *roles, ngx_str_t *endpoint,
    ngx_str_t *role)
{
    ngx_neon_ctl_role_t  key, *found;

    ngx_memzero(&key, sizeof(ngx_neon_ctl_role_t));

    key.endpoint = *endpoint;
    key.role = *role;

    found = bsearch(&key, roles->elts, roles->nelts,
                    sizeof(ngx_neon_ctl_role_t), ngx_neon_ctl_roles_cmp);

    if (found) {
        return found;
    }

    key.endpoint.len = 0;

    return bsearch(&key, roles->elts, roles->nelts,
                   sizeof(ngx_neon_ctl_role_t), ngx_neon_ctl_roles_cmp);
}


static ngx_int_t
ngx_neon_ctl_roles_load(ngx_conf_t *cf, ngx_str_t *file, ngx_str_t *text)
{
    size_t            size;
    ssize_t           n;
    ngx_fd_t          fd;
    ngx_file_info_t   fi;

    fd = ngx_open_file(file->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " role_file \"%V\" failed", file);
        return NGX_ERROR;
    }

    text->data = NULL;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_fd_info_n " role_file \"%V\" failed", file);
        goto failed;
    }

    if (ngx_neon_ctl_roles_check(cf, file, &fi) != NGX_OK) {
        goto failed;
    }

    size = (size_t) ngx_file_size(&fi);

    text->len = 0;
    text->data = ngx_alloc(size + 1, cf->log);

    if (text->data == NULL) {
        goto failed;
    }

    while (text->len < size) {
        n = ngx_read_fd(fd, text->data + text->len, size - text->len);

        if (n == -1) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                               ngx_read_fd_n " role_file \"%V\" failed",
                               file);
            goto failed;
        }

        if (n == 0) {
            break;
        }

        text->len += n;
    }

    (void) ngx_close_file(fd);

    return NGX_OK;

failed:

    if (text->data) {
        ngx_free(text->data);
    }

    (void) ngx_close_file(fd);

    return NGX_ERROR;
}


static ngx_int_t
ngx_neon_ctl_roles_check(ngx_conf_t *cf, ngx_str_t *file, ngx_file_info_t *fi)
{
    if (!ngx_is_file(fi)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "role_file \"%V\" is not a regular file", file);
        return NGX_ERROR;
    }

    if (ngx_file_size(fi) > NGX_NEON_CTL_ROLES_MAX_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "role_file \"%V\" is larger than 64 MiB", file);
        return NGX_ERROR;
    }

    if (ngx_file_access(fi) & 0004) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "role_file \"%V\" can be read by everybody, "
                           "\"chmod o= \" it", file);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_neon_ctl_roles_parse(ngx_conf_t *cf, ngx_str_t *file, ngx_uint_t md5,
    ngx_str_t *text, ngx_array_t *roles)
{
    u_char                     *last;
    ngx_uint_t                  line;
    const char                 *err;
    ngx_neon_ctl_role_t        *r, role;
    ngx_neon_ctl_roles_line_t   l;

    l.cf = cf;
    l.md5 = md5;
    l.last = text->data;
    last = text->data + text->len;

    for (line = 1; l.last < last; line++) {
        l.pos = l.last;
        l.last = ngx_strlchr(l.pos, last, LF);
        l.last = (l.last == NULL) ? last : l.last;

        ngx_memzero(&role, sizeof(ngx_neon_ctl_role_t));
        role.line = line;

        err = ngx_neon_ctl_roles_line(&l, &role);

        if (err) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "role_file %V:%ui: role \"%V\": %s; "
                               NGX_NEON_CTL_ROLES_FORM,
                               file, line, &role.role, err);
            return NGX_ERROR;
        }

        if (role.role.len) {
            r = ngx_array_push(roles);
            if (r == NULL) {
                return NGX_ERROR;
            }

            *r = role;
        }

        l.last = (l.last == last) ? last : l.last + 1;
    }

    return NGX_OK;
}


/* a role stays empty when the line is; on errors it names whose line it is */

static const char *
ngx_neon_ctl_roles_line(ngx_neon_ctl_roles_line_t *l,
    ngx_neon_ctl_role_t *role)
{
    ngx_uint_t   quoted;
    const char  *err;

    ngx_neon_ctl_roles_space(l);

    if (l->pos == l->last || *l->pos == '#' || *l->pos == ';') {
        return NULL;
    }

    err = ngx_neon_ctl_roles_field(l, &role->role);
    if (err) {
        return err;
    }

    quoted = l->quoted;

    err = ngx_neon_ctl_roles_name(role);
    if (err) {
        return err;
    }

    ngx_neon_ctl_roles_space(l);

    err = ngx_neon_ctl_roles_field(l, &role->verifier);
    if (err) {
        return err;
    }

    ngx_neon_ctl_roles_space(l);

    /* pgbouncer ignores whatever follows two quoted fields */

    if (l->pos != l->last && *l->pos != '#' && !(quoted && l->quoted)) {
        return "more than two fields";
    }

    return ngx_neon_ctl_roles_verifier(&role->verifier, l->md5);
}


static const char *
ngx_neon_ctl_roles_field(ngx_neon_ctl_roles_line_t *l, ngx_str_t *field)
{
    u_char  *start;

    l->quoted = (l->pos < l->last && *l->pos == '"');

    if (l->quoted) {
        return ngx_neon_ctl_roles_quoted(l, field);
    }

    start = l->pos;

    while (l->pos < l->last && *l->pos != ' ' && *l->pos != '\t'
           && *l->pos != CR)
    {
        l->pos++;
    }

    field->len = l->pos - start;

    if (field->len == 0) {
        return NULL;
    }

    field->data = ngx_pnalloc(l->cf->pool, field->len);
    if (field->data == NULL) {
        field->len = 0;
        return "no memory";
    }

    ngx_memcpy(field->data, start, field->len);

    return NULL;
}


/* "..." where "" stands for one quote */

static const char *
ngx_neon_ctl_roles_quoted(ngx_neon_ctl_roles_line_t *l, ngx_str_t *field)
{
    u_char  *p;

    p = ngx_pnalloc(l->cf->pool, l->last - l->pos);
    if (p == NULL) {
        return "no memory";
    }

    field->data = p;

    for (l->pos++; l->pos < l->last; l->pos++) {

        if (*l->pos == '"') {
            l->pos++;

            if (l->pos == l->last || *l->pos != '"') {
                field->len = p - field->data;
                return NULL;
            }
        }

        *p++ = *l->pos;
    }

    return "no closing quote";
}


static void
ngx_neon_ctl_roles_space(ngx_neon_ctl_roles_line_t *l)
{
    while (l->pos < l->last
           && (*l->pos == ' ' || *l->pos == '\t' || *l->pos == CR))
    {
        l->pos++;
    }
}


/* splits ENDPOINT/ROLE */

static const char *
ngx_neon_ctl_roles_name(ngx_neon_ctl_role_t *role)
{
    u_char      *slash;
    ngx_str_t   *name;
    neon_str_t   endpoint;

    name = &role->role;

    if (name->len == 0) {
        return "empty name";
    }

    slash = ngx_strlchr(name->data, name->data + name->len, '/');

    if (slash) {
        endpoint = neon_str(name->data, slash - name->data);

        if (!neon_endpoint_valid(endpoint)) {
            return "invalid name of an endpoint in front of the slash";
        }

        role->endpoint.data = name->data;
        role->endpoint.len = neon_endpoint_normal(endpoint).len;

        name->len -= slash + 1 - name->data;
        name->data = slash + 1;

        if (role->endpoint.len == 0 || name->len == 0) {
            return "empty name beside the slash";
        }

        ngx_strlow(role->endpoint.data, role->endpoint.data,
                   role->endpoint.len);
    }

    if (name->len > NGX_NEON_CTL_ROLES_MAX_NAME) {
        return "too long a name";
    }

    return NULL;
}


static const char *
ngx_neon_ctl_roles_verifier(ngx_str_t *verifier, ngx_uint_t md5)
{
    neon_md5_t             hash;
    neon_str_t             text;
    neon_scram_verifier_t  v;

    text = neon_str(verifier->data, verifier->len);

    if (text.len == 0) {
        return "no verifier";
    }

    if (neon_scram_verifier_parse(&v, text) == NEON_OK) {
        return NULL;
    }

    if (neon_md5_parse(&hash, text) == NEON_OK) {
        return md5 ? NULL : "an MD5 verifier, which needs"
                            " \"md5_verifiers on\"";
    }

    if (verifier->len > 14
        && ngx_strncmp(verifier->data, "SCRAM-SHA-256$", 14) == 0)
    {
        return "a malformed SCRAM-SHA-256 verifier";
    }

    /* a plain password, most likely: it must not even be logged */

    return "not a SCRAM-SHA-256 verifier";
}


static ngx_int_t
ngx_neon_ctl_roles_unique(ngx_conf_t *cf, ngx_str_t *file, ngx_array_t *roles)
{
    ngx_uint_t            i;
    ngx_neon_ctl_role_t  *r;

    r = roles->elts;

    for (i = 1; i < roles->nelts; i++) {

        if (ngx_neon_ctl_roles_cmp(&r[i - 1], &r[i]) != 0) {
            continue;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "role_file %V:%ui: duplicate of "
                           "role \"%V\" in line %ui",
                           file, ngx_max(r[i - 1].line, r[i].line),
                           &r[i].role, ngx_min(r[i - 1].line, r[i].line));

        return NGX_ERROR;
    }

    return NGX_OK;
}


static int
ngx_neon_ctl_roles_cmp(const void *one, const void *two)
{
    int                         rc;
    const ngx_neon_ctl_role_t  *a = one;
    const ngx_neon_ctl_role_t  *b = two;

    rc = ngx_neon_ctl_roles_cmp_str(&a->endpoint, &b->endpoint);

    return rc ? rc : ngx_neon_ctl_roles_cmp_str(&a->role, &b->role);
}


static int
ngx_neon_ctl_roles_cmp_str(const ngx_str_t *a, const ngx_str_t *b)
{
    if (a->len != b->len) {
        return (a->len < b->len) ? -1 : 1;
    }

    return a->len ? ngx_memcmp(a->data, b->data, a->len) : 0;
}
