/* Failed attempts by address: who fails too often at enrolment, token or API credentials waits.
 *
 * A fixed table (no growth, whatever comes): TL_THROTTLE_SLOTS addresses, the one longest quiet makes
 * room. An IPv6 address counts by its /64. Any thread. */
#ifndef TOWLINE_SERVER_THROTTLE_H
#define TOWLINE_SERVER_THROTTLE_H

#include <stdint.h>
#include <towline/attr.h>
#include <towline/clock.h>

#define TL_THROTTLE_SLOTS 4096
#define TL_THROTTLE_WINDOW_MS 60000
#define TL_THROTTLE_FAILURES 10 /* in one window */

struct tl_throttle;

/* NULL when memory ran out. `clock` is kept. */
struct tl_throttle *tl_throttle_new(const struct tl_clock *clock);
void tl_throttle_free(struct tl_throttle *throttle);
TL_DEFINE_AUTO_PTR(tl_throttle, tl_throttle_free);

/* Counts one failure of `address`. */
void tl_throttle_failed(struct tl_throttle *throttle, const char *address);
/* Seconds `address` has to wait; 0: go on. */
unsigned tl_throttle_wait_s(struct tl_throttle *throttle, const char *address);

#endif
