#include <towline/fs.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

bool tl_path_is_safe(const char *path)
{
	if (*path == '\0' || strchr(path, '\\'))
		return false;
	for (;;) {
		size_t len = strcspn(path, "/");

		if (len == 0 || (len == 1 && path[0] == '.') ||
		    (len == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (path[len] == '\0')
			return true;
		path += len + 1;
	}
}

/* For kernels before 5.6, and for sandboxes that answer ENOSYS: one component at a time, none of
 * them through a link. */
static int walk(int dir_fd, const char *path, int flags, mode_t mode)
{
	tl_fd int parent = openat(dir_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	while (parent >= 0) {
		size_t len = strcspn(path, "/");
		char name[256];
		int next;

		if (path[len] == '\0')
			return openat(parent, path, flags | O_NOFOLLOW | O_CLOEXEC, mode);
		if (len >= sizeof name) {
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(name, path, len);
		name[len] = '\0';
		next = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close(parent);
		parent = next;
		path += len + 1;
	}
	return -1;
}

static int open_beneath(int dir_fd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (unsigned)(flags | O_CLOEXEC | O_NOFOLLOW),
		.mode = flags & O_CREAT ? mode & 07777 : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof how);

	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = walk(dir_fd, path, flags, mode);
	return fd;
}

int tl_fs_open_at(int dir_fd, const char *path, int flags, mode_t mode, int *ret_fd,
		  struct tl_err *err)
{
	int fd;

	if (!tl_path_is_safe(path))
		return tl_err_set(err, TL_EACCES, "path \"%s\" would leave its directory", path);
	fd = open_beneath(dir_fd, path, flags, mode);
	if (fd < 0 && (errno == ELOOP || errno == EXDEV))
		return tl_err_set(err, TL_EACCES, "path \"%s\" goes through a link", path);
	if (fd < 0)
		return tl_err_sys(err, errno == EEXIST ? TL_EEXIST : TL_EIO, errno,
				  "cannot open %s", path);
	*ret_fd = fd;
	return 0;
}

int tl_fs_make_dir(const char *path, mode_t mode, int *ret_fd, struct tl_err *err)
{
	tl_free char *copy = strdup(path);
	int fd;

	if (!copy)
		return TL_ENOMEM;
	for (char *at = copy + 1; *copy && *at; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
			return tl_err_sys(err, TL_EIO, errno, "cannot create directory %s", copy);
		*at = '/';
	}
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return tl_err_sys(err, TL_EIO, errno, "cannot create directory %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot open directory %s", path);
	*ret_fd = fd;
	return 0;
}

/* Any path below AT_FDCWD, a safe one below a descriptor. */
static int open_any(int dir_fd, const char *path, int flags, mode_t mode, int *ret_fd,
		    struct tl_err *err)
{
	int fd;

	if (dir_fd != AT_FDCWD)
		return tl_fs_open_at(dir_fd, path, flags, mode, ret_fd, err);
	fd = open(path, flags | O_CLOEXEC, mode);
	if (fd < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot open %s", path);
	*ret_fd = fd;
	return 0;
}

static int read_to_end(int fd, const char *path, struct tl_buf *out, struct tl_err *err)
{
	for (;;) {
		size_t left = out->max - out->len;
		size_t piece = left < 65536 ? left : 65536;
		char probe = 0, *at = piece ? tl_buf_reserve(out, piece) : &probe;
		ssize_t got;

		if (!at)
			return tl_err_set(err, TL_ENOMEM, "no memory to read %s", path);
		got = read(fd, at, piece ? piece : 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return tl_err_sys(err, TL_EIO, errno, "cannot read %s", path);
		if (got == 0)
			return 0;
		if (piece == 0)
			return tl_err_set(err, TL_ETOOBIG, "%s is larger than %zu bytes", path,
					  out->max);
		tl_buf_commit(out, (size_t)got);
	}
}

static int read_regular(int dir_fd, const char *path, bool secret, struct tl_buf *out,
			struct tl_err *err)
{
	tl_fd int fd = -1;
	struct stat st;
	/* O_NONBLOCK: a FIFO must not hold the caller until the check below refuses it. */
	int outcome = open_any(dir_fd, path, O_RDONLY | O_NONBLOCK, 0, &fd, err);

	if (outcome)
		return outcome;
	if (fstat(fd, &st) < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot read %s", path);
	if (!S_ISREG(st.st_mode))
		return tl_err_set(err, TL_EINVAL, "%s is not a regular file", path);
	if (secret)
		outcome = tl_fs_check_secret(fd, path, err);
	return outcome ? outcome : read_to_end(fd, path, out, err);
}

int tl_fs_read_file(int dir_fd, const char *path, struct tl_buf *out, struct tl_err *err)
{
	return read_regular(dir_fd, path, false, out, err);
}

int tl_fs_read_secret(int dir_fd, const char *path, struct tl_buf *out, struct tl_err *err)
{
	return read_regular(dir_fd, path, true, out, err);
}

int tl_fs_write_all(int fd, const void *bytes, size_t len, struct tl_err *err)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t put = write(fd, at, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return tl_err_sys(err, TL_EIO, errno, "cannot write");
		at += put;
		len -= (size_t)put;
	}
	return 0;
}

int tl_fs_check_secret(int fd, const char *path, struct tl_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot examine %s", path);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return tl_err_set(err, TL_EACCES,
				  "%s belongs to another user (uid %ju): chown it to this one",
				  path, (uintmax_t)st.st_uid);
	if (st.st_mode & 077)
		return tl_err_set(err, TL_EACCES, "%s is open to other users: chmod 600 %s", path,
				  path);
	return 0;
}

int tl_fs_lock(int dir_fd, const char *path, int *ret_fd, struct tl_err *err)
{
	tl_fd int fd = -1;
	int outcome = open_any(dir_fd, path, O_RDWR | O_CREAT, 0600, &fd, err);

	if (outcome)
		return outcome;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			       ? tl_err_set(err, TL_EBUSY, "%s is locked by another process", path)
			       : tl_err_sys(err, TL_EIO, errno, "cannot lock %s", path);
	*ret_fd = tl_steal_fd(&fd);
	return 0;
}
