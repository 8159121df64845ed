/*
 * What an ErrorResponse during the login says of the compute.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_enter.h"


/*
 * SQLSTATEs of a login that say nothing against the compute: the user's own
 * faults, and a compute that is full.
 */

static const char  *ngx_neon_login_final[] = {
    "28P01", "28000",                   /* the password, pg_hba.conf */
    "3D000", "3F000", "42704",          /* no such database, schema, object */
    "42501", "42601", "22023",          /* privilege, options */
    "53300", "53200", "53400",
    "40001", "0A000",
    NULL
};


/*
 * Which errors before AuthenticationOk are worth one more wake-up: those that
 * are neither the user's nor the state of a healthy compute.
 */

ngx_neon_failure_e
ngx_neon_login_failure(neon_pg_error_t *e, ngx_uint_t *again)
{
    ngx_uint_t  i;

    *again = 1;

    /* cannot_connect_now: starting up, in recovery */

    if (neon_str_eqz(e->sqlstate, "57P03")) {
        return NGX_NEON_FAILURE_STARTING;
    }

    for (i = 0; ngx_neon_login_final[i]; i++) {
        if (neon_str_eqz(e->sqlstate, ngx_neon_login_final[i])) {
            *again = 0;
            break;
        }
    }

    /* pgbouncer is full; ngx_strlcasestrn() of nothing reads at NULL */

    if (neon_str_eqz(e->sqlstate, "08P01")
        && e->message.len
        && ngx_strlcasestrn((u_char *) e->message.data,
                            (u_char *) e->message.data + e->message.len,
                            (u_char *) "no more connections allowed", 26)
           != NULL)
    {
        *again = 0;
    }

    return NGX_NEON_FAILURE_FINAL;
}
