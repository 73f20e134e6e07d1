/* Calling home (RFC 8071): TLS to the relay, through a proxy where there is one, then an HTTP/1.1
 * upgrade; afterwards the stream belongs to SSH. One thread. */
#ifndef TOWLINE_SESSION_DIAL_H
#define TOWLINE_SESSION_DIAL_H

#include <curl/curl.h>
#include <stdatomic.h>
#include <towline/buf.h>
#include <towline/line.h>

#include "session/request.h"

#define TL_DIAL_TIMEOUT_MS 30000
#define TL_DIAL_REST_MAX ((size_t)64 * 1024)

struct tl_dial_ask {
	const char *access_token;
	struct tl_line_hello hello; /* without a token: for a new stream */
	int64_t timeout_ms;
	const atomic_bool *cancelled; /* looked at now and then; NULL: never cancelled */
};

struct tl_dialled {
	CURL *curl;	    /* connected and upgraded; the caller's to clean up */
	struct tl_buf rest; /* bytes that came behind the response */
	bool is_line;	    /* the relay speaks in frames, and said: */
	struct tl_line_hello hello;
};
void tl_dialled_clear(struct tl_dialled *dialled);
TL_DEFINE_AUTO(tl_dialled, tl_dialled_clear);

/* Blocking. TL_EAUTH, TL_EDENIED, or TL_EBUSY, TL_EUNREACH, TL_ETIMEOUT, after which another try may
 * help; with the relay's answer. */
TL_MUST_CHECK int tl_dial(const struct tl_session_request *request, const struct tl_dial_ask *ask,
			  struct tl_dialled *ret_dialled, struct tl_err *err);

#endif
