/*
 * Memory that is not there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NEON_FUZZ_LACK_H
#define NEON_FUZZ_LACK_H


#include <ngx_config.h>
#include <ngx_core.h>


/* the n-th allocation from now on fails, of nginx, of the module or in the
   zone, and no other one; 0: none */
void lack(ngx_uint_t n);


#endif /* NEON_FUZZ_LACK_H */
