#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "collect/slice_inner.h"

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

int slice_fill(struct slice *slice, struct tl_err *err)
{
	memmove(slice->block, slice->block + slice->from, slice->len);
	slice->from = 0;
	while (!slice->ended && slice->len < SLICE_BLOCK) {
		ssize_t n =
			read_bytes(slice, slice->block + slice->len, SLICE_BLOCK - slice->len, err);

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
		int r = slice_fill(slice, err);

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
	return slice->packed && slice->beyond > SLICE_WINDOW;
}

static void end(struct slice *slice)
{
	slice->ended = true;
	slice->piece_len = slice->len = 0;
}

int slice_next_kept(struct slice *slice, struct tl_err *err)
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
		int r = n > 0 ? 1 : slice_next_kept(slice, err);

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
