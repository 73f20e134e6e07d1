#include "store/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/crypto.h>
#include <towline/fs.h>
#include <towline/str.h>

#define SCHEME "file:"
#define NAME_MAX_LEN 128

/* root/ab/cd/NAME, where abcd begins the name's SHA-256: names may share their beginning (ULIDs do),
 * directories should fill evenly. */
#define FAN_LEN 5 /* "ab/cd" */

struct tl_blobs {
	int dir_fd;
	char *path;
};

int tl_blobs_open(const char *url, struct tl_blobs **ret_blobs, struct tl_err *err)
{
	tl_auto(tl_blobs) struct tl_blobs *blobs = NULL;
	int r;

	if (!tl_str_starts(url, SCHEME) || url[strlen(SCHEME)] != '/')
		return tl_err_set(err, TL_EUNSUPPORTED,
				  "the blobs' URL must be \"file:\" and an absolute path");
	blobs = calloc(1, sizeof(*blobs));
	if (!blobs)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	blobs->dir_fd = -1;
	blobs->path = strdup(url + strlen(SCHEME));
	if (!blobs->path)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	if ((r = tl_fs_make_dir(blobs->path, 0700, &blobs->dir_fd, err)))
		return r;
	*ret_blobs = tl_steal(&blobs);
	return 0;
}

void tl_blobs_close(struct tl_blobs *blobs)
{
	if (!blobs)
		return;
	if (blobs->dir_fd >= 0)
		close(blobs->dir_fd);
	free(blobs->path);
	free(blobs);
}

/* ---- places ---------------------------------------------------------------------------------- */

static int fan_of(const char *name, char fan[static FAN_LEN + 1], struct tl_err *err)
{
	char hex[TL_SHA256_HEX];

	if (!tl_str_is_name(name, NAME_MAX_LEN))
		return tl_err_set(err, TL_EINVAL, "a blob's name is 1 to %d of [A-Za-z0-9._-]",
				  NAME_MAX_LEN);
	tl_sha256_hex_of(name, strlen(name), hex);
	snprintf(fan, FAN_LEN + 1, "%.2s/%.2s", hex, hex + 2);
	return 0;
}

static int open_dir(int parent_fd, const char *name, int *ret_fd)
{
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

/* Creates and opens one level; a new directory is durable in its parent before anything is in it. */
static int make_level(int parent_fd, const char *name, int *ret_fd)
{
	if (mkdirat(parent_fd, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (fsync(parent_fd) < 0)
		return -errno;
	return open_dir(parent_fd, name, ret_fd);
}

/* The directory of `name`. */
static int place(const struct tl_blobs *blobs, const char *name, bool create, int *ret_fd,
		 struct tl_err *err)
{
	int (*enter)(int, const char *, int *) = create ? make_level : open_dir;
	char fan[FAN_LEN + 1];
	tl_fd int first_fd = -1;
	int r = fan_of(name, fan, err);

	if (r < 0)
		return r;
	fan[2] = '\0';
	r = enter(blobs->dir_fd, fan, &first_fd);
	if (r == 0)
		r = enter(first_fd, fan + 3, ret_fd);
	return r == 0 ? 0 : tl_err_sys(err, TL_EIO, -r, "blob %s", name);
}

static int open_blob(struct tl_blobs *blobs, const char *name, int flags, int *ret_fd,
		     struct stat *ret_stat, struct tl_err *err)
{
	tl_fd int dir_fd = -1;
	int r = place(blobs, name, false, &dir_fd, err);

	if (r < 0)
		return r;
	tl_fd int fd = openat(dir_fd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0 || fstat(fd, ret_stat) < 0)
		return tl_err_sys(err, TL_EIO, errno, "blob %s", name);
	if (!S_ISREG(ret_stat->st_mode))
		return tl_err_set(err, TL_EIO, "blob %s is not a regular file", name);
	*ret_fd = tl_steal_fd(&fd);
	return 0;
}

/* ---- verbs ----------------------------------------------------------------------------------- */

int tl_blob_create(struct tl_blobs *blobs, const char *name, struct tl_err *err)
{
	tl_fd int dir_fd = -1;
	int r = place(blobs, name, true, &dir_fd, err);

	if (r < 0)
		return r;
	tl_fd int fd =
		openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return tl_err_sys(err, errno == EEXIST ? TL_EEXIST : TL_EIO, errno, "blob %s",
				  name);
	if (fsync(dir_fd) < 0)
		return tl_err_sys(err, TL_EIO, errno, "blob %s", name);
	return 0;
}

int tl_blob_append(struct tl_blobs *blobs, const char *name, int *ret_fd, uint64_t *ret_size,
		   struct tl_err *err)
{
	struct stat info;
	tl_fd int fd = -1;
	int r = open_blob(blobs, name, O_WRONLY | O_APPEND, &fd, &info, err);

	if (r < 0)
		return r;
	/* Asked explicitly: root may write to read-only files. */
	if (!(info.st_mode & S_IWUSR))
		return tl_err_set(err, TL_EACCES, "blob %s is sealed", name);
	*ret_size = (uint64_t)info.st_size;
	*ret_fd = tl_steal_fd(&fd);
	return 0;
}

int tl_blob_read(struct tl_blobs *blobs, const char *name, int *ret_fd, uint64_t *ret_size,
		 struct tl_err *err)
{
	struct stat info;
	int r = open_blob(blobs, name, O_RDONLY, ret_fd, &info, err);

	if (r == 0)
		*ret_size = (uint64_t)info.st_size;
	return r;
}

int tl_blob_seal(struct tl_blobs *blobs, const char *name, struct tl_err *err)
{
	struct stat info;
	tl_fd int fd = -1;
	int r = open_blob(blobs, name, O_RDONLY, &fd, &info, err);

	if (r < 0)
		return r;
	/* The bytes first: a file that is read-only is whole. */
	if (fsync(fd) < 0 || fchmod(fd, 0400) < 0 || fsync(fd) < 0)
		return tl_err_sys(err, TL_EIO, errno, "blob %s", name);
	return 0;
}

int tl_blob_remove(struct tl_blobs *blobs, const char *name, struct tl_err *err)
{
	tl_fd int dir_fd = -1;
	int r = place(blobs, name, false, &dir_fd, err);

	if (r == TL_ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
		return tl_err_sys(err, TL_EIO, errno, "blob %s", name);
	if (fsync(dir_fd) < 0)
		return tl_err_sys(err, TL_EIO, errno, "blob %s", name);
	return 0;
}
