/* Rows of files: whole ones from their beginning, logs by log_files.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <towline/str.h>

#include "collect/boots.h"
#include "collect/collector.h"
#include "collect/expand.h"
#include "collect/log_files.h"
#include "collect/member.h"
#include "collect/packed.h"
#include "collect/rotation.h"
#include "collect/source.h"

#define PIECE (64 * 1024)

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
	int r = log_begin_member(context, source, false, err);

	if (r <= 0)
		return r;
	r = copy_bytes(context, source, &status, err);
	return r < 0 ? r : collect_member_end(context, status, err);
}

/* Of what is longer than its limit the beginning or the end; a compressed file as what it was. */
static int take_file(const struct log_taking *taking, const char *full, struct tl_err *err)
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
	     (context->row->flags & COLLECT_BINARY && collect_is_unredacted(context))))
		return copy_whole(context, &source, err);
	return log_take_slice(taking, &source, context->row->max_bytes, &facts, err);
}

static int take_files(const struct log_taking *taking, const struct expand_list *list,
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

static int take_source(const struct log_taking *taking, const char *source, struct tl_err *err)
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
		return log_take_all(taking, &list, err);
	choose(context, &list);
	return take_files(taking, &list, source, err);
}

int collect_files(struct collect_context *context, struct tl_err *err)
{
	struct log_taking taking = {.context = context,
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
