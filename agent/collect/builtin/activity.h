/* A sample of the kernel's counters, and the rates between two. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_ACTIVITY_H
#define TOWLINE_COLLECT_ACTIVITY_H

#include <towline/buf.h>
#include <towline/json.h>

#include "collect/collector.h"

enum activity_kind { ACTIVITY_DISK, ACTIVITY_INTERFACE, ACTIVITY_MEMORY, ACTIVITY_KINDS };

struct activity {
	int64_t taken_ms; /* monotonic */
	struct tl_buf processors;
	struct tl_buf counters[ACTIVITY_KINDS]; /* as the kernel wrote them */
};

/* `ret_sample` is zeroed by the caller. */
void activity_sample(const struct collect_context *context, struct activity *ret_sample);
/* Shares of the time between, in percent, of all processors together. */
json_t *activity_processors(const struct activity *first, const struct activity *second);
/* Per disk or interface (an object of objects), or of memory (an object): counts a second. */
json_t *activity_rates(const struct activity *first, const struct activity *second,
		       enum activity_kind kind);
void activity_clear(struct activity *activity);
TL_DEFINE_AUTO(activity, activity_clear);

#endif
