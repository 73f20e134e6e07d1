/* Rows of files: whole ones from their beginning, logs with their rotations from their end or by time. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <towline/str.h>

#include "collect/boots.h"
#include "collect/collector.h"
#include "collect/expand.h"
#include "collect/member.h"
#include "collect/packed.h"
#include "collect/rotation.h"
#include "collect/slice.h"
#include "collect/source.h"

#define PIECE (64 * 1024)
#define ROTATIONS_MAX 64
#define RANGE_FACTOR 4 /* so many times its usual bytes a log may give where a range is asked for */

/* A row in hand. */
struct taking {
	struct collect_context *context;
	struct slice_range range;
	bool ranged;
	int64_t boot_us;
};

/* A log in hand, from its newest file to its oldest. */
struct log {
	struct expand_file *files;
	size_t count;
	struct source sources[ROTATIONS_MAX];
	uint64_t left;	/* bytes that may still be taken */
	bool complete;	/* what is older is not asked for */
	unsigned given; /* files */
};

/* Says something of a source that is no fault of the row. */
static void remark(struct collect_context *context, const char *source, const char *kind,
		   const char *text)
{
	const char *outcome = context->outcome;

	collect_note(context, source, kind, text);
	context->outcome = outcome;
}

/* ---- files from their beginning --------------------------------------------------------------- */

static int begin_member(struct collect_context *context, const struct source *source, bool unpacked,
			struct tl_err *err)
{
	char name[PATH_MAX + 8];
	struct bundle_member member = {
		.path = name,
		.mode = source->status.st_mode & 0777,
		/* files of /proc and /sys are as old as the look at them */
		.mtime_s = context->row->kind == COLLECT_KERNEL ? 0 : source->status.st_mtime,
	};
	size_t len = unpacked ? packed_stem(source->path) : strlen(source->path);
	int r;

	snprintf(name, sizeof name, "root%.*s", (int)len, source->path);
	r = collect_member_begin(context, &member, err);
	if (r != TL_EINVAL)
		return r < 0 ? r : 1;
	collect_note(context, source->path, "refused", tl_err_text(err));
	return 0;
}

/* Copies until the end, the limit, the deadline or a fault of reading; *ret_status says which. */
static int copy_bytes(struct collect_context *context, const struct source *source,
		      const char **ret_status, struct tl_err *err)
{
	char piece[PIECE];

	for (;;) {
		uint64_t room = context->row->max_bytes - collect_member_given(context);
		ssize_t n = read(source->fd, piece, sizeof piece);
		int r = 0;

		if (n < 0) {
			collect_note(context, source->path, "failed", strerrordesc_np(errno));
			*ret_status = "failed";
			return 0;
		}
		if (n == 0)
			return 0;
		r = collect_member_write(context, piece,
					 (uint64_t)n > room ? (size_t)room : (size_t)n, err);
		if (r < 0)
			return r;
		if ((uint64_t)n > room) {
			collect_note(context, source->path, "truncated",
				     "only its beginning was taken");
			*ret_status = "truncated";
			return 0;
		}
		if (collect_expired(context, source->path)) {
			*ret_status = "timeout";
			return 0;
		}
	}
}

static int copy_whole(struct collect_context *context, const struct source *source,
		      struct tl_err *err)
{
	const char *status = "ok";
	int r = begin_member(context, source, false, err);

	if (r <= 0)
		return r;
	r = copy_bytes(context, source, &status, err);
	return r < 0 ? r : collect_member_end(context, status, err);
}

/* ---- logs ------------------------------------------------------------------------------------- */

/* After a crash a log may have a run of NULs where a block was not written: they say nothing. */
static size_t drop_nuls(char *bytes, size_t len)
{
	size_t kept = 0;

	if (!memchr(bytes, '\0', len))
		return len;
	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			bytes[kept++] = bytes[i];
	return kept;
}

static int copy_slice(struct collect_context *context, const struct source *source,
		      struct slice *slice, const char **ret_status, struct tl_err *err)
{
	const struct slice_facts *facts = slice_facts(slice);
	struct tl_err fault = TL_ERR_INIT;
	char piece[PIECE];
	ssize_t n;

	while ((n = slice_read(slice, piece, sizeof piece, &fault)) > 0) {
		size_t len = facts->stamps ? drop_nuls(piece, (size_t)n) : (size_t)n;
		int r = collect_member_write(context, piece, len, err);

		if (r < 0)
			return r;
		if (collect_expired(context, source->path)) {
			*ret_status = "timeout";
			return 0;
		}
	}
	if (n < 0) {
		bool late = n == TL_ECANCELED;

		collect_note(context, source->path, late ? "timeout" : "failed",
			     late ? "the collector's time was over" : tl_err_text(&fault));
		*ret_status = late ? "timeout" : "failed";
	} else if (facts->truncated) {
		collect_note(context, source->path, "truncated", "only its end was taken");
		*ret_status = "truncated";
	}
	return 0;
}

static void note_fault(struct collect_context *context, const struct source *source, int code,
		       const struct tl_err *fault)
{
	switch (code) {
	case TL_EUNSUPPORTED:
		collect_note(context, source->path, "refused", tl_err_text(fault));
		return;
	case TL_ECANCELED:
		collect_note(context, source->path, "timeout", "the collector's time was over");
		return;
	default:
		collect_note(context, source->path, "failed", tl_err_text(fault));
	}
}

/* Takes what is in the range, no more than `max` bytes; *ret_facts says what was found. */
static int take_slice(const struct taking *taking, const struct source *source, uint64_t max,
		      struct slice_facts *ret_facts, struct tl_err *err)
{
	struct collect_context *context = taking->context;
	tl_auto(slice) struct slice *slice = NULL;
	struct slice_options options = {.range = taking->range,
					.max_bytes = max,
					.boot_us = taking->boot_us,
					.stop = source_is_late,
					.arg = context};
	struct tl_err fault = TL_ERR_INIT;
	const char *status = "ok";
	int r = slice_open(source->fd, &options, &slice, &fault);

	if (r < 0) {
		note_fault(context, source, r, &fault);
		return 0;
	}
	*ret_facts = *slice_facts(slice);
	if (ret_facts->empty)
		return 0;
	if (taking->ranged && !ret_facts->stamps)
		remark(context, source->path, "uncut", "it has no time stamps: its end was taken");
	r = begin_member(context, source, ret_facts->unpacked, err);
	if (r <= 0)
		return r;
	r = copy_slice(context, source, slice, &status, err);
	*ret_facts = *slice_facts(slice);
	if (ret_facts->limited)
		collect_note(context, source->path, "truncated", "it unpacks to too much");
	return r < 0 ? r : collect_member_end(context, status, err);
}

/* A file that was renamed meanwhile is open under its old name already. */
static bool is_open(const struct log *log, size_t count, const struct stat *status)
{
	for (size_t i = 0; i < count; i++) {
		const struct stat *other = &log->sources[i].status;

		if (log->sources[i].fd >= 0 && other->st_dev == status->st_dev &&
		    other->st_ino == status->st_ino)
			return true;
	}
	return false;
}

static bool is_before(const struct taking *taking, const struct expand_file *file)
{
	return taking->ranged && file->mtime_ns / 1000 < taking->range.since_us;
}

/* All at once, so that a rotation has little time to come between. What ended before the range is not
 * even opened. */
static void open_log(const struct taking *taking, struct log *log)
{
	for (size_t i = 0; i < log->count; i++) {
		struct source *source = &log->sources[i];

		*source = (struct source)SOURCE_INIT;
		if (is_before(taking, &log->files[i]))
			continue;
		source_open(taking->context, log->files[i].path, source);
		if (source->fd >= 0 && is_open(log, i, &source->status))
			source_close(source);
	}
}

static void close_log(struct log *log)
{
	for (size_t i = 0; i < log->count; i++)
		source_close(&log->sources[i]);
}

static int take_log_file(const struct taking *taking, struct log *log, size_t index,
			 struct tl_err *err)
{
	struct collect_context *context = taking->context;
	const struct source *source = &log->sources[index];
	uint64_t max = log->left < context->row->max_bytes ? log->left : context->row->max_bytes;
	struct slice_facts facts = {.empty = true};
	int r = take_slice(taking, source, max, &facts, err);

	if (r < 0 || facts.empty) {
		log->complete = facts.reaches_back;
		return r;
	}
	log->given++;
	log->left -= collect_member_given(context) < log->left ? collect_member_given(context)
							       : log->left;
	log->complete = facts.reaches_back || facts.truncated;
	return 0;
}

/* Without a range the newest rotation makes up for a log that has just been begun, no further one. */
static bool is_wanted(const struct taking *taking, const struct log *log, size_t index)
{
	return log->left > 0 && !log->complete && (taking->ranged || index < 2);
}

static int take_log(const struct taking *taking, struct expand_file *files, size_t count,
		    struct tl_err *err)
{
	struct collect_context *context = taking->context;
	struct log log = {.files = files,
			  .count = count < ROTATIONS_MAX ? count : ROTATIONS_MAX,
			  .left = context->row->max_bytes * (taking->ranged ? RANGE_FACTOR : 1)};
	int r = 0;

	open_log(taking, &log);
	for (size_t i = 0; r == 0 && i < log.count && is_wanted(taking, &log, i); i++) {
		if (log.sources[i].fd >= 0)
			r = take_log_file(taking, &log, i, err);
		if (source_is_late(context))
			break;
	}
	close_log(&log);
	if (r == 0 && taking->ranged && log.given == 0)
		remark(context, files[0].path + strlen(context->root), "outside",
		       "nothing in it is of the time asked for");
	return r;
}

/* ---- sources ---------------------------------------------------------------------------------- */

static int take_logs(const struct taking *taking, struct expand_list *list, struct tl_err *err)
{
	int r = 0;

	rotation_sort(list);
	for (size_t i = 0, count; r == 0 && i < list->count; i += count) {
		count = 1;
		while (i + count < list->count &&
		       rotation_is_same(list->items[i].path, list->items[i + count].path))
			count++;
		if (collect_expired(taking->context,
				    list->items[i].path + strlen(taking->context->root)))
			break;
		r = take_log(taking, &list->items[i], count, err);
	}
	return r;
}

/* Of what is longer than its limit the beginning or the end; a compressed file as what it was. */
static int take_file(const struct taking *taking, const char *full, struct tl_err *err)
{
	struct collect_context *context = taking->context;
	tl_auto(source) struct source source = SOURCE_INIT;
	struct slice_facts facts;
	char head[PACKED_HEAD];
	ssize_t n;

	source_open(context, full, &source);
	if (source.fd < 0)
		return 0;
	if (context->row->kind == COLLECT_KERNEL)
		return copy_whole(context, &source, err);
	n = pread(source.fd, head, sizeof head, 0);
	if (!(context->row->flags & COLLECT_TAIL) &&
	    (n <= 0 || packed_kind(head, (size_t)n) == PACKED_NOT ||
	     (context->row->flags & COLLECT_BINARY)))
		return copy_whole(context, &source, err);
	return take_slice(taking, &source, context->row->max_bytes, &facts, err);
}

static int take_files(const struct taking *taking, const struct expand_list *list,
		      const char *pattern, struct tl_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < list->count; i++) {
		if (collect_expired(taking->context, pattern))
			break;
		r = take_file(taking, list->items[i].path, err);
	}
	return r;
}

/* Where not all can be taken, the newest go first. */
static void choose(const struct collect_context *context, struct expand_list *list)
{
	uint64_t total = 0;

	for (size_t i = 0; i < list->count; i++)
		total += (uint64_t)list->items[i].size < context->row->max_bytes
				 ? (uint64_t)list->items[i].size
				 : context->row->max_bytes;
	if (context->row->kind == COLLECT_FILES && total > member_row_max(context->row))
		qsort(list->items, list->count, sizeof *list->items, expand_by_age);
}

static int take_source(const struct taking *taking, const char *source, struct tl_err *err)
{
	struct collect_context *context = taking->context;
	tl_auto(expand_list) struct expand_list list = {.items = NULL};
	bool timed = context->row->kind == COLLECT_FILES && context->row->flags & COLLECT_TIMED;
	char pattern[PATH_MAX];

	if (snprintf(pattern, sizeof pattern, "%s%s", context->root, source) >= PATH_MAX)
		return 0;
	expand_glob(&list, pattern, source_is_late, context);
	if (timed)
		rotation_expand(&list, pattern, source_is_late, context);
	if (list.count > 0 && tl_streq(context->outcome, "absent"))
		context->outcome = "ok";
	if (list.cut)
		collect_note(context, source, "truncated",
			     "too many files: not all were looked at");
	if (timed)
		return take_logs(taking, &list, err);
	choose(context, &list);
	return take_files(taking, &list, source, err);
}

int collect_files(struct collect_context *context, struct tl_err *err)
{
	struct taking taking = {.context = context,
				.range = {INT64_MIN, INT64_MAX},
				.boot_us = boots_current_us(context->root)};
	int r = 0;

	if (context->row->flags & COLLECT_TIMED && !slice_range_is_open(&context->range)) {
		taking.range = context->range;
		taking.ranged = true;
	}
	context->outcome = "absent";
	for (const char *const *source = context->row->sources; r == 0 && *source; source++)
		r = take_source(&taking, *source, err);
	return r;
}
