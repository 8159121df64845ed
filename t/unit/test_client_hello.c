/*
 * The ClientHello of TLS: server name and ALPN, in records of any size.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "neon_client_hello.h"


#define ROOM    65536

/* type, length, and the lists in them */
#define NAME    "\0\0\0\x17\0\x15\0\0\x12" "ep-1.db.example.co"
#define NAMED   "ep-1.db.example.co"
#define ALPN    "\0\x10\0\x0d\0\x0b\x0apostgresql"
#define OTHER   "\0\x2b\0\3\2\3\4"
#define LIT(s)  (s), sizeof(s) - 1


/* the message, without records */

typedef struct {
    uint8_t     bytes[ROOM];
    size_t      len;
} hello_t;


typedef struct {
    neon_client_hello_t  h;
    neon_rc_e            rc;
    size_t               used;        /* bytes when that was clear */
} result_t;


static uint8_t  stream[ROOM];


static void
put(hello_t *m, const char *p, size_t n)
{
    assert_true(m->len + n <= ROOM);
    memcpy(m->bytes + m->len, p, n);
    m->len += n;
}


/* what stands before the extensions: version, random, session id, ciphers,
   compression */

static void
begin(hello_t *m, const char *before, size_t nbefore)
{
    memset(m, 0, sizeof(hello_t));
    put(m, LIT("\1\0\0\0"));
    put(m, before, nbefore);
}


static void
finish(hello_t *m)
{
    size_t  n;

    n = m->len - 4;
    m->bytes[1] = (uint8_t) (n >> 16);
    m->bytes[2] = (uint8_t) (n >> 8);
    m->bytes[3] = (uint8_t) n;
}


#define VERSION  "\3\3"
#define RANDOM   "0123456789abcdef0123456789abcdef"
#define SESSION  "\4sess"
#define CIPHERS  "\0\4\x13\1\x13\2"
#define METHODS  "\1\0"
#define BEFORE   VERSION RANDOM SESSION CIPHERS METHODS


static void
build(hello_t *m, const char *extensions, size_t n)
{
    char  len[2];

    begin(m, LIT(BEFORE));
    len[0] = (char) (n >> 8);
    len[1] = (char) n;
    put(m, len, 2);
    put(m, extensions, n);
    finish(m);
}


/* into the stream, in records of so many bytes each */

static size_t
records(const hello_t *m, size_t size)
{
    size_t    n, off;
    uint8_t  *p;

    p = stream;

    for (off = 0; off < m->len; off += n) {
        n = m->len - off < size ? m->len - off : size;

        assert_true((size_t) (p - stream) + 5 + n <= ROOM);

        *p++ = 22;
        *p++ = 3;
        *p++ = 1;
        *p++ = (uint8_t) (n >> 8);
        *p++ = (uint8_t) n;
        memcpy(p, m->bytes + off, n);
        p += n;
    }

    return (size_t) (p - stream);
}


/* in pieces of so many bytes; each time in storage of exactly its size */

static result_t
feed(size_t n, size_t step)
{
    size_t     len;
    uint8_t   *copy;
    result_t   r;

    memset(&r, 0, sizeof(r));
    neon_client_hello_init(&r.h);
    r.rc = NEON_AGAIN;

    for (len = 0; r.rc == NEON_AGAIN && len < n; /* void */ ) {
        len = n - len < step ? n : len + step;

        copy = malloc(len);
        assert_non_null(copy);
        memcpy(copy, stream, len);

        r.rc = neon_client_hello_parse(&r.h, copy, len);
        r.used = len;
        free(copy);

        if (r.rc == NEON_AGAIN) {
            assert_true(r.h.need > len);
        }
    }

    return r;
}


/* only ever what is needed, as the proxy reads it */

static result_t
feed_needed(size_t n)
{
    size_t    len;
    result_t  r;

    memset(&r, 0, sizeof(r));
    neon_client_hello_init(&r.h);

    do {
        len = r.h.need;

        if (len > n) {
            r.rc = NEON_AGAIN;
            return r;
        }

        r.rc = neon_client_hello_parse(&r.h, stream, len);
        r.used = len;
    } while (r.rc == NEON_AGAIN);

    return r;
}


static void
same(const result_t *a, const result_t *b)
{
    assert_int_equal(a->rc, b->rc);

    if (a->rc == NEON_ERROR) {
        assert_string_equal(a->h.err, b->h.err);
        assert_int_equal(a->h.alert, b->h.alert);
        return;
    }

    assert_int_equal(a->h.name_len, b->h.name_len);
    assert_memory_equal(a->h.name, b->h.name, a->h.name_len);
    assert_int_equal(a->h.alpn, b->h.alpn);
    assert_int_equal(a->h.postgresql, b->h.postgresql);
}


/* whole, byte by byte and as needed */

static result_t
parse(size_t n)
{
    result_t  whole, bytes, needed;

    whole = feed(n, n);
    bytes = feed(n, 1);
    needed = feed_needed(n);

    same(&whole, &bytes);
    same(&whole, &needed);

    if (whole.rc == NEON_OK) {
        assert_int_equal(needed.used, n);
    }

    return whole;
}


static void
good_ones(void **state)
{
    size_t    i, size, n;
    hello_t   m;
    result_t  r;

    static const size_t  sizes[] = { 16384, 1, 2, 3, 4, 5, 7, 64 };

    static const struct {
        const char  *ext;
        size_t       len;
        const char  *name;
        unsigned     alpn, postgresql;
    } c[] = {
        { LIT(""), "", 0, 0 },
        { LIT(NAME), NAMED, 0, 0 },
        { LIT(OTHER NAME OTHER), NAMED, 0, 0 },
        { LIT(ALPN NAME), NAMED, 1, 1 },
        { LIT(NAME ALPN), NAMED, 1, 1 },
        { LIT(ALPN), "", 1, 1 },
        { LIT("\0\x10\0\5\0\3\2h2"), "", 1, 0 },
        { LIT("\0\x10\0\x10\0\x0e\2h2\x0apostgresql"), "", 1, 1 },
        { LIT("\0\x10\0\x10\0\x0e\x0apostgresql\2h2"), "", 1, 1 },
        { LIT("\0\x10\0\x0e\0\x0c\x0bpostgresqlx"), "", 1, 0 },
        { LIT("\0\x10\0\x0c\0\x0a\x09postgresq"), "", 1, 0 },
        { LIT("\0\x10\0\x0d\0\x0b\x0aPOSTGRESQL"), "", 1, 0 },
        { LIT("\0\0\0\6\0\4\0\0\1a"), "a", 0, 0 },
        { LIT("\x0a\x0a\0\0" NAME), NAMED, 0, 0 },
    };

    (void) state;

    for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
        for (size = 0; size < sizeof(sizes) / sizeof(sizes[0]); size++) {

            build(&m, c[i].ext, c[i].len);
            n = records(&m, sizes[size]);
            r = parse(n);

            assert_int_equal(r.rc, NEON_OK);
            assert_int_equal(r.h.name_len, strlen(c[i].name));
            assert_memory_equal(r.h.name, c[i].name, r.h.name_len);
            assert_int_equal(r.h.alpn, c[i].alpn);
            assert_int_equal(r.h.postgresql, c[i].postgresql);

            /* what is behind it is not looked at, and not waited for */

            stream[n] = 'x';
            assert_int_equal(feed(n + 1, n + 1).rc, NEON_OK);

            /* it takes all of it */

            assert_int_equal(feed(n - 1, n - 1).rc, NEON_AGAIN);
        }
    }

    /* TLS 1.2 and older need no extensions at all */

    begin(&m, LIT(BEFORE));
    finish(&m);
    r = parse(records(&m, 16384));
    assert_int_equal(r.rc, NEON_OK);
    assert_int_equal(r.h.name_len, 0);
}


static void
malformed_extensions(void **state)
{
    size_t    i;
    hello_t   m;
    result_t  r;

    static const struct {
        const char  *ext;
        size_t       len;
        unsigned     alert;
    } c[] = {
        { LIT("\0"), 50 },
        { LIT("\0\0"), 50 },
        { LIT("\0\0\0"), 50 },
        { LIT("\0\x2b\0\1"), 50 },
        { LIT("\0\x2b\xff\xff"), 50 },
        { LIT(NAME "\0"), 50 },

        { LIT("\0\0\0\0"), 47 },                    /* empty */
        { LIT("\0\0\0\2\0\0"), 47 },                /* empty list */
        { LIT("\0\0\0\5\0\3\0\0\0"), 47 },          /* empty name */
        { LIT("\0\0\0\6\0\4\1\0\1a"), 47 },         /* not a host_name */
        { LIT("\0\0\0\6\0\4\0\0\2a"), 47 },         /* name beyond list */
        { LIT("\0\0\0\6\0\3\0\0\1a"), 47 },         /* list too short */
        { LIT("\0\0\0\6\0\5\0\0\1a"), 47 },         /* list too long */
        { LIT("\0\0\0\7\0\4\0\0\1ab"), 47 },        /* behind the list */
        { LIT("\0\0\0\7\0\5\0\0\1ab"), 47 },        /* behind the name */
        { LIT("\0\0\0\x0a\0\x08\0\0\1a\0\0\1b"), 47 },  /* two names */
        { LIT("\0\0\0\6\0\4\0\0\1\0"), 112 },
        { LIT("\0\0\0\7\0\5\0\0\2a "), 112 },
        { LIT("\0\0\0\7\0\5\0\0\2a\n"), 112 },
        { LIT("\0\0\0\7\0\5\0\0\2\xc3\xa4"), 112 },
        { LIT(NAME NAME), 47 },
        { LIT(NAME "\0\0\0\6\0\4\0\0\1a"), 47 },

        { LIT("\0\x10\0\0"), 50 },
        { LIT("\0\x10\0\1\0"), 50 },
        { LIT("\0\x10\0\2\0\0"), 50 },              /* empty list */
        { LIT("\0\x10\0\3\0\1\0"), 50 },            /* empty name */
        { LIT("\0\x10\0\6\0\4\2h2\0"), 50 },
        { LIT("\0\x10\0\5\0\3\3h2"), 50 },          /* name beyond list */
        { LIT("\0\x10\0\5\0\2\2h2"), 50 },
        { LIT("\0\x10\0\5\0\4\2h2"), 50 },
        { LIT("\0\x10\0\6\0\3\2h2x"), 50 },
        { LIT(ALPN ALPN), 50 },
        { LIT("\0\x10\0\x0d\0\x0b\x0bpostgresql"), 50 },
    };

    (void) state;

    for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
        build(&m, c[i].ext, c[i].len);

        r = parse(records(&m, 16384));
        assert_int_equal(r.rc, NEON_ERROR);
        assert_int_equal(r.h.alert, c[i].alert);
        assert_non_null(r.h.err);

        r = parse(records(&m, 1));
        assert_int_equal(r.rc, NEON_ERROR);
        assert_int_equal(r.h.alert, c[i].alert);
    }
}


static void
malformed_messages(void **state)
{
    size_t    i;
    hello_t   m;
    result_t  r;

    static const struct {
        const char  *bytes;
        size_t       len;
        unsigned     alert;
    } c[] = {
        { LIT(""), 50 },
        { LIT("\3"), 50 },
        { LIT(VERSION), 50 },
        { LIT("\2\3" RANDOM SESSION CIPHERS METHODS), 70 },
        { LIT("\4\0" RANDOM SESSION CIPHERS METHODS), 70 },
        { LIT(VERSION "0123456789abcdef0123456789abcde"), 50 },
        { LIT(VERSION RANDOM), 50 },
        { LIT(VERSION RANDOM "\4ses"), 50 },
        { LIT(VERSION RANDOM "\x21" RANDOM "x" CIPHERS METHODS), 50 },
        { LIT(VERSION RANDOM SESSION "\0\0" METHODS), 50 },
        { LIT(VERSION RANDOM SESSION "\0\3abc" METHODS), 50 },
        { LIT(VERSION RANDOM SESSION "\0"), 50 },
        { LIT(VERSION RANDOM SESSION "\0\4abc"), 50 },
        { LIT(VERSION RANDOM SESSION CIPHERS), 50 },
        { LIT(VERSION RANDOM SESSION CIPHERS "\0"), 50 },
        { LIT(VERSION RANDOM SESSION CIPHERS "\2\0"), 50 },
        { LIT(BEFORE "\0"), 50 },
        { LIT(BEFORE "\0\1"), 50 },
        { LIT(BEFORE "\0\0x"), 50 },
        { LIT(BEFORE "\xff\xff"), 50 },
    };

    (void) state;

    for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
        begin(&m, c[i].bytes, c[i].len);
        finish(&m);

        r = parse(records(&m, 16384));
        assert_int_equal(r.rc, NEON_ERROR);
        assert_int_equal(r.h.alert, c[i].alert);
    }

    /* a session id of 32 bytes is the longest */

    begin(&m, LIT(VERSION RANDOM "\x20" RANDOM CIPHERS METHODS));
    finish(&m);
    assert_int_equal(parse(records(&m, 16384)).rc, NEON_OK);
}


static void
malformed_records(void **state)
{
    size_t    i, n;
    hello_t   m;
    result_t  r;

    static const struct {
        const char  *bytes;
        size_t       len;
        unsigned     alert;
        size_t       used;            /* no more than this is read */
    } c[] = {
        { LIT("GET / HTTP/1.1\r\n"), 10, 5 },
        { LIT("\0\0\0\x08\4\xd2\x16\x2f"), 10, 5 },
        { LIT("\x17\3\3\0\1x"), 10, 5 },            /* application data */
        { LIT("\x15\3\3\0\2\2\x28"), 10, 5 },       /* an alert */
        { LIT("\x14\3\3\0\1\1"), 10, 5 },
        { LIT("\x16\2\0\0\1\1"), 70, 5 },
        { LIT("\x16\4\0\0\1\1"), 70, 5 },
        { LIT("\x16\3\1\0\0"), 10, 5 },             /* empty */
        { LIT("\x16\3\1\x40\1"), 22, 5 },           /* 2^14 + 1 */
        { LIT("\x16\3\1\xff\xff"), 22, 5 },
        { LIT("\x16\3\1\0\1\2"), 10, 6 },           /* a ServerHello */
        { LIT("\x16\3\1\0\4\2\0\0\0"), 10, 9 },
        { LIT("\x16\3\1\0\4\0\0\0\0"), 10, 9 },     /* a HelloRequest */
        { LIT("\x16\3\1\x01\0\1\0\x3f\xfd"), 47, 9 },   /* too long by one */
        { LIT("\x16\3\1\0\4\1\xff\xff\xff"), 47, 9 },
        { LIT("\x16\3\1\0\1\1\x16\3\1\0\3\1\0\0"), 47, 14 },
        { LIT("\x16\3\1\0\x0a\1\0\0\5"), 10, 9 },   /* data behind it */
        { LIT("\x16\3\1\0\4\1\0\0\1\x16\3\1\0\2"), 10, 14 },
        { LIT("\x16\3\1\0\4\1\0\0\1\x17\3\1\0\1"), 10, 14 },
        { LIT("\x16\3\1\0\4\1\0\0\1\x16\3\1\0\0"), 10, 14 },
    };

    (void) state;

    for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
        memcpy(stream, c[i].bytes, c[i].len);

        r = parse(c[i].len);
        assert_int_equal(r.rc, NEON_ERROR);
        assert_int_equal(r.h.alert, c[i].alert);
        assert_int_equal(feed(c[i].len, 1).used, c[i].used);
    }

    /* 16 KiB are enough, one byte more is refused before it was read */

    begin(&m, LIT(BEFORE));
    put(&m, LIT("\0\0\0\x15\0\0"));
    memset(m.bytes + m.len, 'x', NEON_CLIENT_HELLO_MAX - m.len);
    n = NEON_CLIENT_HELLO_MAX - m.len;
    m.bytes[m.len - 2] = (uint8_t) (n >> 8);
    m.bytes[m.len - 1] = (uint8_t) n;
    m.bytes[m.len - 6] = (uint8_t) ((n + 4) >> 8);
    m.bytes[m.len - 5] = (uint8_t) (n + 4);
    m.len = NEON_CLIENT_HELLO_MAX;
    finish(&m);

    n = records(&m, 16384);
    assert_int_equal(feed(n, n).rc, NEON_OK);
    assert_int_equal(feed_needed(n).rc, NEON_OK);

    n = records(&m, 100);
    assert_int_equal(feed(n, 1000).rc, NEON_OK);

    /* but not in thousands of records */

    n = records(&m, 3);
    r = feed_needed(n);
    assert_int_equal(r.rc, NEON_ERROR);
    assert_int_equal(r.h.alert, 47);
    assert_true(r.used <= NEON_CLIENT_HELLO_RECORDS + 5);
    assert_true(n > NEON_CLIENT_HELLO_RECORDS);
}


static void
names(void **state)
{
    size_t    n;
    char      ext[512];
    hello_t   m;
    result_t  r;

    (void) state;

    for (n = 254; n <= 257; n++) {
        memset(ext, 'a', sizeof(ext));
        memcpy(ext, "\0\0\0\0\0\0\0\0\0", 9);
        ext[2] = (char) ((n + 5) >> 8);
        ext[3] = (char) (n + 5);
        ext[4] = (char) ((n + 3) >> 8);
        ext[5] = (char) (n + 3);
        ext[7] = (char) (n >> 8);
        ext[8] = (char) n;

        build(&m, ext, n + 9);
        r = parse(records(&m, 16384));

        if (n <= NEON_CLIENT_HELLO_NAME_MAX) {
            assert_int_equal(r.rc, NEON_OK);
            assert_int_equal(r.h.name_len, n);

        } else {
            assert_int_equal(r.rc, NEON_ERROR);
        }
    }
}


static void
alerts(void **state)
{
    uint8_t    buf[NEON_TLS_ALERT_SIZE];
    neon_wr_t  w;

    (void) state;

    neon_wr_init(&w, buf, sizeof(buf));
    neon_tls_alert_write(&w, NEON_TLS_UNRECOGNIZED_NAME);

    assert_int_equal(w.error, 0);
    assert_int_equal(neon_wr_len(&w), NEON_TLS_ALERT_SIZE);
    assert_memory_equal(buf, "\x15\3\3\0\2\2\x70", NEON_TLS_ALERT_SIZE);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones),
        cmocka_unit_test(malformed_extensions),
        cmocka_unit_test(malformed_messages),
        cmocka_unit_test(malformed_records),
        cmocka_unit_test(names),
        cmocka_unit_test(alerts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
