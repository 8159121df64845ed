/*
 * Bounded cursors over caller's memory: the only way wire/ reads and writes
 * bytes.  Integers are big-endian, as everywhere in the PostgreSQL protocol.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_BUF_H
#define NEON_BUF_H


#include <stddef.h>
#include <stdint.h>
#include <string.h>


/*
 * What every parser and builder of wire/ answers.  NEON_AGAIN: the bytes so
 * far are a valid beginning, give more.  NEON_ERROR: malformed, or the
 * caller's storage is too small; nothing was written that may be used.
 */

typedef enum {
    NEON_OK = 0,
    NEON_AGAIN,
    NEON_ERROR
} neon_rc_e;


/* bytes of somebody else, not NUL-terminated unless said; data may be NULL */

typedef struct {
    const uint8_t  *data;
    size_t          len;
} neon_str_t;


/*
 * Reader: a read past the end sets `error` and yields zero or the empty
 * string, so that a caller may test `error` once after several reads.
 */

typedef struct {
    const uint8_t  *pos;
    const uint8_t  *last;
    unsigned        error;
} neon_rd_t;


/* Writer: a write past the end sets `error` and writes nothing more. */

typedef struct {
    uint8_t        *start;
    uint8_t        *pos;
    uint8_t        *end;
    unsigned        error;
} neon_wr_t;


#define neon_string(s)  { (const uint8_t *) (s), sizeof(s) - 1 }
#define neon_null_str   { NULL, 0 }


neon_str_t neon_str(const void *data, size_t len);
int neon_str_eq(neon_str_t a, neon_str_t b);
int neon_str_eqz(neon_str_t a, const char *z);

/* a decimal number up to max as it is written: no sign, no leading zero */
neon_rc_e neon_str_number(uint32_t *n, neon_str_t text, uint32_t max);

void neon_rd_init(neon_rd_t *r, const void *data, size_t len);
size_t neon_rd_left(const neon_rd_t *r);
uint8_t neon_rd_u8(neon_rd_t *r);
uint16_t neon_rd_u16(neon_rd_t *r);
uint32_t neon_rd_u32(neon_rd_t *r);
neon_str_t neon_rd_bytes(neon_rd_t *r, size_t n);

/* up to the next NUL, which is consumed and not part of the result */
neon_str_t neon_rd_cstr(neon_rd_t *r);

void neon_wr_init(neon_wr_t *w, void *start, size_t size);
size_t neon_wr_len(const neon_wr_t *w);
void neon_wr_u8(neon_wr_t *w, uint8_t v);
void neon_wr_u16(neon_wr_t *w, uint16_t v);
void neon_wr_u32(neon_wr_t *w, uint32_t v);
void neon_wr_bytes(neon_wr_t *w, const void *data, size_t n);
void neon_wr_str(neon_wr_t *w, neon_str_t s);
void neon_wr_z(neon_wr_t *w, const char *z);

/* the string and a NUL; a string that holds a NUL sets `error` */
void neon_wr_cstr(neon_wr_t *w, neon_str_t s);

/*
 * A message: begin writes the tag and room for the length (tag 0: a startup
 * packet, which has no tag), end fills the length in.
 */
uint8_t *neon_wr_begin(neon_wr_t *w, uint8_t tag);
void neon_wr_end(neon_wr_t *w, uint8_t *begin);


#endif /* NEON_BUF_H */
