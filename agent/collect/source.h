/* Opens a file of the host for a row: nothing but regular files, no link followed out, nothing that
 * blocks. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_SOURCE_H
#define TOWLINE_COLLECT_SOURCE_H

#include <sys/stat.h>
#include <towline/attr.h>
#include <towline/err.h>

#include "collect/collector.h"

struct source {
	int fd; /* -1: not open */
	const char *full;
	const char *path; /* the same as on the host */
	struct stat status;
};
#define SOURCE_INIT \
	{ \
		.fd = -1 \
	}

/* What cannot be had is noted and leaves the descriptor at -1. `full` is borrowed. */
void source_open(struct collect_context *context, const char *full, struct source *source);
void source_close(struct source *source);
TL_DEFINE_AUTO(source, source_close);

/* The time of the row is over; says nothing of it yet. `context` is a struct collect_context. */
bool source_is_late(void *context);

#endif
