/* The few lines of large logs that tell of one matter: killed for memory, denied by a policy. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/fs.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/interrupt.h"

#define TAIL_BYTES (16 * 1024 * 1024) /* of each file */
#define LINE_BYTES 4096		      /* longer lines are cut */
#define RECORDS_MAX 200000

struct matching {
	struct collect_context *context;
	const char *const *needles; /* end with "--" */
	const char *path;	    /* of the file that is read */
	bool begun, full;
};

static bool is_wanted(const struct matching *matching, const char *line)
{
	for (const char *const *needle = matching->needles; *needle && !tl_streq(*needle, "--");
	     needle++)
		if (strstr(line, *needle))
			return true;
	return false;
}

static int take_line(struct matching *matching, const char *line, struct tl_err *err)
{
	struct collect_context *context = matching->context;
	char name[128];
	struct bundle_member member = {.path = name, .mode = 0644};
	size_t len = strlen(line);
	int r = 0;

	if (!is_wanted(matching, line))
		return 0;
	snprintf(name, sizeof name, "matches/%s.txt", context->row->name);
	if (!matching->begun)
		r = collect_member_begin(context, &member, err);
	matching->begun = true;
	if (r < 0)
		return r;
	if (collect_member_given(context) + len > context->row->max_bytes) {
		matching->full = true;
		collect_note(context, matching->path, "truncated", "not all lines were taken");
		return 0;
	}
	r = collect_member_write(context, line, len, err);
	if (r == 0 && line[len - 1] != '\n')
		r = collect_member_write(context, "\n", 1, err);
	return r;
}

static int read_lines(struct matching *matching, FILE *file, struct tl_err *err)
{
	char line[LINE_BYTES];
	bool inside = false; /* of a line whose beginning was looked at */
	int r = 0;

	while (r == 0 && !matching->full && fgets(line, sizeof line, file)) {
		bool ends = strchr(line, '\n') != NULL;

		if (!inside)
			r = take_line(matching, line, err);
		inside = !ends;
		if (r == 0)
			r = interrupt_check(err);
		if (r == 0 && collect_expired(matching->context, matching->path))
			break;
	}
	return r;
}

/* The kernel's ring gives a record a read, "priority,number,stamp,flags;text"; see kernel(4) dev-kmsg. */
static int read_ring(struct matching *matching, int fd, struct tl_err *err)
{
	char record[LINE_BYTES * 2];
	ssize_t n;
	int r = 0;

	for (int i = 0; r == 0 && !matching->full && i < RECORDS_MAX; i++) {
		const char *text;

		n = read(fd, record, sizeof record - 2);
		if (n < 0 && errno == EPIPE)
			continue; /* overwritten meanwhile */
		if (n <= 0)
			break;
		record[n] = '\0';
		text = strchr(record, ';');
		record[strcspn(record, "\n")] = '\0';
		if (text)
			r = take_line(matching, text + 1, err);
	}
	return r;
}

static int read_file(struct matching *matching, struct tl_err *err)
{
	struct collect_context *context = matching->context;
	struct tl_err fault = TL_ERR_INIT;
	struct stat status;
	tl_fd int fd = -1;
	FILE *file;
	int r = tl_fs_open_at(context->root_fd, matching->path + 1,
			      O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0, &fd, &fault);

	if (r == TL_EACCES)
		collect_note(context, matching->path, "denied", tl_err_text(&fault));
	if (r < 0 || fstat(fd, &status) < 0)
		return 0;
	if (S_ISCHR(status.st_mode) && tl_streq(matching->path, "/dev/kmsg"))
		return read_ring(matching, fd, err);
	if (!S_ISREG(status.st_mode))
		return 0;
	if (status.st_size > TAIL_BYTES)
		lseek(fd, status.st_size - TAIL_BYTES, SEEK_SET);
	file = fdopen(fd, "r");
	if (!file)
		return tl_err_sys(err, TL_ENOMEM, errno, "%s cannot be read", matching->path);
	tl_steal_fd(&fd);
	r = read_lines(matching, file, err);
	fclose(file);
	return r;
}

static int read_glob(struct matching *matching, const char *source, struct tl_err *err)
{
	const char *root = matching->context->root;
	char pattern[PATH_MAX];
	glob_t found = {.gl_pathc = 0};
	int r = 0;

	snprintf(pattern, sizeof pattern, "%s%s", root, source);
	glob(pattern, 0, NULL, &found);
	for (size_t i = 0; r == 0 && !matching->full && i < found.gl_pathc; i++) {
		matching->path = found.gl_pathv[i] + strlen(root);
		if (!collect_excluded(matching->context, matching->path))
			r = read_file(matching, err);
	}
	globfree(&found);
	return r;
}

int collect_matching(struct collect_context *context, struct tl_err *err)
{
	struct matching matching = {.context = context, .needles = context->row->sources};
	const char *const *source = matching.needles;
	int r = 0;

	while (*source && !tl_streq(*source, "--"))
		source++;
	for (source += *source ? 1 : 0; r == 0 && *source && !matching.full; source++)
		r = read_glob(&matching, *source, err);
	if (r < 0)
		return r;
	if (!matching.begun) {
		context->outcome = tl_streq(context->outcome, "ok") ? "absent" : context->outcome;
		return 0;
	}
	return collect_member_end(context, matching.full ? "truncated" : "ok", err);
}
