/* Carries the bytes between the dialled stream and the SSH server's descriptor. Where the relay agrees it
 * outlives the connection: when that breaks, it calls again and goes on where it was, without either side
 * of SSH noticing (towline/line.h). Loop thread only. */
#ifndef TOWLINE_SESSION_CARRIER_H
#define TOWLINE_SESSION_CARRIER_H

#include <towline/clock.h>
#include <uv.h>

#include "session/dial.h"

#define TL_CARRIER_DIAL_MS 10000  /* a call that goes on with the stream */
#define TL_CARRIER_LINGER_MS 3000 /* for the last bytes */

struct tl_carrier;

struct tl_carrier_config {
	const struct tl_session_request *request; /* borrowed until the loop has ended */
	const struct tl_clock *clock;
	/* It is over; `sentence` says why, NULL when the relay simply ended the stream. */
	void (*on_end)(void *arg, const char *sentence);
	void *arg;
};

/* Takes over what was dialled and `fd` (non-blocking), also on failure. */
TL_MUST_CHECK int tl_carrier_start(uv_loop_t *loop, struct tl_dialled *dialled, int fd,
				   const struct tl_carrier_config *config,
				   struct tl_carrier **ret_carrier, struct tl_err *err);
/* The host's access token from now on. */
void tl_carrier_token(struct tl_carrier *carrier, const char *access_token);
/* Sends what is queued, for a moment, and frees it. No callback follows. */
void tl_carrier_free(struct tl_carrier *carrier);

#endif
