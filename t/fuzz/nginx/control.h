/*
 * A control plane for the fuzzer, of Neon's HTTP API: requests stop short of
 * libcurl, and are answered by the input.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_FUZZ_CONTROL_H
#define NEON_FUZZ_CONTROL_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "neon_buf.h"


/* the oldest request: this status (0: the connection fails) and this body */
void control_answer(ngx_uint_t status, neon_str_t body);

/* the same with what a good answer has, and these members behind that */
void control_answer_good(neon_str_t members);

/* nobody answers those that wait, and spans are taken; how many they were */
ngx_uint_t control_end(void);


#endif /* NEON_FUZZ_CONTROL_H */
