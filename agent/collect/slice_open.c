#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "collect/slice_inner.h"

#define MEMORY_MAX (1u << 20) /* so much of a compressed file is kept, to unpack it only once */
#define SECOND_US 1000000

/* What is left of a file without stamps is its end; one that ended before the range has none. */
static void place_untimed(struct slice *slice)
{
	int64_t max = (int64_t)slice->options.max_bytes;

	slice->end = slice->size;
	slice->at = slice->size > max ? slice->size - max : 0;
	slice->facts.truncated = slice->at > 0;
}

/* Where the range begins and ends in a plain file, a window wider than found, or as much of its end as
 * may be given. */
static int place(struct slice *slice, struct tl_err *err)
{
	const struct slice_range *range = &slice->options.range;
	bool open = slice_range_is_open(range);
	int64_t max = (int64_t)slice->options.max_bytes;
	int64_t low = 0, high = slice->size;
	int r = slice_seek_years(&slice->seek, err);

	if (r == 0 && !open && range->until_us != INT64_MAX)
		r = slice_seek_newer(&slice->seek, range->until_us, &high, err);
	if (r == 0 && !open && range->since_us != INT64_MIN)
		r = slice_seek_not_older(&slice->seek, range->since_us, &low, err);
	if (r < 0)
		return r;
	slice->facts.reaches_back = low > 0;
	slice->facts.cut = low > 0 || high < slice->size;
	slice->facts.truncated = high - low > max;
	slice->at = low > SLICE_WINDOW ? low - SLICE_WINDOW : 0;
	slice->end = slice->size - high > SLICE_WINDOW ? high + SLICE_WINDOW : slice->size;
	if (slice->facts.truncated) {
		slice->at = high - max;
		slice->end = high;
	}
	return 0;
}

/* Where the first line may be cut, or not the range's, all is left out until one that is. */
static void align(struct slice *slice)
{
	bool whole = slice->at == 0 && slice_range_is_open(&slice->options.range);

	slice->from = slice->len = slice->piece_len = 0;
	slice->ended = slice->newer = false;
	slice->keep = whole;
	slice->align = !whole && (slice->timed || slice->at > 0);
	slice->in_line = slice->at > 0;
	slice->at -= slice->at > 0;
}

/* By its beginning, and by its end too: a log may have changed its kind. */
static int detect(struct slice *slice, struct tl_err *err)
{
	int64_t tail = slice->size > SLICE_BLOCK ? slice->size - SLICE_BLOCK : 0;
	const char *newline;
	ssize_t n;

	slice->timed = stamp_detect(&slice->reader, slice->block, slice->len);
	if (!slice->packed && tail > 0) {
		n = pread(slice->fd, slice->block, SLICE_BLOCK, tail);
		if (n < 0)
			return tl_err_sys(err, TL_EIO, errno, "it cannot be read");
		newline = memchr(slice->block, '\n', (size_t)n);
		if (newline && stamp_detect(&slice->reader, newline + 1,
					    (size_t)(slice->block + n - newline - 1)))
			slice->timed = true;
	}
	slice->facts.stamps = stamp_name(&slice->reader);
	return 0;
}

static int open_plain(struct slice *slice, struct tl_err *err)
{
	int r = detect(slice, err);

	if (r == 0 && slice->timed)
		r = place(slice, err);
	else
		place_untimed(slice);
	slice->facts.reads = slice->seek.reads;
	if (r < 0)
		return r;
	align(slice);
	r = slice_next_kept(slice, err);
	slice->facts.empty = r == 0;
	return r < 0 ? r : 0;
}

static int unpack_again(struct slice *slice, struct tl_err *err)
{
	packed_free(tl_steal(&slice->packed));
	slice->at = 0;
	slice->beyond = 0;
	align(slice);
	return packed_open(slice->fd, &slice->packed, err);
}

/* How much of a compressed file is in the range; a little is kept at once. */
static int measure(struct slice *slice, uint64_t *ret_kept, struct tl_err *err)
{
	uint64_t kept = 0;
	int r;

	while ((r = slice_next_kept(slice, err)) > 0) {
		tl_buf_append(&slice->memory, slice->block + slice->from - slice->piece_len,
			      slice->piece_len);
		kept += slice->piece_len;
		slice->piece_len = 0;
	}
	slice->facts.limited = packed_is_limited(slice->packed);
	*ret_kept = kept;
	return r;
}

static bool is_older(const struct slice *slice)
{
	struct stamp first;
	struct stamp_reader reader = slice->reader;

	return slice->timed && !slice_range_is_open(&slice->options.range) &&
	       stamp_read(&reader, slice->block, slice->len, &first) &&
	       first.late_us < slice->options.range.since_us;
}

static int open_packed(struct slice *slice, struct tl_err *err)
{
	uint64_t max = slice->options.max_bytes, kept = 0;
	int r;

	slice->facts.unpacked = true;
	r = packed_open(slice->fd, &slice->packed, err);
	if (r == 0)
		r = slice_fill(slice, err);
	if (r == 0 && packed_kind(slice->block, slice->len) != PACKED_NOT)
		r = tl_err_set(err, TL_EUNSUPPORTED, "it is an archive of several files");
	if (r == 0)
		r = detect(slice, err);
	if (r < 0)
		return r;
	slice->facts.reaches_back = is_older(slice);
	r = unpack_again(slice, err);
	if (r == 0)
		r = measure(slice, &kept, err);
	if (r < 0)
		return r;
	slice->facts.empty = kept == 0;
	slice->facts.truncated = kept > max;
	slice->from_memory = kept <= max && tl_buf_check(&slice->memory) == 0;
	if (slice->from_memory || kept == 0)
		return 0;
	tl_buf_clear(&slice->memory);
	slice->skip = kept > max ? kept - max : 0;
	return unpack_again(slice, err);
}

static struct slice *new_slice(int fd, const struct slice_options *options)
{
	struct slice *slice = calloc(1, sizeof *slice);

	if (!slice)
		return NULL;
	slice->fd = fd;
	slice->options = *options;
	slice->block = malloc(SLICE_BLOCK);
	tl_buf_init(&slice->memory, MEMORY_MAX);
	slice->seek =
		(struct slice_seek){.fd = fd, .reader = &slice->reader, .options = &slice->options};
	return slice;
}

static int read_facts(struct slice *slice, struct tl_err *err)
{
	struct stat status;
	int64_t boot_us = slice->options.boot_us;

	if (fstat(slice->fd, &status) < 0)
		return tl_err_sys(err, TL_EIO, errno, "it cannot be read");
	slice->size = slice->seek.size = status.st_size;
	slice->mtime_us = status.st_mtim.tv_sec * SECOND_US + status.st_mtim.tv_nsec / 1000;
	slice->seek.newest_us = slice->mtime_us;
	/* kernel time in a file from before this boot counts from another one */
	stamp_reader_init(&slice->reader, slice->mtime_us,
			  slice->mtime_us >= boot_us ? boot_us : 0);
	return 0;
}

static int open_any(struct slice *slice, struct tl_err *err)
{
	const struct slice_range *range = &slice->options.range;
	ssize_t n;

	if (!slice_range_is_open(range) && slice->mtime_us < range->since_us) {
		slice->facts.empty = slice->facts.reaches_back = true;
		return 0;
	}
	n = pread(slice->fd, slice->block, SLICE_BLOCK, 0);
	if (n < 0)
		return tl_err_sys(err, TL_EIO, errno, "it cannot be read");
	switch (packed_kind(slice->block, (size_t)n)) {
	case PACKED_ARCHIVE:
		return tl_err_set(err, TL_EUNSUPPORTED, "it is an archive of several files");
	case PACKED_FILE:
		return open_packed(slice, err);
	case PACKED_NOT:
		break;
	}
	slice->len = (size_t)n;
	return open_plain(slice, err);
}

int slice_open(int fd, const struct slice_options *options, struct slice **ret_slice,
	       struct tl_err *err)
{
	tl_auto(slice) struct slice *slice = new_slice(fd, options);
	int r;

	if (!slice || !slice->block)
		return tl_err_set(err, TL_ENOMEM, "out of memory for a log");
	r = read_facts(slice, err);
	if (r == 0)
		r = open_any(slice, err);
	if (r < 0)
		return r;
	*ret_slice = tl_steal(&slice);
	return 0;
}
