/*
 * The table of reasons: what a client is told, what the log says, whose fault
 * it is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include "ngx_neon_reason.h"


#define NGX_NEON_HINT_CONTROL                                                 \
    "The endpoint may be starting or under maintenance. Try again later."

#define NGX_NEON_HINT_PASSWORD                                                \
    "Check the user name, the password and the name of the endpoint."


static const ngx_neon_reason_t  ngx_neon_reasons[NGX_NEON_REASONS] = {

    [NGX_NEON_REASON_NONE] = {
        .name = ngx_string("none"),
        .sqlstate = "",
        .message = "",
        .status = 200,
        .level = NGX_LOG_INFO,
        .silent = 1
    },

    [NGX_NEON_REASON_CANCEL] = {
        .name = ngx_string("cancel"),
        .sqlstate = "",
        .message = "cancel request",
        .status = 200,
        .level = NGX_LOG_INFO,
        .silent = 1
    },

    [NGX_NEON_REASON_CLIENT_GONE] = {
        .name = ngx_string("client_gone"),
        .sqlstate = "",
        .message = "client closed the connection before it was logged in",
        .status = 400,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT,
        .silent = 1
    },

    [NGX_NEON_REASON_CLIENT_RESET] = {
        .name = ngx_string("client_reset"),
        .sqlstate = "",
        .message = "connection to the client was lost",
        .status = 400,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT,
        .silent = 1
    },

    [NGX_NEON_REASON_CLIENT_TIMEOUT] = {
        .name = ngx_string("client_timeout"),
        .sqlstate = "57014",
        .message = "canceling authentication due to timeout",
        .hint = "The client took too long to log in.",
        .status = 408,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT,
        .retryable = 1
    },

    [NGX_NEON_REASON_CONFIRM_TIMEOUT] = {
        .name = ngx_string("confirm_timeout"),
        .sqlstate = "57014",
        .message = "Disconnected due to inactivity.",
        .hint = "Connect again, and visit the address that is shown then.",
        .status = 408,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT,
        .retryable = 1
    },

    [NGX_NEON_REASON_PROTOCOL] = {
        .name = ngx_string("protocol"),
        .sqlstate = "08P01",
        .message = "malformed message",
        .hint = "Connect with a PostgreSQL client, and with nothing between"
                " that changes its messages.",
        .status = 400,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT
    },

    [NGX_NEON_REASON_VERSION] = {
        .name = ngx_string("version"),
        .sqlstate = "0A000",
        .message = "unsupported frontend protocol",
        .hint = "Protocol versions 3.0 and 3.2 are supported.",
        .status = 400,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT
    },

    [NGX_NEON_REASON_TLS_REQUIRED] = {
        .name = ngx_string("tls_required"),
        .sqlstate = "28000",
        .message = "connection is insecure (try using `sslmode=require`)",
        .hint = "This server accepts encrypted connections only.",
        .status = 403,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT
    },

    [NGX_NEON_REASON_WEBSOCKET_INSECURE] = {
        .name = ngx_string("websocket_insecure"),
        .sqlstate = "28000",
        .message = "connection is insecure: passwords are not accepted on a"
                   " WebSocket without TLS",
        .hint = "Connect with wss://, or set \"websocket_insecure on\" in the"
                " proxy's configuration for development.",
        .status = 403,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT
    },

    [NGX_NEON_REASON_TLS_FAILED] = {
        .name = ngx_string("tls_failed"),
        .sqlstate = "",
        .message = "TLS handshake with the client failed",
        .status = 400,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT,
        .silent = 1
    },

    [NGX_NEON_REASON_TLS_CERTIFICATE] = {
        .name = ngx_string("tls_certificate"),
        .sqlstate = "28000",
        .message = "connection requires a valid client certificate",
        .hint = "Connect with a certificate that this server trusts"
                " (sslcert and sslkey).",
        .status = 403,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT
    },

    [NGX_NEON_REASON_TLS_ALPN] = {
        .name = ngx_string("tls_alpn"),
        .sqlstate = "08P01",
        .message = "direct TLS connection without ALPN protocol"
                   " \"postgresql\"",
        .hint = "Use sslnegotiation=postgres, or a client that offers ALPN.",
        .status = 400,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT
    },

    [NGX_NEON_REASON_USER_MISSING] = {
        .name = ngx_string("user_missing"),
        .sqlstate = "28000",
        .message = "no PostgreSQL user name specified in startup packet",
        .hint = "Name the user to log in as.",
        .status = 400,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT
    },

    [NGX_NEON_REASON_ENDPOINT_MISSING] = {
        .name = ngx_string("endpoint_missing"),
        .sqlstate = "28000",
        .message = "Endpoint ID is not specified.",
        .hint = "Connect to the endpoint's own host name, with TLS and SNI or"
                " over WebSocket, or pass the endpoint ID (first part of that"
                " name) as a parameter: '?options=endpoint%3D<endpoint-id>'.",
        .status = 400,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT
    },

    [NGX_NEON_REASON_ENDPOINT_MISMATCH] = {
        .name = ngx_string("endpoint_mismatch"),
        .sqlstate = "28000",
        .message = "Inconsistent project name inferred from SNI and project"
                   " option.",
        .hint = "Give the endpoint once, or the same name in both places.",
        .status = 400,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT
    },

    [NGX_NEON_REASON_ENDPOINT_INVALID] = {
        .name = ngx_string("endpoint_invalid"),
        .sqlstate = "28000",
        .message = "Project name must contain only alphanumeric characters"
                   " and hyphen.",
        .hint = "Correct the host name, or the name behind endpoint=.",
        .status = 400,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT
    },

    [NGX_NEON_REASON_PASSWORD] = {
        .name = ngx_string("password"),
        .sqlstate = "28P01",
        .message = "password authentication failed",
        .hint = NGX_NEON_HINT_PASSWORD,
        .status = 401,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT
    },

    [NGX_NEON_REASON_SASL] = {
        .name = ngx_string("sasl"),
        .sqlstate = "08P01",
        .message = "malformed SCRAM message",
        .hint = "A client that can do SCRAM-SHA-256 is needed.",
        .status = 400,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT
    },

    [NGX_NEON_REASON_CHANNEL_BINDING] = {
        .name = ngx_string("channel_binding"),
        .sqlstate = "28000",
        .message = "SCRAM channel binding check failed",
        .hint = "Something between the client and this server terminates"
                " TLS, or the client refused channel binding.",
        .status = 403,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT
    },

    [NGX_NEON_REASON_ADDRESS] = {
        .name = ngx_string("address"),
        .sqlstate = "28000",
        .message = "This IP address is not allowed to connect to this"
                   " endpoint.",
        .hint = "Add the address to the endpoint's allowed list. Check for"
                " IPv4 and IPv6 addresses.",
        .status = 403,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT
    },

    [NGX_NEON_REASON_NETWORK_BLOCKED] = {
        .name = ngx_string("network_blocked"),
        .sqlstate = "28000",
        .message = "This connection is trying to access this endpoint from a"
                   " blocked network.",
        .hint = "Connect from a network that the endpoint allows.",
        .status = 403,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT
    },

    [NGX_NEON_REASON_VPC_MISSING] = {
        .name = ngx_string("vpc_missing"),
        .sqlstate = "28000",
        .message = "VPC endpoint ID is not specified. This endpoint requires"
                   " a VPC endpoint ID to connect.",
        .hint = "Connect through a private link. The balancer in front of"
                " this server has to name it in PROXY protocol version 2.",
        .status = 403,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT
    },

    [NGX_NEON_REASON_VPC] = {
        .name = ngx_string("vpc"),
        .sqlstate = "28000",
        .message = "This VPC endpoint id is not allowed to connect to this"
                   " endpoint.",
        .hint = "Add the VPC endpoint id to the endpoint's allowed list.",
        .status = 403,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT
    },

    [NGX_NEON_REASON_RATE_LIMIT] = {
        .name = ngx_string("rate_limit"),
        .sqlstate = "53300",
        .message = "Too many connections to this endpoint. Please try again"
                   " later.",
        .hint = "Connect less often, and keep connections open for more than"
                " one transaction.",
        .status = 429,
        .level = NGX_LOG_WARN,
        .fault = NGX_NEON_FAULT_CLIENT,
        .retryable = 1
    },

    [NGX_NEON_REASON_CONTROL_PLANE] = {
        .name = ngx_string("control_plane"),
        .sqlstate = "57P03",
        .message = "Control plane request failed",
        .hint = "The control plane cannot be reached or did not answer as"
                " expected. Try again later.",
        .status = 503,
        .level = NGX_LOG_ERR,
        .fault = NGX_NEON_FAULT_CONTROL,
        .retryable = 1
    },

    [NGX_NEON_REASON_ENDPOINT_UNKNOWN] = {
        .name = ngx_string("endpoint_unknown"),
        .sqlstate = "28P01",
        .message = "Control plane request failed: endpoint cannot be found",
        .hint = "The endpoint may have been deleted. Check its name.",
        .status = 404,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT
    },

    [NGX_NEON_REASON_ENDPOINT_DISABLED] = {
        .name = ngx_string("endpoint_disabled"),
        .sqlstate = "57P03",
        .message = "Control plane request failed: endpoint is disabled",
        .hint = "Enable the endpoint, then connect again.",
        .status = 403,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT
    },

    [NGX_NEON_REASON_ROLE_PROTECTED] = {
        .name = ngx_string("role_protected"),
        .sqlstate = "28000",
        .message = "Control plane request failed: role is protected",
        .hint = "Log in as another role.",
        .status = 403,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT
    },

    [NGX_NEON_REASON_QUOTA] = {
        .name = ngx_string("quota"),
        .sqlstate = "53400",
        .message = "Control plane request failed: endpoint is temporarily"
                   " unavailable. Check your quotas and/or contact our"
                   " support.",
        .hint = "Raise the quota, or wait until it is renewed.",
        .status = 402,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_CLIENT
    },

    [NGX_NEON_REASON_CONTROL_RATE_LIMIT] = {
        .name = ngx_string("control_rate_limit"),
        .sqlstate = "53300",
        .message = "Too many connections to this endpoint. Please try again"
                   " later.",
        .hint = "Connect less often, and try again later.",
        .status = 429,
        .level = NGX_LOG_WARN,
        .fault = NGX_NEON_FAULT_CONTROL,
        .retryable = 1
    },

    [NGX_NEON_REASON_MAINTENANCE] = {
        .name = ngx_string("maintenance"),
        .sqlstate = "57P03",
        .message = "Control plane request failed",
        .hint = NGX_NEON_HINT_CONTROL,
        .status = 503,
        .level = NGX_LOG_WARN,
        .fault = NGX_NEON_FAULT_CONTROL,
        .retryable = 1
    },

    [NGX_NEON_REASON_WAKE_TIMEOUT] = {
        .name = ngx_string("wake_timeout"),
        .sqlstate = "57P03",
        .message = "the endpoint did not become ready in time",
        .hint = NGX_NEON_HINT_CONTROL,
        .status = 503,
        .level = NGX_LOG_ERR,
        .fault = NGX_NEON_FAULT_CONTROL,
        .retryable = 1
    },

    [NGX_NEON_REASON_COMPUTE_UNREACHABLE] = {
        .name = ngx_string("compute_unreachable"),
        .sqlstate = "08006",
        .message = "Couldn't connect to compute node",
        .hint = "The compute may be starting or was just stopped. Try again"
                " later.",
        .status = 502,
        .level = NGX_LOG_ERR,
        .fault = NGX_NEON_FAULT_COMPUTE,
        .retryable = 1
    },

    [NGX_NEON_REASON_TUNNEL] = {
        .name = ngx_string("tunnel"),
        .sqlstate = "08006",
        .message = "connection to server failed",
        .hint = "Is a server running at that address, and does it accept"
                " connections from this proxy?",
        .status = 502,
        .level = NGX_LOG_ERR,
        .fault = NGX_NEON_FAULT_COMPUTE,
        .retryable = 1
    },

    [NGX_NEON_REASON_COMPUTE_TLS] = {
        .name = ngx_string("compute_tls"),
        .sqlstate = "08006",
        .message = "Couldn't connect to compute node: TLS failed",
        .hint = "The compute's certificate or TLS settings do not fit those"
                " of the proxy; its error log says how.",
        .status = 502,
        .level = NGX_LOG_ERR,
        .fault = NGX_NEON_FAULT_COMPUTE
    },

    [NGX_NEON_REASON_COMPUTE_AUTH] = {
        .name = ngx_string("compute_auth"),
        .sqlstate = "08006",
        .message = "Couldn't log in to compute node",
        .hint = "The compute's authentication method does not fit the way in"
                " which the client has logged in, or the control plane's"
                " password verifier.",
        .status = 502,
        .level = NGX_LOG_ERR,
        .fault = NGX_NEON_FAULT_COMPUTE
    },

    /* PostgreSQL makes no difference between an expired and a wrong one */

    [NGX_NEON_REASON_COMPUTE_PASSWORD] = {
        .name = ngx_string("compute_password"),
        .sqlstate = "28P01",
        .message = "password authentication failed",
        .hint = NGX_NEON_HINT_PASSWORD,
        .status = 401,
        .level = NGX_LOG_ERR,
        .fault = NGX_NEON_FAULT_COMPUTE
    },

    [NGX_NEON_REASON_COMPUTE_PROTOCOL] = {
        .name = ngx_string("compute_protocol"),
        .sqlstate = "08006",
        .message = "Couldn't log in to compute node: malformed message",
        .hint = "The compute's address may lead to something else than"
                " PostgreSQL; the error log of the proxy says more.",
        .status = 502,
        .level = NGX_LOG_ERR,
        .fault = NGX_NEON_FAULT_COMPUTE
    },

    [NGX_NEON_REASON_COMPUTE_LOGIN_TIMEOUT] = {
        .name = ngx_string("compute_login_timeout"),
        .sqlstate = "08006",
        .message = "Couldn't log in to compute node: timeout",
        .hint = "The compute accepted the connection but did not finish the"
                " login in time. Try again later.",
        .status = 504,
        .level = NGX_LOG_ERR,
        .fault = NGX_NEON_FAULT_COMPUTE,
        .retryable = 1
    },

    [NGX_NEON_REASON_COMPUTE_ERROR] = {
        .name = ngx_string("compute_error"),
        .sqlstate = "",
        .message = "compute refused the login",
        .status = 502,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_COMPUTE,
        .silent = 1
    },

    [NGX_NEON_REASON_COMPUTE_RESET] = {
        .name = ngx_string("compute_reset"),
        .sqlstate = "",
        .message = "connection to the compute was lost",
        .status = 502,
        .level = NGX_LOG_ERR,
        .fault = NGX_NEON_FAULT_COMPUTE,
        .silent = 1
    },

    [NGX_NEON_REASON_BUSY] = {
        .name = ngx_string("busy"),
        .sqlstate = "53300",
        .message = "sorry, too many clients already",
        .hint = "The proxy is at its limit. Try again later.",
        .status = 503,
        .level = NGX_LOG_ERR,
        .fault = NGX_NEON_FAULT_PROXY,
        .retryable = 1
    },

    [NGX_NEON_REASON_SHUTDOWN] = {
        .name = ngx_string("shutdown"),
        .sqlstate = "57P01",
        .message = "terminating connection due to administrator command",
        .hint = "The proxy is restarting. Connect again.",
        .status = 503,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_PROXY,
        .retryable = 1
    },

    [NGX_NEON_REASON_DRAINED] = {
        .name = ngx_string("drained"),
        .sqlstate = "57P01",
        .message = "terminating connection due to administrator command",
        .hint = "The proxy is restarting and the session was idle."
                " Connect again.",
        .status = 503,
        .level = NGX_LOG_INFO,
        .fault = NGX_NEON_FAULT_NOBODY,
        .retryable = 1
    },

    [NGX_NEON_REASON_INTERNAL] = {
        .name = ngx_string("internal"),
        .sqlstate = "XX000",
        .message = "internal error",
        .hint = "The error log of the proxy says more.",
        .status = 500,
        .level = NGX_LOG_ERR,
        .fault = NGX_NEON_FAULT_PROXY
    }
};


const ngx_neon_reason_t *
ngx_neon_reason(ngx_neon_reason_e reason)
{
    return &ngx_neon_reasons[reason];
}
