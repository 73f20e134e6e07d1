/* A secret of many lines (a key), from the line behind its first to its last. Private to agent/redact. */
#ifndef TOWLINE_REDACT_BLOCK_H
#define TOWLINE_REDACT_BLOCK_H

#include <stddef.h>

struct block {
	const char *end;     /* what its last line begins with; NULL: there is no block */
	unsigned lines_left; /* that it may still have */
};

/* A line inside the block. Returns where ordinary text begins again, `len` when nowhere; the block is over
 * when its end was seen, when the line is none of its own, or when it had too many. */
size_t block_line(struct block *block, const char *text, size_t len);

#endif
