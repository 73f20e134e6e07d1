/* Calling home (RFC 8071): TLS to the relay, through a proxy where there is one, then an HTTP/1.1
 * upgrade; afterwards the stream belongs to SSH. One thread. */
#ifndef TOWLINE_SESSION_DIAL_H
#define TOWLINE_SESSION_DIAL_H

#include <curl/curl.h>
#include <towline/buf.h>
#include <uv.h>

#include "session/request.h"

#define TL_DIAL_TIMEOUT_MS 30000

/* Blocking, up to TL_DIAL_TIMEOUT_MS. *ret_curl is connected and upgraded; bytes that came behind the
 * response stand in `rest`. TL_EAUTH, TL_EDENIED or TL_EUNREACH with the relay's answer. */
TL_MUST_CHECK int tl_dial(const struct tl_session_request *request, CURL **ret_curl,
			  struct tl_buf *rest, struct tl_err *err);

/* Carries bytes between the dialled stream and `fd` (non-blocking, taken over) until either ends, then
 * closes both and calls on_end. */
struct tl_carrier;
TL_MUST_CHECK int tl_carrier_start(uv_loop_t *loop, CURL *curl, int fd, const struct tl_buf *rest,
				   void (*on_end)(void *arg), void *arg,
				   struct tl_carrier **ret_carrier, struct tl_err *err);
/* Sends what is queued, for a moment, and frees it. No callback follows. */
void tl_carrier_free(struct tl_carrier *carrier);

#endif
