/*
 * TLS of both legs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_tls.h"

#include "neon_crypto.h"


/* RFC 7301 wire form; the name is PostgreSQL's (libpq, sslnegotiation) */
static const u_char  ngx_neon_tls_alpn_proto[] = "\x0apostgresql";


static int ngx_neon_tls_alpn_select(ngx_ssl_conn_t *ssl_conn,
    const unsigned char **out, unsigned char *outlen, const unsigned char *in,
    unsigned int inlen, void *arg);
static ssize_t ngx_neon_tls_recv(ngx_connection_t *c, u_char *buf,
    size_t size);
static long ngx_neon_tls_bio(BIO *bio, int oper, const char *argp, size_t len,
    int argi, long argl, int ret, size_t *processed);
static int ngx_neon_tls_ticket(ngx_ssl_conn_t *ssl_conn, void *data);
static ngx_uint_t ngx_neon_tls_several(ngx_ssl_conn_t *ssl_conn);
static ngx_int_t ngx_neon_tls_end_point_hash(X509 *cert, u_char *hash,
    unsigned int *len);
static const EVP_MD *ngx_neon_tls_end_point_md(X509 *cert);
static ngx_uint_t ngx_neon_tls_is_address(const char *name);


/*
 * Bytes that were read since there were data in them.  SSL_read() goes on for
 * as long as messages of TLS's own come, and takes session tickets without a
 * limit: a peer that sends them faster than that would hold the worker.
 */

#define ngx_neon_tls_taken(bio)  ((size_t) BIO_get_callback_arg(bio))
#define NGX_NEON_TLS_TAKEN_MAX   (256 * 1024)


/* of the connection that is being read: is there no more in its socket? */

static ngx_connection_t  *ngx_neon_tls_reading;
static ngx_uint_t         ngx_neon_tls_drained;


void
ngx_neon_tls_set_alpn(ngx_ssl_t *ssl)
{
    SSL_CTX_set_alpn_select_cb(ssl->ctx, ngx_neon_tls_alpn_select, NULL);
}


static int
ngx_neon_tls_alpn_select(ngx_ssl_conn_t *ssl_conn, const unsigned char **out,
    unsigned char *outlen, const unsigned char *in, unsigned int inlen,
    void *arg)
{
    /* a client of another protocol must not get further (ALPACA) */

    if (SSL_select_next_proto((unsigned char **) out, outlen,
                              ngx_neon_tls_alpn_proto,
                              sizeof(ngx_neon_tls_alpn_proto) - 1, in, inlen)
        != OPENSSL_NPN_NEGOTIATED)
    {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }

    return SSL_TLSEXT_ERR_OK;
}


void
ngx_neon_tls_established(ngx_connection_t *c)
{
    BIO  *bio;

    /*
     * The relay writes from one buffer of the worker and keeps what was not
     * taken somewhere else: a retry comes from another address.
     */

    SSL_set_mode(c->ssl->connection, SSL_MODE_ENABLE_PARTIAL_WRITE
                                     |SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);

    /* the peer's close_notify is not waited for (3 s, with the fd) */

    c->ssl->no_wait_shutdown = 1;

    /* kernel TLS answers a read with one record, however many there are */

    bio = SSL_get_rbio(c->ssl->connection);

    if (c->recv == ngx_ssl_recv && !BIO_get_ktls_recv(bio)) {
        BIO_set_callback_ex(bio, ngx_neon_tls_bio);
        c->recv = ngx_neon_tls_recv;
    }
}


/*
 * ngx_ssl_recv() reads until the socket has no more, which takes a system call
 * for each message that comes alone.  A read that was not filled tells as much,
 * as it does to ngx_unix_recv(); only the end of the connection is asked for.
 */

static ssize_t
ngx_neon_tls_recv(ngx_connection_t *c, u_char *buf, size_t size)
{
    BIO      *bio;
    size_t    taken;
    ssize_t   n;

    ngx_neon_tls_reading = c;
    ngx_neon_tls_drained = 0;

    n = ngx_ssl_recv(c, buf, size);

    ngx_neon_tls_reading = NULL;

    if (n != NGX_AGAIN && n <= 0) {
        return n;
    }

    bio = SSL_get_rbio(c->ssl->connection);
    taken = ngx_neon_tls_taken(bio);

    if (n > 0) {
        BIO_set_callback_arg(bio, NULL);

        if (taken >= NGX_NEON_TLS_TAKEN_MAX) {
            /* no event tells of what is left */
            c->read->ready = 1;
        }

    } else if (taken >= NGX_NEON_TLS_TAKEN_MAX) {
        ngx_log_error(NGX_LOG_INFO, c->log, 0,
                      "no data in %uz bytes of TLS", taken);
        c->read->error = 1;
        return NGX_ERROR;
    }

    return n;
}


static long
ngx_neon_tls_bio(BIO *bio, int oper, const char *argp, size_t len, int argi,
    long argl, int ret, size_t *processed)
{
    ngx_connection_t  *c;

    c = ngx_neon_tls_reading;

    if (c == NULL) {
        return ret;
    }

    if (oper == (BIO_CB_READ|BIO_CB_RETURN)) {
        ngx_neon_tls_drained = (ret > 0 && *processed < len);

        if (ret > 0) {
            BIO_set_callback_arg(bio, (char *) (ngx_neon_tls_taken(bio)
                                                + *processed));
        }

        return ret;
    }

    if (oper == BIO_CB_READ
        && ngx_neon_tls_taken(bio) >= NGX_NEON_TLS_TAKEN_MAX)
    {
        BIO_set_retry_read(bio);
        return -1;
    }

    if (oper == BIO_CB_READ && ngx_neon_tls_drained) {

#if (NGX_HAVE_EPOLLRDHUP)
        if (c->read->pending_eof) {
            return ret;
        }
#endif

        /* as if recv() had said EAGAIN */
        BIO_set_retry_read(bio);
        return -1;
    }

    return ret;
}


ngx_int_t
ngx_neon_tls_server_name(ngx_connection_t *c, ngx_pool_t *pool,
    ngx_str_t *name)
{
    size_t       len;
    const char  *sni;

    ngx_str_null(name);

    sni = SSL_get_servername(c->ssl->connection, TLSEXT_NAMETYPE_host_name);

    if (sni == NULL) {
        return NGX_OK;
    }

    len = ngx_strlen(sni);

    name->data = ngx_pnalloc(pool, len + 1);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(name->data, sni, len + 1);
    name->len = len;

    return NGX_OK;
}


ngx_uint_t
ngx_neon_tls_alpn(ngx_connection_t *c)
{
    unsigned int          len;
    const unsigned char  *proto;

    SSL_get0_alpn_selected(c->ssl->connection, &proto, &len);

    return len == sizeof(ngx_neon_tls_alpn_proto) - 2
           && ngx_memcmp(proto, ngx_neon_tls_alpn_proto + 1, len) == 0;
}


ngx_int_t
ngx_neon_tls_verify_client(ngx_connection_t *c, ngx_uint_t verify)
{
    long         rc;
    X509        *cert;
    const char  *str;

    if (verify == 0) {
        return NGX_OK;
    }

    rc = SSL_get_verify_result(c->ssl->connection);

    if (rc != X509_V_OK
        && (verify != 3 || !ngx_ssl_verify_error_optional(rc)))
    {
        ngx_log_error(NGX_LOG_INFO, c->log, 0,
                      "client SSL certificate verify error: (%l:%s)",
                      rc, X509_verify_cert_error_string(rc));
        return NGX_DECLINED;
    }

    if (verify == 1) {
        cert = SSL_get_peer_certificate(c->ssl->connection);

        if (cert == NULL) {
            ngx_log_error(NGX_LOG_INFO, c->log, 0,
                          "client sent no required SSL certificate");
            return NGX_DECLINED;
        }

        X509_free(cert);
    }

    if (ngx_ssl_ocsp_get_status(c, &str) != NGX_OK) {
        ngx_log_error(NGX_LOG_INFO, c->log, 0,
                      "client SSL certificate verify error: %s", str);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/*
 * A resumed session has no certificate of its own handshake: what clients are
 * bound to is that of the first one, which OpenSSL does not keep.
 */

void
ngx_neon_tls_set_tickets(ngx_ssl_t *ssl)
{
    SSL_CTX_set_session_ticket_cb(ssl->ctx, ngx_neon_tls_ticket, NULL, NULL);

    /* of OpenSSL's two, most clients of databases use none */

    if (SSL_CTX_get_num_tickets(ssl->ctx) > 1) {
        (void) SSL_CTX_set_num_tickets(ssl->ctx, 1);
    }
}


static int
ngx_neon_tls_ticket(ngx_ssl_conn_t *ssl_conn, void *data)
{
    X509          *cert;
    u_char         hash[EVP_MAX_MD_SIZE];
    unsigned int   len;

    cert = SSL_get_certificate(ssl_conn);

    if (cert == NULL || SSL_session_reused(ssl_conn)) {
        return 1;
    }

    if (ngx_neon_tls_end_point_hash(cert, hash, &len) != NGX_OK) {
        return 0;
    }

    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl_conn), hash,
                                           len);
}


/* has the server more than one certificate? */

static ngx_uint_t
ngx_neon_tls_several(ngx_ssl_conn_t *ssl_conn)
{
    return SSL_set_current_cert(ssl_conn, SSL_CERT_SET_FIRST) == 1
           && SSL_set_current_cert(ssl_conn, SSL_CERT_SET_NEXT) == 1;
}


ngx_int_t
ngx_neon_tls_end_point(ngx_connection_t *c, ngx_uint_t ours, ngx_pool_t *pool,
    neon_str_t *hash)
{
    void            *known;
    u_char          *p;
    X509            *cert;
    size_t           size;
    ngx_int_t        rc;
    unsigned int     len;
    ngx_ssl_conn_t  *ssl_conn;

    *hash = neon_str(NULL, 0);

    ssl_conn = c->ssl->connection;

    p = ngx_pnalloc(pool, EVP_MAX_MD_SIZE);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (ours) {

        if (SSL_session_reused(ssl_conn)) {

            if (SSL_SESSION_get0_ticket_appdata(SSL_get_session(ssl_conn),
                                                &known, &size)
                == 1
                && size > 0 && size <= EVP_MAX_MD_SIZE)
            {
                ngx_memcpy(p, known, size);
                *hash = neon_str(p, size);
                return NGX_OK;
            }

            if (ngx_neon_tls_several(ssl_conn)) {
                return NGX_OK;
            }
        }

        /* the one that was sent: certificates may be chosen by SNI */
        cert = SSL_get_certificate(ssl_conn);

        if (cert == NULL) {
            return NGX_OK;
        }

        X509_up_ref(cert);

    } else {
        cert = SSL_get_peer_certificate(ssl_conn);

        if (cert == NULL) {
            return NGX_OK;
        }
    }

    rc = ngx_neon_tls_end_point_hash(cert, p, &len);

    if (rc == NGX_OK && len > 0) {
        *hash = neon_str(p, len);
    }

    X509_free(cert);

    return rc;
}


/* of length 0 where none is defined */

static ngx_int_t
ngx_neon_tls_end_point_hash(X509 *cert, u_char *hash, unsigned int *len)
{
    const EVP_MD  *md;

    *len = 0;

    md = ngx_neon_tls_end_point_md(cert);

    if (md && X509_digest(cert, md, hash, len) != 1) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * RFC 5929, section 4.1: the hash function of the certificate's signature,
 * but SHA-256 in place of MD5 and SHA-1; without a single one it is undefined.
 */

static const EVP_MD *
ngx_neon_tls_end_point_md(X509 *cert)
{
    int  nid;

    if (X509_get_signature_info(cert, &nid, NULL, NULL, NULL) != 1
        || nid == NID_undef)
    {
        ERR_clear_error();
        return NULL;
    }

    if (nid == NID_md5 || nid == NID_sha1) {
        return EVP_sha256();
    }

    return EVP_get_digestbynid(nid);
}


ngx_int_t
ngx_neon_tls_create(ngx_conf_t *cf, ngx_neon_conf_t *conf,
    ngx_uint_t explicit_ca)
{
    ngx_pool_cleanup_t  *cln;

    conf->ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    if (conf->ssl == NULL) {
        return NGX_ERROR;
    }

    conf->ssl->log = cf->log;

    if (ngx_ssl_create(conf->ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        ngx_ssl_cleanup_ctx(conf->ssl);
        return NGX_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = conf->ssl;

    if (explicit_ca) {
        return ngx_ssl_trusted_certificate(cf, conf->ssl,
                                       &conf->compute_ssl_trusted_certificate,
                                       NGX_NEON_TLS_VERIFY_DEPTH);
    }

    /* the system's authorities, where the system keeps them */

    SSL_CTX_set_verify_depth(conf->ssl->ctx, NGX_NEON_TLS_VERIFY_DEPTH);

    if (SSL_CTX_load_verify_locations(conf->ssl->ctx,
                     (char *) conf->compute_ssl_trusted_certificate.data, NULL)
        != 1)
    {
        ERR_clear_error();
        (void) SSL_CTX_set_default_verify_paths(conf->ssl->ctx);
    }

    return NGX_OK;
}


ngx_int_t
ngx_neon_tls_connect(ngx_connection_t *c, ngx_neon_conf_t *conf,
    const char *server_name, ngx_connection_handler_pt handler)
{
    ngx_int_t  rc;

    if (ngx_ssl_create_connection(conf->ssl, c, NGX_SSL_CLIENT) != NGX_OK) {
        return NGX_ERROR;
    }

    /* RFC 6066, section 3: no addresses in SNI */

    if (server_name[0] != '\0' && !ngx_neon_tls_is_address(server_name)
        && SSL_set_tlsext_host_name(c->ssl->connection, server_name) != 1)
    {
        ngx_ssl_error(NGX_LOG_ERR, c->log, 0,
                      "SSL_set_tlsext_host_name(\"%s\") failed", server_name);
        return NGX_ERROR;
    }

    if (SSL_set_alpn_protos(c->ssl->connection, ngx_neon_tls_alpn_proto,
                            sizeof(ngx_neon_tls_alpn_proto) - 1)
        != 0)
    {
        ngx_ssl_error(NGX_LOG_ERR, c->log, 0, "SSL_set_alpn_protos() failed");
        return NGX_ERROR;
    }

    rc = ngx_ssl_handshake(c);

    if (rc == NGX_AGAIN) {
        c->ssl->handler = handler;
    }

    return rc;
}


ngx_int_t
ngx_neon_tls_verify(ngx_connection_t *c, const char *server_name)
{
    long        rc;
    X509       *cert;
    ngx_str_t   name;

    rc = SSL_get_verify_result(c->ssl->connection);

    if (rc != X509_V_OK) {
        ngx_log_error(NGX_LOG_ERR, c->log, 0,
                      "compute's SSL certificate verify error: (%l:%s)",
                      rc, X509_verify_cert_error_string(rc));
        return NGX_DECLINED;
    }

    if (ngx_neon_tls_is_address(server_name)) {
        cert = SSL_get_peer_certificate(c->ssl->connection);
        rc = cert ? X509_check_ip_asc(cert, server_name, 0) : 0;
        X509_free(cert);

        if (rc == 1) {
            return NGX_OK;
        }

    } else {
        name.data = (u_char *) server_name;
        name.len = ngx_strlen(server_name);

        if (ngx_ssl_check_host(c, &name) == NGX_OK) {
            return NGX_OK;
        }
    }

    ngx_log_error(NGX_LOG_ERR, c->log, 0,
                  "compute's SSL certificate does not match \"%s\"",
                  server_name);

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_neon_tls_is_address(const char *name)
{
    size_t  len;

    len = ngx_strlen(name);

    return ngx_strchr(name, ':') != NULL
           || ngx_inet_addr((u_char *) name, len) != INADDR_NONE;
}


void
ngx_neon_tls_shutdown_write(ngx_connection_t *c)
{
    /* ngx_ssl_shutdown() would free the connection */

    if (SSL_get_shutdown(c->ssl->connection) & SSL_SENT_SHUTDOWN) {
        return;
    }

    ERR_clear_error();

    (void) SSL_shutdown(c->ssl->connection);

    ERR_clear_error();

    c->ssl->no_send_shutdown = 1;
}
