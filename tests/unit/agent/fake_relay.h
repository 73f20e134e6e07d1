/* A relay and a clock that the test plays: calls are recorded and answered by hand, and timers fire when
 * the test says so. Link with WRAP ${FAKE_RELAY}. */
#ifndef TESTS_UNIT_AGENT_FAKE_RELAY_H
#define TESTS_UNIT_AGENT_FAKE_RELAY_H

#include "core/relay.h"

struct fake_relay {
	unsigned calls;		  /* so far */
	struct tl_call_spec open; /* the call that waits for its answer; method NULL: none */
	char path[256], headers[1024], body[2048];
	unsigned cancelled;
	uv_timer_t *timer; /* armed last; NULL: none is */
	uv_timer_cb on_timer;
	uint64_t timer_ms;
	char told_time[64]; /* by tl_relay_note_time */
};

extern struct fake_relay fake;

void fake_reset(void);
/* Answers the open call. */
void fake_answer(struct tl_reply reply);
/* Bytes of the open call's streamed body; gives what the receiver gives. */
bool fake_feed(const char *text);
/* The armed timer's time is over. */
void fake_fire(void);

#endif
