#include "collect/slice_seek.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define BLOCK (16 * 1024)
#define SAMPLES 24 /* of a file, to see whether its years roll over */

void slice_seek_to_year(struct slice_seek *seek, int64_t offset)
{
	seek->reader->newest_us = seek->newest_us;
	for (size_t i = 0; i < seek->year_count && offset < seek->years[i].offset; i++)
		seek->reader->newest_us = seek->years[i].newest_us;
}

static ssize_t read_block(struct slice_seek *seek, int64_t at, char block[static BLOCK],
			  struct tl_err *err)
{
	ssize_t n = pread(seek->fd, block, BLOCK, at);

	if (seek->options->stop && seek->options->stop(seek->options->arg))
		return tl_err_set(err, TL_ECANCELED, "it took too long");
	seek->reads++;
	return n < 0 ? tl_err_sys(err, TL_EIO, errno, "it cannot be read") : n;
}

/* A hole has no lines. */
static int64_t behind_hole(const struct slice_seek *seek, int64_t at)
{
	int64_t data = lseek(seek->fd, at, SEEK_DATA);

	return data > at ? data : at;
}

/* Looks through the lines that begin in the block (at `at` of the file); *next is where to go on. */
static bool find_in_block(struct slice_seek *seek, const char *block, ssize_t len, int64_t at,
			  int64_t limit, int64_t *next, struct slice_record *ret_record)
{
	bool last = at + len >= seek->size || len < BLOCK;
	const char *line = *next > at ? block + (*next - at) : block;
	const char *end = block + len;

	while (line < end && at + (line - block) < limit) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));

		/* a line that the block cuts is looked at from a block of its own */
		if (!newline && !last && end - line < STAMP_SCAN_MAX && line > block)
			break;
		slice_seek_to_year(seek, at + (line - block));
		if (stamp_read(seek->reader, line, (size_t)(end - line), &ret_record->stamp)) {
			ret_record->offset = at + (line - block);
			return true;
		}
		line = newline ? newline + 1 : NULL;
		if (!line) {
			*next = -1; /* in the midst of a line */
			return false;
		}
	}
	*next = at + (line - block);
	return false;
}

int slice_seek_record(struct slice_seek *seek, int64_t from, int64_t limit,
		      struct slice_record *ret_record, struct tl_err *err)
{
	char block[BLOCK];
	int64_t at = from > 0 ? from - 1 : 0;
	int64_t next = from > 0 ? -1 : 0; /* where a line begins; -1: behind the next newline */

	while (at < limit) {
		ssize_t n;

		if (next < 0)
			at = behind_hole(seek, at);
		n = read_block(seek, at, block, err);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return 0;
		if (next < 0) {
			const char *newline = memchr(block, '\n', (size_t)n);

			if (!newline) {
				at += n;
				continue;
			}
			next = at + (newline - block) + 1;
		}
		if (find_in_block(seek, block, n, at, limit, &next, ret_record))
			return 1;
		at = next < 0 ? at + n : next;
	}
	return 0;
}

typedef bool is_reached(const struct stamp *stamp, int64_t us);

static bool is_not_older(const struct stamp *stamp, int64_t us)
{
	return stamp->late_us >= us;
}

static bool is_newer(const struct stamp *stamp, int64_t us)
{
	return stamp->early_us > us;
}

/* The first record from `at` on that is reached; `limit` when none before it is. */
static int walk(struct slice_seek *seek, int64_t at, int64_t limit, is_reached *reached, int64_t us,
		int64_t *ret_offset, struct tl_err *err)
{
	struct slice_record record;
	int r = 0;

	*ret_offset = limit;
	while (at < limit) {
		r = slice_seek_record(seek, at, limit, &record, err);
		if (r <= 0)
			return r;
		if (reached(&record.stamp, us)) {
			*ret_offset = record.offset;
			return 0;
		}
		at = record.offset + 1;
	}
	return 0;
}

static int bisect(struct slice_seek *seek, is_reached *reached, int64_t us, int64_t *ret_offset,
		  struct tl_err *err)
{
	int64_t low = 0, high = seek->size;
	int64_t answer = high;

	while (high - low > BLOCK) {
		int64_t middle = low + (high - low) / 2;
		struct slice_record record;
		int r = slice_seek_record(seek, middle, high, &record, err);

		if (r < 0)
			return r;
		if (r > 0 && !reached(&record.stamp, us)) {
			low = record.offset + 1;
			continue;
		}
		if (r > 0)
			answer = record.offset;
		high = middle;
	}
	return walk(seek, low, answer, reached, us, ret_offset, err);
}

int slice_seek_not_older(struct slice_seek *seek, int64_t us, int64_t *ret_offset,
			 struct tl_err *err)
{
	return bisect(seek, is_not_older, us, ret_offset, err);
}

int slice_seek_newer(struct slice_seek *seek, int64_t us, int64_t *ret_offset, struct tl_err *err)
{
	return bisect(seek, is_newer, us, ret_offset, err);
}

/* Reads the samples' stamps as if no year ended between them. */
static int take_samples(struct slice_seek *seek, struct slice_record samples[static SAMPLES],
			size_t *ret_count, struct tl_err *err)
{
	size_t count = 0;

	for (int i = 0; i < SAMPLES; i++) {
		int64_t from = seek->size / SAMPLES * i;
		int r = slice_seek_record(seek, from, from + seek->size / SAMPLES, &samples[count],
					  err);

		if (r < 0)
			return r;
		count += r > 0;
	}
	*ret_count = count;
	return 0;
}

/* Time goes back between two samples and stays there: a year ended. A single one that is older is a
 * clock that was wrong for a while. */
static bool year_ends(const struct slice_record *samples, size_t count, size_t i)
{
	return i + 2 < count && samples[i + 1].stamp.early_us < samples[i].stamp.early_us &&
	       samples[i + 2].stamp.early_us < samples[i].stamp.early_us;
}

int slice_seek_years(struct slice_seek *seek, struct tl_err *err)
{
	struct slice_record samples[SAMPLES];
	size_t count = 0;
	int64_t newest_us = seek->newest_us;
	int r;

	seek->year_count = 0;
	if (!stamp_lacks_year(seek->reader) || seek->size < (int64_t)SAMPLES * BLOCK)
		return 0;
	r = take_samples(seek, samples, &count, err);
	for (size_t i = count; r == 0 && i-- > 0;) {
		if (!year_ends(samples, count, i) || seek->year_count == SLICE_YEARS_MAX)
			continue;
		newest_us = samples[i + 1].stamp.late_us -
			    (int64_t)seek->year_count * 366 * 86400 * 1000000;
		seek->years[seek->year_count++] =
			(struct slice_year){samples[i + 1].offset, newest_us};
	}
	return r;
}
