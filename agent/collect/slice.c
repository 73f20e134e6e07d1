#include "collect/slice.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/buf.h>

#include "collect/packed.h"
#include "collect/slice_seek.h"
#include "collect/stamp.h"

#define BLOCK (64 * 1024)
#define WINDOW (64 * 1024)    /* lines are out of order by no more than this */
#define MEMORY_MAX (1u << 20) /* so much of a compressed file is kept, to unpack it only once */
#define SECOND_US 1000000

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

bool slice_range_is_open(const struct slice_range *range)
{
	return (range->since_us == INT64_MIN && range->until_us == INT64_MAX) ||
	       (range->since_us == 0 && range->until_us == 0);
}

void slice_free(struct slice *slice)
{
	if (!slice)
		return;
	packed_free(slice->packed);
	tl_buf_clear(&slice->memory);
	free(slice->block);
	free(slice);
}

const struct slice_facts *slice_facts(const struct slice *slice)
{
	return &slice->facts;
}

static bool is_stopped(const struct slice *slice)
{
	return slice->options.stop && slice->options.stop(slice->options.arg);
}

static ssize_t read_bytes(struct slice *slice, char *bytes, size_t len, struct tl_err *err)
{
	ssize_t n;

	if (slice->packed)
		return packed_read(slice->packed, bytes, len, err);
	if ((uint64_t)len > (uint64_t)(slice->end - slice->at))
		len = (size_t)(slice->end - slice->at);
	n = len > 0 ? pread(slice->fd, bytes, len, slice->at) : 0;
	if (n < 0)
		return tl_err_sys(err, TL_EIO, errno, "it cannot be read");
	slice->at += n;
	return n;
}

/* Fills the block up; what is left in it moves to its beginning. */
static int fill(struct slice *slice, struct tl_err *err)
{
	memmove(slice->block, slice->block + slice->from, slice->len);
	slice->from = 0;
	while (!slice->ended && slice->len < BLOCK) {
		ssize_t n = read_bytes(slice, slice->block + slice->len, BLOCK - slice->len, err);

		if (n < 0)
			return (int)n;
		slice->ended = n == 0;
		slice->len += (size_t)n;
	}
	return 0;
}

/* Base64 alone on a line may be the rest of a key whose first line was cut off. */
static bool looks_like_key(const char *line, size_t len)
{
	size_t i = 0;

	while (i < len &&
	       ((line[i] >= '0' && line[i] <= '9') || (line[i] >= 'A' && line[i] <= 'Z') ||
		(line[i] >= 'a' && line[i] <= 'z') || (line[i] && strchr("+/=-_\r", line[i]))))
		i++;
	return i == len && len >= 16;
}

static bool is_inside(const struct slice_range *range, int64_t us)
{
	return us >= range->since_us && us <= range->until_us;
}

/* Whether the line that begins at the block's `from` is given. */
static bool decide(struct slice *slice, size_t line_len)
{
	const char *line = slice->block + slice->from;
	const struct slice_range *range = &slice->options.range;
	struct stamp stamp;

	if (!slice->timed) {
		slice->align = slice->align && looks_like_key(line, line_len);
		return !slice->align;
	}
	if (!slice->packed)
		slice_seek_to_year(&slice->seek, slice->at - (int64_t)slice->len);
	if (!stamp_read(&slice->reader, line, slice->len, &stamp))
		return slice->keep && !slice->align;
	slice->align = false;
	if (slice_range_is_open(range))
		return true;
	slice->newer = stamp.early_us > range->until_us;
	return is_inside(range, stamp.early_us) || is_inside(range, stamp.late_us);
}

/* Nothing is to be decided any more: lines need not be looked for. */
static bool is_given_whole(const struct slice *slice)
{
	return slice->keep && !slice->align &&
	       (!slice->timed || slice_range_is_open(&slice->options.range));
}

/* Takes the next line, or what is there of it, from the block: its length, 0 at the end. It lies
 * before slice->from then. */
static ssize_t next_piece(struct slice *slice, struct tl_err *err)
{
	const char *newline = memchr(slice->block + slice->from, '\n', slice->len);
	size_t len;

	if (!slice->ended && (!newline || slice->len < STAMP_SCAN_MAX)) {
		int r = fill(slice, err);

		if (r < 0)
			return r;
		newline = memchr(slice->block, '\n', slice->len);
	}
	len = newline ? (size_t)(newline - slice->block) - slice->from + 1 : slice->len;
	if (is_given_whole(slice)) {
		len = slice->skip > 0 && slice->skip < slice->len ? slice->skip : slice->len;
		newline = len > 0 && slice->block[slice->from + len - 1] == '\n' ? slice->block
										 : NULL;
	} else if (len > 0 && !slice->in_line) {
		slice->keep = decide(slice, len - (newline ? 1 : 0));
	}
	slice->in_line = !newline;
	slice->from += len;
	slice->len -= len;
	slice->beyond = slice->newer ? slice->beyond + len : 0;
	return (ssize_t)len;
}

/* A compressed file goes on being unpacked only while something of the range may come. */
static bool is_beyond(const struct slice *slice)
{
	return slice->packed && slice->beyond > WINDOW;
}

static void end(struct slice *slice)
{
	slice->ended = true;
	slice->piece_len = slice->len = 0;
}

/* Goes to the next piece that is kept: 1, or 0 when there is none. */
static int next_kept(struct slice *slice, struct tl_err *err)
{
	for (;;) {
		ssize_t n;

		if (is_stopped(slice))
			return tl_err_set(err, TL_ECANCELED, "it took too long");
		n = next_piece(slice, err);
		if (n <= 0)
			return (int)n;
		if (is_beyond(slice)) {
			end(slice);
			return 0;
		}
		if (!slice->keep)
			continue;
		slice->piece_len = (size_t)n;
		if (slice->skip == 0)
			return 1;
		slice->skip -= slice->skip < (uint64_t)n ? slice->skip : (uint64_t)n;
		if (slice->skip == 0) {
			slice->align = true;
			slice->keep = false;
		}
	}
}

static ssize_t read_memory(struct slice *slice, char *bytes, size_t len)
{
	size_t left = slice->memory.len - slice->memory_at;

	if (len > left)
		len = left;
	if (len > 0)
		memcpy(bytes, slice->memory.data + slice->memory_at, len);
	slice->memory_at += len;
	return (ssize_t)len;
}

/* A kept line that would go beyond the limit ends it. */
static bool is_full(const struct slice *slice)
{
	return slice->given + slice->piece_len > slice->options.max_bytes;
}

ssize_t slice_read(struct slice *slice, void *bytes, size_t len, struct tl_err *err)
{
	size_t done = 0;

	if (slice->facts.empty)
		return 0;
	if (slice->from_memory)
		return read_memory(slice, bytes, len);
	while (done < len) {
		size_t n = slice->piece_len < len - done ? slice->piece_len : len - done;
		int r = n > 0 ? 1 : next_kept(slice, err);

		if (r < 0)
			return r;
		if (r == 0)
			break;
		if (n == 0) {
			slice->facts.truncated |= is_full(slice);
			if (is_full(slice))
				end(slice);
			continue;
		}
		memcpy((char *)bytes + done, slice->block + slice->from - slice->piece_len, n);
		slice->piece_len -= n;
		slice->given += n;
		done += n;
	}
	return (ssize_t)done;
}

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
	slice->at = low > WINDOW ? low - WINDOW : 0;
	slice->end = slice->size - high > WINDOW ? high + WINDOW : slice->size;
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
	int64_t tail = slice->size > BLOCK ? slice->size - BLOCK : 0;
	const char *newline;
	ssize_t n;

	slice->timed = stamp_detect(&slice->reader, slice->block, slice->len);
	if (!slice->packed && tail > 0) {
		n = pread(slice->fd, slice->block, BLOCK, tail);
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
	r = next_kept(slice, err);
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

	while ((r = next_kept(slice, err)) > 0) {
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
		r = fill(slice, err);
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
	slice->block = malloc(BLOCK);
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
	n = pread(slice->fd, slice->block, BLOCK, 0);
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
