#include "collect/source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <towline/fs.h>
#include <towline/str.h>

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

/* To be read leaves no trace where that is allowed: of others' files only to root. */
static int open_beneath(const struct collect_context *context, const char *path, int *ret_fd,
			struct tl_err *err)
{
	int r = tl_fs_open_at(context->root_fd, path + 1, OPEN_FLAGS | O_NOATIME, 0, ret_fd, err);

	if (r == TL_EACCES)
		r = tl_fs_open_at(context->root_fd, path + 1, OPEN_FLAGS, 0, ret_fd, err);
	return r;
}

static int open_source(const struct collect_context *context, struct source *source,
		       struct tl_err *err)
{
	const char *path = source->path;
	char target[PATH_MAX];
	struct stat status;

	if (context->row->kind == COLLECT_KERNEL) {
		source->fd = open(source->full, OPEN_FLAGS);
		return source->fd < 0 ? tl_err_sys(err, TL_EIO, errno, "it cannot be opened") : 0;
	}
	if (lstat(source->full, &status) < 0)
		return tl_err_sys(err, TL_EIO, errno, "it cannot be opened");
	if (S_ISLNK(status.st_mode)) {
		resolve_link(context, source->full, target);
		if (!target[0])
			return tl_err_set(err, TL_EINVAL, "it is a link that is not followed");
		if (collect_excluded(context, target))
			return tl_err_set(err, TL_EINVAL, "it is a link to what is left out");
		path = target;
	} else if (!S_ISREG(status.st_mode)) {
		return tl_err_set(err, TL_EINVAL, "it is no regular file");
	}
	return open_beneath(context, path, &source->fd, err);
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

/* Where everybody writes, anybody may have given a file of somebody else a second name: the kernel
 * forbids it only where fs.protected_hardlinks is on. */
static bool is_planted(const struct source *source)
{
	tl_free char *dir = source->status.st_nlink > 1 ? strdup(source->full) : NULL;
	char *slash = dir ? strrchr(dir, '/') : NULL;
	struct stat status;

	if (source->status.st_nlink <= 1)
		return false;
	if (slash)
		slash[slash == dir] = '\0';
	return !slash || stat(dir, &status) < 0 || (status.st_mode & S_IWOTH);
}

void source_open(struct collect_context *context, const char *full, struct source *source)
{
	struct tl_err fault = TL_ERR_INIT;
	int r;

	*source = (struct source){.fd = -1, .full = full, .path = full + strlen(context->root)};
	if (collect_excluded(context, source->path))
		return;
	r = open_source(context, source, &fault);
	if (r < 0) {
		collect_note(context, source->path, kind_of(r), tl_err_text(&fault));
		return;
	}
	if (fstat(source->fd, &source->status) < 0 || !S_ISREG(source->status.st_mode))
		collect_note(context, source->path, "refused", "it is no regular file");
	else if (context->row->kind == COLLECT_FILES && is_planted(source))
		collect_note(context, source->path, "refused",
			     "it has several names, one of them where everybody writes");
	else
		return;
	source_close(source);
}

void source_close(struct source *source)
{
	if (source->fd >= 0)
		close(source->fd);
	source->fd = -1;
}

bool source_is_late(void *arg)
{
	const struct collect_context *context = arg;

	return tl_clock_mono_ms(context->clock) >= context->deadline_ms;
}
