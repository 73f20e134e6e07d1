/* libcurl as every program of ours uses it: HTTPS alone, TLS 1.2 or newer, the peer verified, sockets
 * that no child inherits. What differs (timeouts, headers, bodies) each caller sets after this. */
#ifndef TOWLINE_HTTPS_H
#define TOWLINE_HTTPS_H

#include <curl/curl.h>
#include <towline/attr.h>
#include <towline/err.h>

/* Only the CA in `ca_file` is trusted; NULL: the system's. `proxy` NULL or "": what the environment
 * says. TL_ENOMEM, also when `curl` is NULL. The thread that owns `curl`. */
TL_MUST_CHECK int tl_https_prepare(CURL *curl, const char *ca_file, const char *proxy,
				   struct tl_err *err);

#endif
