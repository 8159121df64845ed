/*
 * The version of the module.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_VERSION_H
#define NGX_NEON_VERSION_H


#define NGX_NEON_VERSION  "0.1.0"


#endif /* NGX_NEON_VERSION_H */
