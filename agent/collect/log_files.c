#include "collect/log_files.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "collect/packed.h"
#include "collect/rotation.h"
#include "collect/slice.h"

#define PIECE (64 * 1024)
#define ROTATIONS_MAX 64
#define QUIET_BYTES \
	(64u * 1024)   /* of a log that has been silent for longer than the profile asks */
#define RANGE_FACTOR 4 /* so many times its usual bytes a log may give where a range is asked for */

/* A log in hand, from its newest file to its oldest. */
struct log {
	struct expand_file *files;
	size_t count;
	struct source sources[ROTATIONS_MAX];
	uint64_t left;	/* bytes that may still be taken */
	bool complete;	/* what is older is not asked for */
	unsigned given; /* files */
	bool listed_again;
};

/* Says something of a source that is no fault of the row. */
static void remark(struct collect_context *context, const char *source, const char *kind,
		   const char *text)
{
	const char *outcome = context->outcome;

	collect_note(context, source, kind, text);
	context->outcome = outcome;
}

int log_begin_member(struct collect_context *context, const struct source *source, bool unpacked,
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
int log_take_slice(const struct log_taking *taking, const struct source *source, uint64_t max,
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
	r = log_begin_member(context, source, ret_facts->unpacked, err);
	if (r <= 0)
		return r;
	r = copy_slice(context, source, slice, &status, err);
	*ret_facts = *slice_facts(slice);
	if (ret_facts->limited)
		collect_note(context, source->path, "truncated", "it unpacks to too much");
	return r < 0 ? r : collect_member_end(context, status, err);
}

/* A file that was renamed meanwhile may be open under its other name. */
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

/* A rotation is compressed just now: both are there, and the other is not whole yet. */
static bool is_copy(const struct log *log, size_t index)
{
	const char *path = log->files[index].path;
	size_t len = packed_stem(path);

	for (size_t i = 0; path[len] && i < log->count; i++)
		if (strlen(log->files[i].path) == len && memcmp(log->files[i].path, path, len) == 0)
			return true;
	return false;
}

static bool is_before(const struct log_taking *taking, const struct expand_file *file)
{
	return taking->ranged && file->mtime_ns / 1000 < taking->range.since_us;
}

/* The name is still that of the file that was found. */
static bool is_same_file(const struct expand_file *file)
{
	struct stat status;

	return lstat(file->path, &status) == 0 && status.st_dev == file->dev &&
	       status.st_ino == file->ino;
}

/* All at once, so that a rotation has little time to come between. What ended before the range is not
 * even opened. False when the files were renamed since they were listed. */
static bool open_log(const struct log_taking *taking, struct log *log)
{
	bool same = true;

	for (size_t i = 0; i < log->count; i++) {
		struct source *source = &log->sources[i];

		*source = (struct source)SOURCE_INIT;
		same = same && is_same_file(&log->files[i]);
		if (!same && !log->listed_again)
			continue;
		if (is_before(taking, &log->files[i]) || is_copy(log, i))
			continue;
		source_open(taking->context, log->files[i].path, source);
		same = same && is_same_file(&log->files[i]); /* it may have gone just now */
		if (source->fd >= 0 && is_open(log, i, &source->status))
			source_close(source);
	}
	return same;
}

static void close_log(struct log *log)
{
	for (size_t i = 0; i < log->count; i++)
		source_close(&log->sources[i]);
}

static int take_log_file(const struct log_taking *taking, struct log *log, size_t index,
			 struct tl_err *err)
{
	struct collect_context *context = taking->context;
	const struct source *source = &log->sources[index];
	uint64_t max = log->left < context->row->max_bytes ? log->left : context->row->max_bytes;
	struct slice_facts facts = {.empty = true};
	int r = log_take_slice(taking, source, max, &facts, err);

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
static bool is_wanted(const struct log_taking *taking, const struct log *log, size_t index)
{
	return log->left > 0 && !log->complete && (taking->ranged || index < 2);
}

static void list_again(struct log *log, struct expand_list *list)
{
	char stem[PATH_MAX];
	size_t len = rotation_stem(log->files[0].path);

	if (len >= sizeof stem)
		return;
	memcpy(stem, log->files[0].path, len);
	stem[len] = '\0';
	expand_add(list, stem);
	if (!expand_is_glob(stem))
		rotation_expand(list, stem, NULL, NULL);
	rotation_sort(list);
	log->files = list->items;
	log->count = list->count < ROTATIONS_MAX ? list->count : ROTATIONS_MAX;
	log->listed_again = true;
}

static int take_open_log(const struct log_taking *taking, struct log *log, struct tl_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < log->count && is_wanted(taking, log, i); i++) {
		if (log->sources[i].fd >= 0)
			r = take_log_file(taking, log, i, err);
		if (source_is_late(taking->context))
			break;
	}
	return r;
}

static const struct slice_range ever = {INT64_MIN, INT64_MAX};

/* What a silent log said last is worth more than nothing, where nobody asked for another time. */
static int take_last_words(const struct log_taking *taking, struct expand_file *files,
			   struct tl_err *err)
{
	struct log_taking last = *taking;
	struct log log = {.files = files, .count = 1, .left = QUIET_BYTES};
	int r;

	last.range = ever;
	last.ranged = false;
	(void)open_log(&last, &log);
	r = take_open_log(&last, &log, err);
	close_log(&log);
	if (r == 0 && log.given > 0)
		remark(taking->context, files[0].path + strlen(taking->context->root), "outside",
		       "nothing in it is of the profile's time: its end was taken");
	return r;
}

static int take_log(const struct log_taking *taking, struct expand_file *files, size_t count,
		    struct tl_err *err)
{
	struct collect_context *context = taking->context;
	tl_auto(expand_list) struct expand_list again = {.items = NULL};
	struct log log = {.files = files,
			  .count = count < ROTATIONS_MAX ? count : ROTATIONS_MAX,
			  .left = context->row->max_bytes * (taking->ranged ? RANGE_FACTOR : 1)};
	int r;

	if (!open_log(taking, &log)) {
		close_log(&log);
		list_again(&log, &again);
		(void)open_log(taking, &log);
	}
	r = take_open_log(taking, &log, err);
	close_log(&log);
	if (r == 0 && taking->ranged && log.given == 0 && context->range_is_usual)
		return take_last_words(taking, files, err);
	if (r == 0 && taking->ranged && log.given == 0)
		remark(context, files[0].path + strlen(context->root), "outside",
		       "nothing in it is of the time asked for");
	return r;
}

int log_take_all(const struct log_taking *taking, struct expand_list *list, struct tl_err *err)
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
