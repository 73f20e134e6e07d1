#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/fs.h>
#include <towline/str.h>

#include "collect/collector.h"
#include "collect/interrupt.h"

#define OPEN_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC)

static const char *const link_targets[] = {"/etc/", "/run/", "/usr/lib/", "/usr/share/"};

/* Where a link of a row that allows links leads to, below the root; "" where it may not. */
static void resolve_link(const struct collect_context *context, const char *full,
			 char target[static PATH_MAX])
{
	size_t root_len = strlen(context->root);
	char resolved[PATH_MAX];

	target[0] = '\0';
	if (!(context->row->flags & COLLECT_LINKS) || !realpath(full, resolved) ||
	    strncmp(resolved, context->root, root_len) != 0)
		return;
	for (size_t i = 0; i < TL_ARRAY_LEN(link_targets); i++)
		if (tl_str_starts(resolved + root_len, link_targets[i]))
			memcpy(target, resolved + root_len, strlen(resolved + root_len) + 1);
}

static int open_source(const struct collect_context *context, const char *full, int *ret_fd,
		       struct tl_err *err)
{
	const char *path = full + strlen(context->root);
	char target[PATH_MAX];
	struct stat status;

	if (context->row->kind == COLLECT_KERNEL) {
		*ret_fd = open(full, OPEN_FLAGS);
		return *ret_fd < 0 ? tl_err_sys(err, TL_EIO, errno, "it cannot be opened") : 0;
	}
	if (lstat(full, &status) == 0 && S_ISLNK(status.st_mode)) {
		resolve_link(context, full, target);
		if (!target[0])
			return tl_err_set(err, TL_EINVAL, "it is a link that is not followed");
		path = target;
	}
	return tl_fs_open_at(context->root_fd, path + 1, OPEN_FLAGS, 0, ret_fd, err);
}

/* What errors.jsonl calls a fault. */
static const char *kind_of(int code)
{
	switch (code) {
	case TL_EACCES:
		return "denied";
	case TL_ENOENT:
		return "missing";
	case TL_EINVAL:
		return "refused";
	default:
		return "failed";
	}
}

/* Of a file that is longer than its limit the end is taken, from a line's beginning. */
static int seek_tail(const struct collect_context *context, int fd, const struct stat *status)
{
	uint64_t max = context->row->max_bytes;
	char c = '\0';

	if (!(context->row->flags & COLLECT_TAIL) || status->st_size <= (off_t)max)
		return 0;
	if (lseek(fd, status->st_size - (off_t)max, SEEK_SET) < 0)
		return 0;
	while (read(fd, &c, 1) == 1 && c != '\n')
		continue;
	return 1;
}

/* Copies until the end, the limit, the deadline or a fault of reading; *ret_status says which. */
static int copy_bytes(struct collect_context *context, int fd, const char *path,
		      const char **ret_status, struct tl_err *err)
{
	char piece[64 * 1024];

	for (;;) {
		uint64_t room = context->row->max_bytes - collect_member_given(context);
		ssize_t n = read(fd, piece, sizeof piece);
		int r = interrupt_check(err);

		if (r == 0 && n > 0)
			r = collect_member_write(context, piece,
						 (uint64_t)n > room ? (size_t)room : (size_t)n,
						 err);
		if (r < 0)
			return r;
		if (n == 0)
			return 0;
		if (n < 0) {
			collect_note(context, path, "failed", strerrordesc_np(errno));
			*ret_status = "failed";
			return 0;
		}
		if ((uint64_t)n > room) {
			collect_note(context, path, "truncated", "only its beginning was taken");
			*ret_status = "truncated";
			return 0;
		}
		if (collect_expired(context, path)) {
			*ret_status = "timeout";
			return 0;
		}
	}
}

static int copy_file(struct collect_context *context, int fd, const char *path, struct tl_err *err)
{
	const char *state = "ok";
	struct stat status;
	char name[PATH_MAX + 8];
	struct bundle_member member = {.path = name};
	int r;

	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
		collect_note(context, path, "refused", "it is no regular file");
		return 0;
	}
	if (seek_tail(context, fd, &status)) {
		collect_note(context, path, "truncated", "only its end was taken");
		state = "truncated";
	}
	snprintf(name, sizeof name, "root%s", path);
	member.mode = status.st_mode & 0777;
	/* files of /proc and /sys are as old as the look at them */
	member.mtime_s = context->row->kind == COLLECT_KERNEL ? 0 : status.st_mtime;
	r = collect_member_begin(context, &member, err);
	if (r == TL_EINVAL) {
		collect_note(context, path, "refused", tl_err_text(err));
		return 0;
	}
	if (r == 0)
		r = copy_bytes(context, fd, path, &state, err);
	return r < 0 ? r : collect_member_end(context, state, err);
}

static int take_source(struct collect_context *context, const char *full, struct tl_err *err)
{
	const char *path = full + strlen(context->root);
	struct tl_err fault = TL_ERR_INIT;
	tl_fd int fd = -1;
	int r = open_source(context, full, &fd, &fault);

	if (r < 0) {
		collect_note(context, path, kind_of(r), tl_err_text(&fault));
		return 0;
	}
	return copy_file(context, fd, path, err);
}

static int take_glob(struct collect_context *context, const char *source, struct tl_err *err)
{
	char pattern[PATH_MAX];
	glob_t found = {.gl_pathc = 0};
	int r = 0;

	snprintf(pattern, sizeof pattern, "%s%s", context->root, source);
	if (glob(pattern, 0, NULL, &found) == 0 && tl_streq(context->outcome, "absent"))
		context->outcome = "ok";
	for (size_t i = 0; r == 0 && i < found.gl_pathc; i++) {
		if (collect_expired(context, source))
			break;
		r = take_source(context, found.gl_pathv[i], err);
		if (r == 0)
			r = interrupt_check(err);
	}
	globfree(&found);
	return r;
}

int collect_files(struct collect_context *context, struct tl_err *err)
{
	int r = 0;

	context->outcome = "absent";
	for (const char *const *source = context->row->sources; r == 0 && *source; source++)
		r = take_glob(context, *source, err);
	return r;
}
