/* Finds places in a log by the time stamps of its lines, reading a few blocks of it. Private to slice.c.
 */
#ifndef TOWLINE_COLLECT_SLICE_SEEK_H
#define TOWLINE_COLLECT_SLICE_SEEK_H

#include <stdint.h>
#include <towline/err.h>

#include "collect/slice.h"
#include "collect/stamp.h"

#define SLICE_YEARS_MAX 8

/* Up to `offset` no line is newer than newest_us: where stamps have no year. */
struct slice_year {
	int64_t offset, newest_us;
};

struct slice_seek {
	int fd;
	int64_t size;
	struct stamp_reader *reader;
	const struct slice_options *options;
	unsigned reads;
	struct slice_year years[SLICE_YEARS_MAX]; /* by falling offset */
	size_t year_count;
	int64_t newest_us; /* behind the first of them */
};

/* A line that begins with a stamp. */
struct slice_record {
	int64_t offset;
	struct stamp stamp;
};

/* The first record at or behind `from`, before `limit`: 1, or 0 when there is none. TL_EIO;
 * TL_ECANCELED when the options' stop said so. */
TL_MUST_CHECK int slice_seek_record(struct slice_seek *seek, int64_t from, int64_t limit,
				    struct slice_record *ret_record, struct tl_err *err);

/* Offset of the first record that is not older than `us`, or newer than it; the file's size when
 * there is none. Lines need to be in order only on the whole: look a window further. */
TL_MUST_CHECK int slice_seek_not_older(struct slice_seek *seek, int64_t us, int64_t *ret_offset,
				       struct tl_err *err);
TL_MUST_CHECK int slice_seek_newer(struct slice_seek *seek, int64_t us, int64_t *ret_offset,
				   struct tl_err *err);

/* Where stamps have no year and the file is older than one: finds where years end. */
TL_MUST_CHECK int slice_seek_years(struct slice_seek *seek, struct tl_err *err);
/* Sets the reader to the year of `offset`. */
void slice_seek_to_year(struct slice_seek *seek, int64_t offset);

#endif
