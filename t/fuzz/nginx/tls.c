/*
 * A TLS client, and a certificate for the server.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "server.h"


static SSL_CTX  *tls_ctx;


void
tls_start(const char *dir)
{
    char        name[NGX_MAX_PATH];
    FILE       *f;
    X509       *cert;
    EVP_PKEY   *key;
    X509_NAME  *subject;

    key = EVP_EC_gen("P-256");
    cert = X509_new();
    server_check(key != NULL && cert != NULL, "a key");

    subject = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               (const unsigned char *) "*.db.example.com", -1,
                               -1, 0);
    X509_set_issuer_name(cert, subject);
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    server_check(X509_sign(cert, key, EVP_sha256()) != 0, "a certificate");

    snprintf(name, sizeof(name), "%s/db.crt", dir);
    f = fopen(name, "w");
    server_check(f != NULL && PEM_write_X509(f, cert), "db.crt");
    fclose(f);

    snprintf(name, sizeof(name), "%s/db.key", dir);
    f = fopen(name, "w");
    server_check(f != NULL
                 && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL),
                 "db.key");
    fclose(f);

    X509_free(cert);
    EVP_PKEY_free(key);

    tls_ctx = SSL_CTX_new(TLS_client_method());
    server_check(tls_ctx != NULL, "SSL_CTX_new()");
}


SSL *
tls_client(int fd, int alpn)
{
    SSL  *ssl;

    ssl = SSL_new(tls_ctx);
    server_check(ssl != NULL && SSL_set_fd(ssl, fd), "SSL_new()");

    SSL_set_tlsext_host_name(ssl, "ep-1.db.example.com");

    if (alpn) {
        SSL_set_alpn_protos(ssl, (const unsigned char *) "\012postgresql", 11);
    }

    (void) SSL_connect(ssl);
    ERR_clear_error();

    return ssl;
}
