/* A slice's insides: found and opened by slice_open.c, read by slice.c. */
#ifndef TOWLINE_COLLECT_SLICE_INNER_H
#define TOWLINE_COLLECT_SLICE_INNER_H

#include <towline/buf.h>

#include "collect/packed.h"
#include "collect/slice.h"
#include "collect/slice_seek.h"
#include "collect/stamp.h"

#define SLICE_BLOCK (64 * 1024)
#define SLICE_WINDOW (64 * 1024) /* lines are out of order by no more than this */

struct slice {
	int fd;
	struct slice_options options;
	struct slice_facts facts;
	struct stamp_reader reader;
	struct slice_seek seek;
	struct packed *packed; /* NULL: plain */
	struct tl_buf memory;  /* what a compressed file gave, where it is little */
	bool from_memory;
	size_t memory_at;
	int64_t size, mtime_us;
	int64_t at, end;      /* of the bytes to read next */
	bool timed;	      /* lines are looked at */
	bool align;	      /* until the next record all is left out */
	bool keep;	      /* the record in hand is given */
	bool newer;	      /* the record in hand is newer than the range */
	bool in_line;	      /* the block begins within a line */
	bool ended;	      /* no more bytes come */
	uint64_t given, skip; /* bytes kept so far; kept ones that are left out first */
	uint64_t beyond;      /* bytes in a row that are newer than the range */
	char *block;
	size_t from, len; /* of what is left in the block */
	size_t piece_len; /* of the kept piece before `from` that is not given yet */
};

/* Fills the block up; what is left in it moves to its beginning. */
TL_MUST_CHECK int slice_fill(struct slice *slice, struct tl_err *err);
/* Goes to the next piece that is kept, the piece_len bytes before `from`: 1, or 0 when there is none. */
TL_MUST_CHECK int slice_next_kept(struct slice *slice, struct tl_err *err);

#endif
