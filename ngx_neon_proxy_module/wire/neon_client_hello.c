/*
 * The ClientHello of TLS: server name and ALPN.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "neon_client_hello.h"


#define NEON_HELLO_RECORD_HEAD    5
#define NEON_HELLO_RECORD_MAX     16384   /* RFC 8446, section 5.1 */
#define NEON_HELLO_HEAD           4

#define NEON_HELLO_HANDSHAKE      22      /* type of a record */
#define NEON_HELLO_ALERT          21
#define NEON_HELLO_CLIENT_HELLO   1       /* type of a message */

#define NEON_HELLO_RANDOM         32
#define NEON_HELLO_SESSION_MAX    32

#define NEON_HELLO_SERVER_NAME    0       /* types of extensions */
#define NEON_HELLO_ALPN           16


/*
 * A reader over the message, which hops from record to record.  What ends
 * where is said by offsets in the message.
 */

typedef struct {
    const uint8_t    *p;
    size_t            left;           /* of the record */
    size_t            off;
    size_t            size;
    unsigned          error;
} neon_hello_rd_t;


static neon_rc_e neon_hello_record(neon_client_hello_t *h, const uint8_t *p);
static neon_rc_e neon_hello_head(neon_client_hello_t *h,
    const uint8_t *record);
static neon_rc_e neon_hello_message(neon_client_hello_t *h, const uint8_t *p);
static neon_rc_e neon_hello_extension(neon_client_hello_t *h,
    neon_hello_rd_t *r, uint32_t type, size_t end);
static neon_rc_e neon_hello_name(neon_client_hello_t *h, neon_hello_rd_t *r,
    size_t end);
static neon_rc_e neon_hello_alpn(neon_client_hello_t *h, neon_hello_rd_t *r,
    size_t end);
static size_t neon_hello_record_len(const uint8_t *record);
static uint32_t neon_hello_int(neon_hello_rd_t *r, size_t n);
static size_t neon_hello_vector(neon_hello_rd_t *r, size_t n, size_t end);
static void neon_hello_skip(neon_hello_rd_t *r, size_t end);
static neon_rc_e neon_hello_error(neon_client_hello_t *h, uint8_t alert,
    const char *err);


void
neon_client_hello_init(neon_client_hello_t *h)
{
    memset(h, 0, sizeof(neon_client_hello_t));

    h->need = NEON_HELLO_RECORD_HEAD;
}


neon_rc_e
neon_client_hello_parse(neon_client_hello_t *h, const uint8_t *p, size_t n)
{
    neon_rc_e  rc;

    while (n >= h->need) {
        rc = neon_hello_record(h, p);

        if (rc == NEON_OK) {
            return neon_hello_message(h, p);
        }

        if (rc == NEON_ERROR) {
            return NEON_ERROR;
        }
    }

    return NEON_AGAIN;
}


/* one state on; NEON_OK: the message is complete */

static neon_rc_e
neon_hello_record(neon_client_hello_t *h, const uint8_t *p)
{
    size_t          len, want;
    const uint8_t  *record;

    record = p + h->record;
    len = neon_hello_record_len(record);

    switch (h->state) {

    case NEON_CLIENT_HELLO_RECORD:

        if (record[0] != NEON_HELLO_HANDSHAKE) {
            return neon_hello_error(h, NEON_TLS_UNEXPECTED_MESSAGE,
                                    "not a TLS handshake");
        }

        if (record[1] != 3) {
            return neon_hello_error(h, NEON_TLS_PROTOCOL_VERSION,
                                    "TLS record of an unknown version");
        }

        if (len == 0) {
            return neon_hello_error(h, NEON_TLS_UNEXPECTED_MESSAGE,
                                    "empty TLS record");
        }

        if (len > NEON_HELLO_RECORD_MAX) {
            return neon_hello_error(h, NEON_TLS_RECORD_OVERFLOW,
                                    "TLS record is too long");
        }

        /* the length of the message first: what is too long is not awaited */

        want = NEON_HELLO_HEAD - (h->got < NEON_HELLO_HEAD ? h->got
                                                           : NEON_HELLO_HEAD);
        if (want > len) {
            want = len;
        }

        h->need = h->record + NEON_HELLO_RECORD_HEAD + want;
        h->state = NEON_CLIENT_HELLO_HEAD;

        return NEON_AGAIN;

    case NEON_CLIENT_HELLO_HEAD:

        h->state = NEON_CLIENT_HELLO_BODY;
        return neon_hello_head(h, record);

    default: /* NEON_CLIENT_HELLO_BODY */
        break;
    }

    h->got += len;
    h->record += NEON_HELLO_RECORD_HEAD + len;

    if (h->got == h->size) {
        return NEON_OK;
    }

    h->need = h->record + NEON_HELLO_RECORD_HEAD;
    h->state = NEON_CLIENT_HELLO_RECORD;

    return NEON_AGAIN;
}


static neon_rc_e
neon_hello_head(neon_client_hello_t *h, const uint8_t *record)
{
    size_t  i, len, need;

    len = neon_hello_record_len(record);

    for (i = 0; h->got + i < NEON_HELLO_HEAD && i < len; i++) {
        h->head[h->got + i] = record[NEON_HELLO_RECORD_HEAD + i];
    }

    if (h->got == 0 && h->head[0] != NEON_HELLO_CLIENT_HELLO) {
        return neon_hello_error(h, NEON_TLS_UNEXPECTED_MESSAGE,
                                "not a TLS ClientHello");
    }

    if (h->size == 0 && h->got + i == NEON_HELLO_HEAD) {
        h->size = NEON_HELLO_HEAD
                  + ((size_t) h->head[1] << 16 | (size_t) h->head[2] << 8
                     | h->head[3]);

        if (h->size > NEON_CLIENT_HELLO_MAX) {
            return neon_hello_error(h, NEON_TLS_ILLEGAL_PARAMETER,
                                    "TLS ClientHello is too long");
        }
    }

    if (h->size && h->got + len > h->size) {
        return neon_hello_error(h, NEON_TLS_UNEXPECTED_MESSAGE,
                                "data behind the TLS ClientHello");
    }

    need = h->record + NEON_HELLO_RECORD_HEAD + len;

    if (need > NEON_CLIENT_HELLO_RECORDS) {
        return neon_hello_error(h, NEON_TLS_ILLEGAL_PARAMETER,
                                "TLS ClientHello in too many records");
    }

    h->need = need;

    return NEON_AGAIN;
}


static neon_rc_e
neon_hello_message(neon_client_hello_t *h, const uint8_t *p)
{
    size_t           end, begin;
    uint32_t         type, version;
    neon_hello_rd_t  r;

    memset(&r, 0, sizeof(neon_hello_rd_t));

    r.p = p;
    r.size = h->size;

    neon_hello_skip(&r, NEON_HELLO_HEAD);

    version = neon_hello_int(&r, 2);

    if (!r.error && version >> 8 != 3) {
        return neon_hello_error(h, NEON_TLS_PROTOCOL_VERSION,
                                "TLS ClientHello of an unknown version");
    }

    neon_hello_skip(&r, r.off + NEON_HELLO_RANDOM);

    end = neon_hello_vector(&r, 1, h->size);                /* session id */
    r.error |= (end - r.off > NEON_HELLO_SESSION_MAX);
    neon_hello_skip(&r, end);

    end = neon_hello_vector(&r, 2, h->size);                /* ciphers */
    r.error |= (end == r.off || (end - r.off) % 2 != 0);
    neon_hello_skip(&r, end);

    end = neon_hello_vector(&r, 1, h->size);                /* compression */
    r.error |= (end == r.off);
    neon_hello_skip(&r, end);

    if (!r.error && r.off == h->size) {
        /* there need not be extensions */
        return NEON_OK;
    }

    begin = neon_hello_vector(&r, 2, h->size);
    r.error |= (begin != h->size);

    while (!r.error && r.off != h->size) {
        type = neon_hello_int(&r, 2);
        end = neon_hello_vector(&r, 2, h->size);

        if (!r.error && neon_hello_extension(h, &r, type, end) != NEON_OK) {
            return NEON_ERROR;
        }
    }

    return r.error ? neon_hello_error(h, NEON_TLS_DECODE_ERROR,
                                      "malformed TLS ClientHello")
                   : NEON_OK;
}


static neon_rc_e
neon_hello_extension(neon_client_hello_t *h, neon_hello_rd_t *r,
    uint32_t type, size_t end)
{
    switch (type) {

    case NEON_HELLO_SERVER_NAME:
        return neon_hello_name(h, r, end);

    case NEON_HELLO_ALPN:
        return neon_hello_alpn(h, r, end);

    default:
        neon_hello_skip(r, end);
        return NEON_OK;
    }
}


/* a list of one name, of type host_name; others were never defined */

static neon_rc_e
neon_hello_name(neon_client_hello_t *h, neon_hello_rd_t *r, size_t end)
{
    uint8_t   ch;
    size_t    list, last;
    uint32_t  type;

    list = neon_hello_vector(r, 2, end);
    type = neon_hello_int(r, 1);
    last = neon_hello_vector(r, 2, end);

    if (r->error || h->named || list != end || type != 0 || last != end
        || last == r->off || last - r->off > NEON_CLIENT_HELLO_NAME_MAX)
    {
        return neon_hello_error(h, NEON_TLS_ILLEGAL_PARAMETER,
                                "malformed server name in TLS ClientHello");
    }

    h->named = 1;

    while (r->off < last) {
        ch = (uint8_t) neon_hello_int(r, 1);

        if (ch <= 0x20 || ch >= 0x7f) {
            return neon_hello_error(h, NEON_TLS_UNRECOGNIZED_NAME,
                                    "impossible server name in TLS"
                                    " ClientHello");
        }

        h->name[h->name_len++] = ch;
    }

    return NEON_OK;
}


static neon_rc_e
neon_hello_alpn(neon_client_hello_t *h, neon_hello_rd_t *r, size_t end)
{
    size_t  i, list, last, len;

    static const char  name[] = "postgresql";

    list = neon_hello_vector(r, 2, end);
    r->error |= (h->alpn || list != end || list == r->off);
    h->alpn = 1;

    while (!r->error && r->off < list) {
        last = neon_hello_vector(r, 1, list);
        len = last - r->off;
        r->error |= (len == 0);

        for (i = 0; !r->error && r->off < last; i++) {
            if (i >= sizeof(name) - 1
                || neon_hello_int(r, 1) != (uint32_t) name[i])
            {
                neon_hello_skip(r, last);
                len = 0;
            }
        }

        h->postgresql |= (!r->error && len == sizeof(name) - 1);
    }

    return r->error ? neon_hello_error(h, NEON_TLS_DECODE_ERROR,
                                       "malformed ALPN in TLS ClientHello")
                    : NEON_OK;
}


static size_t
neon_hello_record_len(const uint8_t *record)
{
    return (size_t) record[3] << 8 | record[4];
}


static uint32_t
neon_hello_int(neon_hello_rd_t *r, size_t n)
{
    uint32_t  v;

    for (v = 0; n; n--) {

        if (r->error || r->off == r->size) {
            r->error = 1;
            return 0;
        }

        if (r->left == 0) {
            /* none is empty: that was looked at */
            r->left = neon_hello_record_len(r->p);
            r->p += NEON_HELLO_RECORD_HEAD;
        }

        v = v << 8 | *r->p++;
        r->left--;
        r->off++;
    }

    return v;
}


/* a length of n bytes: the offset at which what it counts ends */

static size_t
neon_hello_vector(neon_hello_rd_t *r, size_t n, size_t end)
{
    size_t  len;

    len = neon_hello_int(r, n);

    if (r->error || r->off > end || len > end - r->off) {
        r->error = 1;
        return r->off;
    }

    return r->off + len;
}


static void
neon_hello_skip(neon_hello_rd_t *r, size_t end)
{
    while (!r->error && r->off < end) {
        (void) neon_hello_int(r, 1);
    }
}


static neon_rc_e
neon_hello_error(neon_client_hello_t *h, uint8_t alert, const char *err)
{
    h->alert = alert;
    h->err = err;

    return NEON_ERROR;
}


void
neon_tls_alert_write(neon_wr_t *w, uint8_t alert)
{
    neon_wr_u8(w, NEON_HELLO_ALERT);
    neon_wr_u16(w, 0x0303);
    neon_wr_u16(w, 2);
    neon_wr_u8(w, 2);                                       /* fatal */
    neon_wr_u8(w, alert);
}
