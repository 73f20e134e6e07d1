/* What the agent's heartbeat takes from towline-health, which it starts with descriptors (agent/daemon/health.c):
 * 0 what only the agent knows, {"config"?, "clock_offset_ms"?, "relay_host"?, "ca_file"?, "queue_items"?};
 * 1 the delta, "health" of the heartbeat but for its "seq"; 3 the state of the last time, empty for a full
 * one; 4 the state of this time. */
#ifndef TOWLINE_HEALTH_FEED_H
#define TOWLINE_HEALTH_FEED_H

#include <towline/err.h>

#define FEED_IN 0
#define FEED_OUT 1
#define FEED_STATE 3
#define FEED_NEXT 4
#define FEED_BYTES_MAX (512 * 1024)

TL_MUST_CHECK int health_feed(struct tl_err *err);

#endif
