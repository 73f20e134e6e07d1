/* The host's access token: obtained with a signed assertion (RFC 7523), kept, and renewed before it ends;
 * and the relay's clock, which is learnt on the way. Part of tl_relay. Loop thread only. */
#ifndef TOWLINE_AGENT_ACCESS_H
#define TOWLINE_AGENT_ACCESS_H

#include "core/multi.h"
#include "core/relay.h"

#define TL_ACCESS_WAITERS_MAX 16

struct tl_access;

struct tl_access_options {
	const struct tl_relay_options *relay; /* borrowed, as the rest */
	struct tl_multi *multi;
	/* A fetch has ended; `failure` is NULL when there is a token now. After the waiters were told. */
	void (*on_outcome)(void *arg, const struct tl_reply *failure);
	void *arg;
};

/* NULL when memory ran out. */
struct tl_access *tl_access_new(const struct tl_access_options *options);
/* NULL while there is none that is good for another two minutes. */
const char *tl_access_token(const struct tl_access *access);
/* The relay has refused it. */
void tl_access_drop(struct tl_access *access);
/* Fetches one, unless a fetch is under way. Not within libcurl's callbacks. */
void tl_access_fetch(struct tl_access *access);
/* Adds one who is told the next outcome; TL_EBUSY when too many wait. */
TL_MUST_CHECK int tl_access_wait(struct tl_access *access, tl_relay_token *on_token, void *arg,
				 struct tl_err *err);
/* Somebody waits. */
bool tl_access_is_wanted(const struct tl_access *access);
/* True when the exchange was a fetch's: its answer is taken, and on_outcome called. */
bool tl_access_take(struct tl_access *access, const struct tl_exchange *exchange, CURLcode code);

/* As in core/relay.h. */
int64_t tl_access_offset_ms(const struct tl_access *access);
int64_t tl_access_now_ms(const struct tl_access *access);
void tl_access_note_time(struct tl_access *access, const char *relay_time);

/* Ends a fetch that is under way; who waits is told. Before the multi is closed. */
void tl_access_free(struct tl_access *access);

#endif
