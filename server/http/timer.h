/* Deadlines of one loop: a hashed wheel. Arming again for later is free (the node is filed again when
 * its old slot comes up), which is what every request does. One thread; times are milliseconds of
 * the caller's monotonic clock. */
#ifndef TOWLINE_SERVER_HTTP_TIMER_H
#define TOWLINE_SERVER_HTTP_TIMER_H

#include <stddef.h>
#include <stdint.h>

#define TL_WHEEL_SLOTS 512
#define TL_WHEEL_TICK_MS 50

struct tl_wheel_node {
	struct tl_wheel_node *next, *prev; /* NULL when not filed */
	int64_t due_ms;
	int64_t filed_tick;
};

struct tl_wheel {
	struct tl_wheel_node slots[TL_WHEEL_SLOTS]; /* list heads */
	int64_t tick;				    /* the last one visited */
	size_t count;				    /* nodes filed */
};

void tl_wheel_init(struct tl_wheel *wheel, int64_t now_ms);
/* Arms `node`, or moves it. It fires once, at the first advance at or after due_ms. */
void tl_wheel_set(struct tl_wheel *wheel, struct tl_wheel_node *node, int64_t due_ms);
void tl_wheel_cancel(struct tl_wheel *wheel, struct tl_wheel_node *node);
/* Calls `fire` for every node that is due; it may arm and cancel any node. */
void tl_wheel_advance(struct tl_wheel *wheel, int64_t now_ms,
		      void (*fire)(void *arg, struct tl_wheel_node *node), void *arg);

#endif
