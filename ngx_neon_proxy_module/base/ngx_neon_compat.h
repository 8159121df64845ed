/*
 * The only place with nginx version guards: nginx 1.22.1 to mainline.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef NGX_NEON_COMPAT_H
#define NGX_NEON_COMPAT_H


#include <ngx_config.h>
#include <ngx_core.h>


#if (nginx_version < 1022001)
#error ngx_neon_proxy_module needs nginx 1.22.1 or newer
#endif


/*
 * Before 1.25.5 the stream ssl module builds the SSL_CTX of a server only for
 * "listen ... ssl"; later wherever there are certificates.
 */

#define NGX_NEON_STREAM_SSL_BY_LISTEN  (nginx_version < 1025005)

#if (NGX_NEON_STREAM_SSL_BY_LISTEN)
#define ngx_neon_stream_ssl_conf_t     ngx_stream_ssl_conf_t
#else
#define ngx_neon_stream_ssl_conf_t     ngx_stream_ssl_srv_conf_t
#endif


/* Since 1.25.5 servers share a port by name, as in http. */

#define NGX_NEON_STREAM_VIRTUAL_SERVERS  (nginx_version >= 1025005)


/* Before 1.23.2 the core drops the TLVs of a PROXY header. */

#define NGX_NEON_PROXY_PROTOCOL_TLVS   (nginx_version >= 1023002)


#endif /* NGX_NEON_COMPAT_H */
