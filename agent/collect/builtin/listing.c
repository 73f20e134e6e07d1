/* What lies in directories whose contents are not for a bundle: names, sizes, owners, times. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/buf.h>
#include <towline/clock.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/interrupt.h"

static char type_of(mode_t mode)
{
	static const struct {
		mode_t mode;
		char letter;
	} types[] = {{S_IFREG, '-'}, {S_IFDIR, 'd'}, {S_IFLNK, 'l'}, {S_IFBLK, 'b'},
		     {S_IFCHR, 'c'}, {S_IFIFO, 'p'}, {S_IFSOCK, 's'}};

	for (size_t i = 0; i < TL_ARRAY_LEN(types); i++)
		if ((mode & S_IFMT) == types[i].mode)
			return types[i].letter;
	return '?';
}

/* One name a line; tabs and control characters in names are written as they print. */
static int write_entry(struct collect_context *context, const char *full, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(8 * PATH_MAX);
	char time[TL_TIME_TEXT], target[PATH_MAX] = "";
	const char *path = full + strlen(context->root);
	struct stat status;
	ssize_t len = 0;

	if (lstat(full, &status) < 0)
		return 0; /* it vanished meanwhile */
	tl_time_rfc3339((int64_t)status.st_mtime * 1000, time);
	tl_buf_printf(&line, "%c%04o\t%u\t%u\t%lld\t%s\t", type_of(status.st_mode),
		      status.st_mode & 07777, status.st_uid, status.st_gid,
		      (long long)status.st_size, time);
	tl_str_printable(&line, path, strlen(path));
	if (S_ISLNK(status.st_mode))
		len = readlink(full, target, sizeof target - 1);
	if (len > 0) {
		tl_buf_puts(&line, "\t");
		tl_str_printable(&line, target, (size_t)len);
	}
	tl_buf_putc(&line, '\n');
	return tl_buf_check(&line) < 0 ? 0
				       : collect_member_write(context, line.data, line.len, err);
}

static int write_globs(struct collect_context *context, const char **ret_status, struct tl_err *err)
{
	static const char header[] = "mode\tuid\tgid\tsize\tmodified\tpath\ttarget\n";
	char pattern[PATH_MAX];
	int r = collect_member_write(context, header, sizeof header - 1, err);

	for (const char *const *source = context->row->sources; r == 0 && *source; source++) {
		glob_t found = {.gl_pathc = 0};

		snprintf(pattern, sizeof pattern, "%s%s", context->root, *source);
		glob(pattern, GLOB_PERIOD, NULL, &found);
		for (size_t i = 0; r == 0 && i < found.gl_pathc; i++) {
			const char *name = strrchr(found.gl_pathv[i], '/') + 1;

			if (collect_member_given(context) >= context->row->max_bytes ||
			    collect_expired(context, *source)) {
				collect_note(context, *source, "truncated", "not all is listed");
				*ret_status = "truncated";
				break;
			}
			if (!tl_streq(name, ".") && !tl_streq(name, "..") &&
			    !collect_excluded(context, found.gl_pathv[i] + strlen(context->root)))
				r = write_entry(context, found.gl_pathv[i], err);
			if (r == 0)
				r = interrupt_check(err);
		}
		globfree(&found);
	}
	return r;
}

static bool anything_there(const struct collect_context *context)
{
	char pattern[PATH_MAX];

	for (const char *const *source = context->row->sources; *source; source++) {
		glob_t found = {.gl_pathc = 0};
		bool any;

		snprintf(pattern, sizeof pattern, "%s%s", context->root, *source);
		any = glob(pattern, GLOB_NOSORT, NULL, &found) == 0;
		globfree(&found);
		if (any)
			return true;
	}
	return false;
}

int collect_listing(struct collect_context *context, struct tl_err *err)
{
	char path[128];
	struct bundle_member member = {.path = path, .mode = 0644};
	const char *status = "ok";
	int r;

	if (!anything_there(context)) {
		context->outcome = "absent";
		return 0;
	}
	snprintf(path, sizeof path, "snapshot/listing/%s.tsv", context->row->name);
	r = collect_member_begin(context, &member, err);
	if (r == 0)
		r = write_globs(context, &status, err);
	return r < 0 ? r : collect_member_end(context, status, err);
}
