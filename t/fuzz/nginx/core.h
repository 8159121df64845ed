/*
 * As much of nginx's core as its functions need that know no server.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_FUZZ_CORE_H
#define NEON_FUZZ_CORE_H


#include <ngx_config.h>
#include <ngx_core.h>

#include <stdlib.h>


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* the log, which nobody reads, but whose lines are made; the first call
   prepares the rest */
ngx_log_t *core_log(void);

/* for what reads configuration; a new pool in it */
void core_conf(ngx_conf_t *cf);

void core_check(int ok);


#endif /* NEON_FUZZ_CORE_H */
