#include "collect/preview.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/str.h>

#include "collect/interrupt.h"
#include "collect/member.h"

#define ITEMS_MAX 200	/* shown of a row; all are counted */
#define FILES_MAX 20000 /* counted of a row */

static const char *const sensitivities[] = {
	[COLLECT_LOW] = "low", [COLLECT_MEDIUM] = "medium", [COLLECT_HIGH] = "high"};

struct found {
	json_t *items;
	uint64_t bytes;
	size_t count;
};

/* Names from the host may be no UTF-8. */
static json_t *printable(const char *text)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(PATH_MAX * 4);

	tl_str_printable(&out, text, strlen(text));
	return json_string(tl_buf_str(&out));
}

static void add_file(const struct plan *plan, const struct collector *row, const char *full,
		     const char *root, struct found *found)
{
	const char *path = full + strlen(root);
	struct stat status;
	uint64_t size;
	bool known;

	bool follows = (row->flags & COLLECT_LINKS) != 0;

	if (exclude_has_path(&plan->exclude, path) ||
	    (follows ? stat(full, &status) : lstat(full, &status)) < 0 || S_ISDIR(status.st_mode) ||
	    found->count >= FILES_MAX)
		return;
	/* files of the kernel have no size, or a made-up one */
	known = S_ISREG(status.st_mode) && row->kind != COLLECT_KERNEL;
	size = known ? (uint64_t)status.st_size : 0;
	size = size < row->max_bytes ? size : row->max_bytes;
	found->bytes += size;
	found->count++;
	if (json_array_size(found->items) < ITEMS_MAX)
		json_array_append_new(found->items,
				      json_pack("{s:o, s:o}", "path", printable(path), "size",
						known ? json_integer((json_int_t)size)
						      : json_null()));
}

static void add_glob(const struct plan *plan, const struct collector *row, const char *source,
		     const char *root, struct found *found)
{
	char pattern[PATH_MAX];
	glob_t paths = {.gl_pathc = 0};

	snprintf(pattern, sizeof pattern, "%s%s", root, source);
	if (glob(pattern, 0, NULL, &paths) == 0)
		for (size_t i = 0; i < paths.gl_pathc; i++)
			add_file(plan, row, paths.gl_pathv[i], root, found);
	globfree(&paths);
}

/* A command's words, a journal's matches, a probe's address. */
static json_t *what_of(const struct collector *row)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(16 * 1024);

	if (row->kind == COLLECT_FILES || row->kind == COLLECT_KERNEL ||
	    row->kind == COLLECT_BUILTIN || !row->sources || !row->sources[0])
		return json_string(row->summary);
	for (const char *const *at = row->sources; *at; at++)
		tl_buf_printf(&text, "%s%s", at == row->sources ? "" : " ", *at);
	return json_string(tl_buf_str(&text));
}

static json_t *preview_row(const struct plan *plan, const struct collector *row, const char *root,
			   uint64_t *bytes)
{
	struct found found = {.items = json_array()};
	bool files = row->kind == COLLECT_FILES || row->kind == COLLECT_KERNEL;
	uint64_t max = member_row_max(row);

	for (const char *const *at = row->sources; files && !row->run && at && *at; at++)
		add_glob(plan, row, *at, root, &found);
	if (found.bytes > max)
		found.bytes = max;
	*bytes += found.bytes;
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:o, s:I, s:I, s:o}", "collector", row->name,
			 "group", row->group, "summary", row->summary, "sensitivity",
			 sensitivities[row->sensitivity], "privileged",
			 (row->flags & COLLECT_PRIVILEGED) != 0, "what", what_of(row), "bytes",
			 (json_int_t)found.bytes, "count", (json_int_t)found.count, "items",
			 found.items);
}

int preview_make(const struct plan *plan, const char *root, json_t **ret_preview,
		 struct tl_err *err)
{
	tl_json *rows = json_array();
	uint64_t bytes = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < plan->count; i++) {
		json_array_append_new(rows, preview_row(plan, &plan->rows[i], root, &bytes));
		r = interrupt_check(err);
	}
	if (r < 0)
		return r;
	*ret_preview = json_pack("{s:b, s:s, s:I, s:O}", "dry_run", 1, "profile", plan->profile,
				 "bytes", (json_int_t)bytes, "collectors", rows);
	return *ret_preview ? 0 : tl_err_set(err, TL_ENOMEM, "out of memory for the preview");
}
