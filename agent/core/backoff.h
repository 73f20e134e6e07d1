/* When to try again: full jitter (a uniform draw from 0 to the cap of the attempt), 1 s doubling to
 * 60 s, never sooner than the peer asked. Pure: no timer, no clock of its own. */
#ifndef TOWLINE_AGENT_BACKOFF_H
#define TOWLINE_AGENT_BACKOFF_H

#include <stdint.h>

#define TL_BACKOFF_FIRST_MS 1000
#define TL_BACKOFF_LAST_MS 60000
#define TL_BACKOFF_ASKED_MAX_MS (15 * 60 * 1000) /* longest wait that a peer may impose */

struct tl_backoff {
	unsigned attempt;
	int64_t asked_ms; /* the peer's Retry-After: a lower bound for the next wait, used once */
};

/* After success. */
void tl_backoff_reset(struct tl_backoff *backoff);
/* Notes what the peer asked for; the longer of several counts. */
void tl_backoff_ask(struct tl_backoff *backoff, int64_t after_ms);
/* The next wait in milliseconds. `random` is uniform over all values. */
int64_t tl_backoff_next(struct tl_backoff *backoff, uint32_t random);
/* The same with the kernel's randomness. */
int64_t tl_backoff_draw(struct tl_backoff *backoff);

#endif
