/*
 * What computes say by themselves.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "compute.h"

#include "place.h"

#include "neon_pg_msg.h"


static neon_scram_server_t  scram_server;


static const uint8_t  nonce[NEON_SCRAM_RAW_NONCE] = "eighteen byte long";


static void
scram_continue(neon_wr_t *w, const peer_t *p)
{
    uint8_t                 buf[NEON_SCRAM_MSG_MAX];
    neon_wr_t               text;
    neon_pg_sasl_initial_t  first;

    neon_wr_init(&text, buf, sizeof(buf));
    neon_scram_server_init(&scram_server, neon_str("", 0));

    if (neon_pg_sasl_initial_parse(&first, peer_find(p, 'p', "SCRAM", 0))
        == NEON_OK)
    {
        (void) neon_scram_server_first(&scram_server, first.mechanism,
                                       first.data, &place.verifier, nonce,
                                       &text);
    }

    neon_pg_auth_write(w, NEON_PG_AUTH_SASL_CONT,
                       neon_str(buf, neon_wr_len(&text)));
}


void
compute_scram(neon_wr_t *w, const peer_t *p, int final)
{
    uint8_t            buf[NEON_SCRAM_MSG_MAX];
    neon_wr_t          text;
    neon_str_t         body;
    neon_scram_keys_t  learned;

    if (!final) {
        scram_continue(w, p);
        return;
    }

    neon_wr_init(&text, buf, sizeof(buf));
    body = peer_find(p, 'p', "c=", 2);

    if (body.len) {
        body = neon_str(body.data - 2, body.len + 2);
    }

    (void) neon_scram_server_final(&scram_server, body, &place.verifier,
                                   &learned, &text);
    neon_pg_auth_write(w, NEON_PG_AUTH_SASL_FINAL,
                       neon_str(buf, neon_wr_len(&text)));
}


void
compute_welcome(neon_wr_t *w)
{
    neon_pg_auth_write(w, 0, neon_str("", 0));
    neon_pg_parameter_status_write(w, "server_version", neon_str("17.0", 4));
    neon_pg_key_data_write(w, 4711, neon_str("\1\2\3\4", 4));
    neon_pg_ready_write(w, 'I');
}


void
compute_error(neon_wr_t *w, uint8_t sqlstate, uint8_t fields, neon_str_t text)
{
    uint8_t     *begin;
    ngx_uint_t   i;

    static const char *const  sqlstates[] = {
        "08P01", "57P03", "28P01", "28000", "3D000", "53300", "0A000",
        "57P01", "XX000"
    };

    static const char *const  known[] = {
        "SFATAL", "VFATAL", "M", "Mstarting up", "D", "Hwait",
        "Mno more connections allowed (max_client_conn)"
    };

    begin = neon_wr_begin(w, 'E');

    neon_wr_u8(w, 'C');
    neon_wr_z(w, sqlstates[sqlstate
                           % (sizeof(sqlstates) / sizeof(sqlstates[0]))]);
    neon_wr_u8(w, '\0');

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (fields & (1 << i)) {
            neon_wr_z(w, known[i]);
            neon_wr_u8(w, '\0');
        }
    }

    neon_wr_str(w, text);

    if (!(fields & 0x80)) {
        neon_wr_u8(w, '\0');
    }

    neon_wr_end(w, begin);
}


void
compute_auth(neon_wr_t *w, uint8_t code, neon_str_t rest)
{
    static const uint32_t  codes[] = { 0, 2, 3, 5, 7, 8, 9, 10, 11, 12 };

    neon_pg_auth_write(w, codes[code % (sizeof(codes) / sizeof(codes[0]))],
                       rest);
}
