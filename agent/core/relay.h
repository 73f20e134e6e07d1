/* The relay, as the daemon's activities see it: authenticated calls on the event loop.
 *
 * A call waits for an access token where there is none, runs, and is repeated once when the relay
 * refuses the token. The token is obtained by a signed assertion (RFC 7523); a clock that differs from
 * the relay's is corrected for and shown by tl_relay_offset_ms. Retrying beyond that is the caller's
 * business. Loop thread only. */
#ifndef TOWLINE_AGENT_RELAY_H
#define TOWLINE_AGENT_RELAY_H

#include <towline/clock.h>
#include <uv.h>

#include "core/exchange.h"
#include "core/identity.h"

struct tl_relay; /* opaque */
struct tl_call;	 /* one call under way */

struct tl_relay_options {
	uv_loop_t *loop;
	const struct tl_identity *identity; /* borrowed, as the rest */
	const struct tl_key *key;
	const char *ca_file;
	const char *proxy; /* "" or NULL: the environment's */
	const struct tl_clock *clock;
};

TL_MUST_CHECK int tl_relay_new(const struct tl_relay_options *options, struct tl_relay **ret_relay,
			       struct tl_err *err);

/* Called once for each call that was not cancelled; the call is gone when it returns. */
typedef void tl_relay_done(void *arg, const struct tl_reply *reply);

struct tl_call_spec {
	const char *method;
	const char *path; /* below the relay's URL, or a URL of that relay (a tus Location) */
	const json_t
		*json; /* the body; NULL: none. Borrowed during the call of tl_relay_call only */
	const char *const *headers; /* copied */
	const char *content_type;   /* of a file body */
	int file_fd;		    /* used when file_len > 0; borrowed until done */
	int64_t file_offset, file_len;
	int64_t timeout_ms; /* 0: none */
	tl_exchange_data *on_data;
	void *data_arg;
	tl_relay_done *on_done;
	void *arg;
};

#define TL_CALL_HEADERS_MAX 8

/* Starts a call. NULL when memory ran out: on_done will then not be called. */
struct tl_call *tl_relay_call(struct tl_relay *relay, const struct tl_call_spec *spec);
/* on_done will not be called. NULL is allowed. */
void tl_call_cancel(struct tl_call *call);

/* Passes on an access token that is valid for another two minutes at least, or NULL and why. */
typedef void tl_relay_token(void *arg, const char *token, const struct tl_err *err);
void tl_relay_get_token(struct tl_relay *relay, tl_relay_token *on_token, void *arg);

/* The relay's clock minus ours, milliseconds; 0 while unknown. */
int64_t tl_relay_offset_ms(const struct tl_relay *relay);
/* Notes the relay's time (RFC 3339), as told by the stream. */
void tl_relay_note_time(struct tl_relay *relay, const char *relay_time);
/* Our wall clock, corrected. */
int64_t tl_relay_now_ms(const struct tl_relay *relay);
const struct tl_identity *tl_relay_identity(const struct tl_relay *relay);
const struct tl_key *tl_relay_key(const struct tl_relay *relay);

/* Cancels every call and closes; memory goes once the loop has closed the handles. */
void tl_relay_close(struct tl_relay *relay);

#endif
