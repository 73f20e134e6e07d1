/* Compiling expressions in a process of its own. Private to agent/match. */
#ifndef TOWLINE_MATCH_COMPILE_H
#define TOWLINE_MATCH_COMPILE_H

#include <towline/buf.h>

#include "match/match.h"

/* Appends the serialized database to `out`. */
TL_MUST_CHECK int compile_patterns(const struct tl_match_pattern *patterns, size_t count,
				   struct tl_buf *out, struct tl_err *err);

#endif
