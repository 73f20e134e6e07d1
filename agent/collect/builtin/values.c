/* The many files of /sys and /proc that hold one value each: together in one snapshot, by path. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/builtin/snapshot.h"
#include "collect/interrupt.h"
#include "collect/kernel.h"

#define VALUE_MAX 4096
#define VALUES_MAX 20000

/* What cannot be read is left out: attributes for writing only, devices that do not answer. */
static void take_value(struct collect_context *context, const char *full, json_t *items)
{
	const char *path = full + strlen(context->root);
	char value[VALUE_MAX];
	struct stat status;

	if (stat(full, &status) < 0 || !S_ISREG(status.st_mode) || !(status.st_mode & 0444) ||
	    collect_excluded(context, path))
		return;
	kernel_read(context, path, value, sizeof value);
	if (value[0])
		snapshot_add(items, path, json_pack("{s:o}", "value", snapshot_text(value)));
}

static int take_glob(struct collect_context *context, const char *source, json_t *items,
		     struct tl_err *err)
{
	char pattern[PATH_MAX];
	glob_t found = {.gl_pathc = 0};
	int r = interrupt_check(err);

	snprintf(pattern, sizeof pattern, "%s%s", context->root, source);
	glob(pattern, 0, NULL, &found);
	for (size_t i = 0; r == 0 && i < found.gl_pathc; i++) {
		if (json_array_size(items) >= VALUES_MAX || collect_expired(context, source)) {
			collect_note(context, source, "truncated", "not all values were read");
			break;
		}
		take_value(context, found.gl_pathv[i], items);
	}
	globfree(&found);
	return r;
}

int collect_values(struct collect_context *context, struct tl_err *err)
{
	tl_json *items = json_array();
	char what[80];
	int r = 0;

	for (const char *const *source = context->row->sources; r == 0 && *source; source++)
		r = take_glob(context, *source, items, err);
	if (r < 0)
		return r;
	if (json_array_size(items) == 0) {
		context->outcome = tl_streq(context->outcome, "ok") ? "absent" : context->outcome;
		return 0;
	}
	snprintf(what, sizeof what, "values/%.60s", context->row->name);
	return snapshot_write(context, what, items, err);
}
