/* Logs with their rotations, cut to the range that was asked for. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_LOG_FILES_H
#define TOWLINE_COLLECT_LOG_FILES_H

#include "collect/collector.h"
#include "collect/expand.h"
#include "collect/source.h"

/* A row in hand. */
struct log_taking {
	struct collect_context *context;
	struct slice_range range;
	bool ranged;
	int64_t boot_us;
};

/* Begins the member of a source: 1, or 0 when its name cannot stand in a bundle, which is noted. */
TL_MUST_CHECK int log_begin_member(struct collect_context *context, const struct source *source,
				   bool unpacked, struct tl_err *err);

/* Takes the end of a file, or what it was before it was compressed, cut to the range: no more than
 * `max` bytes. */
TL_MUST_CHECK int log_take_slice(const struct log_taking *taking, const struct source *source,
				 uint64_t max, struct slice_facts *ret_facts, struct tl_err *err);

/* Takes every log of the list with its rotations, the newest first. */
TL_MUST_CHECK int log_take_all(const struct log_taking *taking, struct expand_list *list,
			       struct tl_err *err);

#endif
