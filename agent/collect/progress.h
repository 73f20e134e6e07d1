/* Tells whoever waits how far the collection is: JSON lines (docs/protocol.md, collect.run). Nothing
 * depends on it. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_PROGRESS_H
#define TOWLINE_COLLECT_PROGRESS_H

#include <stddef.h>
#include <stdint.h>
#include <towline/clock.h>

#include "collect/collector.h"

struct progress {
	int fd; /* -1: nobody listens */
	const struct tl_clock *clock;
	size_t count; /* of rows */
	size_t begun, ended;
	uint64_t ended_bytes; /* redacted, of rows that ended */
	int64_t started_ms, told_ms;
};

/* A reader that went away is no fault, and neither is one that does not read: lines are dropped. */
void progress_init(struct progress *progress, int fd, const struct tl_clock *clock, size_t count);
void progress_begin(struct progress *progress, const struct collector *row);
/* `bytes` of a row that runs; told now and then. */
void progress_bytes(struct progress *progress, uint64_t bytes);
void progress_end(struct progress *progress, const struct collector *row, const char *outcome,
		  uint64_t bytes);

#endif
