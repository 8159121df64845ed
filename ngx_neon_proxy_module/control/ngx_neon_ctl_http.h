/*
 * Neon's HTTP API, in its forms "v1" and "2023".
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_CTL_HTTP_H
#define NGX_NEON_CTL_HTTP_H


#include "ngx_neon_ctl.h"


typedef enum {
    NGX_NEON_CTL_API_V1 = 0,
    NGX_NEON_CTL_API_2023
} ngx_neon_ctl_api_e;


/* ngx_neon_conf_t.ctl_conf of `control_plane http://...` */

typedef struct {
    ngx_str_t                  url;           /* without a final slash */
    ngx_neon_ctl_api_e         api;
    ngx_str_t                  token;         /* empty: no Authorization */
    ngx_msec_t                 connect_timeout;
    ngx_msec_t                 request_timeout;

    ngx_str_t                  authorization; /* header; filled by init */
} ngx_neon_ctl_http_conf_t;


/* the URL's directive: NGX_CONF_OK or NGX_CONF_ERROR */
char *ngx_neon_ctl_http_directive(ngx_conf_t *cf,
    ngx_neon_ctl_http_conf_t *hconf);


#endif /* NGX_NEON_CTL_HTTP_H */
