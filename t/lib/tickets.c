/*
 * tickets CERT KEY: a compute that speaks TLS 1.3, and behind the handshake
 * sends NewSessionTicket (RFC 8446, 4.6.1) without end, and never data.  The
 * records are made here: OpenSSL's server is slower than its client.
 *
 * Writes its port, and a line for each client that it lost.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>


#define TICKETS     800
#define RECORD      (5 + TICKETS * sizeof(ticket) + 1 + 16)
#define CHECK(ok)   do { if (!(ok)) { perror(#ok); _exit(1); } } while (0)


/* type, length, lifetime, age_add, nonce, ticket, extensions */

static const unsigned char  ticket[] = {
    4, 0, 0, 16, 0, 0, 0, 60, 1, 2, 3, 4, 1, 0, 0, 2, 5, 6, 0, 0
};

static unsigned char  secret[32];


static void
keylog(const SSL *ssl, const char *line)
{
    int          i;
    unsigned     byte;
    const char  *p;

    (void) ssl;

    if (strncmp(line, "SERVER_TRAFFIC_SECRET_0 ", 24) != 0) {
        return;
    }

    p = strrchr(line, ' ') + 1;

    for (i = 0; i < 32; i++) {
        CHECK(sscanf(p + 2 * i, "%2x", &byte) == 1);
        secret[i] = (unsigned char) byte;
    }
}


/* HKDF-Expand-Label, 7.1 */

static void
expand(const char *label, unsigned char *out, size_t n)
{
    int            mode;
    size_t         len;
    EVP_KDF       *kdf;
    OSSL_PARAM     params[5];
    EVP_KDF_CTX   *ctx;
    unsigned char  info[64];

    len = strlen(label);
    mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;

    info[0] = 0;
    info[1] = (unsigned char) n;
    info[2] = (unsigned char) (6 + len);
    memcpy(info + 3, "tls13 ", 6);
    memcpy(info + 9, label, len);
    info[9 + len] = 0;

    params[0] = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
    params[1] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
                                                 (char *) "SHA256", 0);
    params[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, secret,
                                                  sizeof(secret));
    params[3] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info,
                                                  10 + len);
    params[4] = OSSL_PARAM_construct_end();

    kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    ctx = EVP_KDF_CTX_new(kdf);
    CHECK(EVP_KDF_derive(ctx, out, n, params) == 1);

    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}


static void
flood(int fd)
{
    int             i, n;
    size_t          len, sent;
    ssize_t         rc;
    uint64_t        seq;
    unsigned char   key[16], iv[12], nonce[12], record[RECORD];
    EVP_CIPHER_CTX *ctx;

    static unsigned char  plain[TICKETS * sizeof(ticket) + 1];

    for (i = 0; i < TICKETS; i++) {
        memcpy(plain + i * sizeof(ticket), ticket, sizeof(ticket));
    }

    plain[sizeof(plain) - 1] = 22;

    expand("key", key, sizeof(key));
    expand("iv", iv, sizeof(iv));

    len = sizeof(plain) + 16;
    memcpy(record, "\x17\x03\x03", 3);
    record[3] = (unsigned char) (len >> 8);
    record[4] = (unsigned char) len;

    ctx = EVP_CIPHER_CTX_new();
    CHECK(EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, key, iv) == 1);

    for (seq = 0; /* void */ ; seq++) {
        memcpy(nonce, iv, sizeof(iv));

        for (i = 0; i < 8; i++) {
            nonce[11 - i] ^= (unsigned char) (seq >> (8 * i));
        }

        CHECK(EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, nonce) == 1
              && EVP_EncryptUpdate(ctx, NULL, &n, record, 5) == 1
              && EVP_EncryptUpdate(ctx, record + 5, &n, plain, sizeof(plain))
                 == 1
              && EVP_EncryptFinal_ex(ctx, record + 5 + n, &n) == 1
              && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16,
                                     record + RECORD - 16) == 1);

        for (sent = 0; sent < RECORD; sent += (size_t) rc) {
            rc = write(fd, record + sent, RECORD - sent);

            if (rc <= 0) {
                EVP_CIPHER_CTX_free(ctx);
                return;
            }
        }
    }
}


int
main(int argc, char **argv)
{
    int                 s, fd;
    SSL                *ssl;
    char                head[8];
    SSL_CTX            *ctx;
    socklen_t           len;
    struct sockaddr_in  sin = { .sin_family = AF_INET };

    signal(SIGPIPE, SIG_IGN);

    ctx = SSL_CTX_new(TLS_server_method());
    CHECK(argc == 3
          && SSL_CTX_use_certificate_chain_file(ctx, argv[1]) == 1
          && SSL_CTX_use_PrivateKey_file(ctx, argv[2], SSL_FILETYPE_PEM) == 1
          && SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1
          && SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") == 1
          && SSL_CTX_set_num_tickets(ctx, 0) == 1);
    SSL_CTX_set_keylog_callback(ctx, keylog);

    s = socket(AF_INET, SOCK_STREAM, 0);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    len = sizeof(sin);
    CHECK(bind(s, (struct sockaddr *) &sin, len) == 0 && listen(s, 16) == 0
          && getsockname(s, (struct sockaddr *) &sin, &len) == 0);

    printf("%d\n", ntohs(sin.sin_port));
    fflush(stdout);

    for ( ;; ) {
        fd = accept(s, NULL, NULL);

        /* SSLRequest */
        CHECK(fd != -1 && recv(fd, head, 8, MSG_WAITALL) == 8
              && write(fd, "S", 1) == 1);

        ssl = SSL_new(ctx);
        SSL_set_fd(ssl, fd);

        if (SSL_accept(ssl) == 1) {
            flood(fd);
        }

        SSL_free(ssl);
        close(fd);
        printf("lost\n");
        fflush(stdout);
    }
}
