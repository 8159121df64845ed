/*
 * A TLS client, and a certificate for the server.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_FUZZ_TLS_H
#define NEON_FUZZ_TLS_H


#include <openssl/ssl.h>


/* DIR/db.crt and DIR/db.key, and what clients have in common */
void tls_start(const char *dir);

/* has sent its ClientHello; what the server answers goes on in SSL_read() */
SSL *tls_client(int fd, int alpn);


#endif /* NEON_FUZZ_TLS_H */
