/* The durable half of towline/fs.h: whole files that a crash leaves either old or new. */
#include <towline/fs.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/crypto.h>
#include <towline/str.h>

#define NAME_MAX_BYTES 256
#define SUFFIX_RANDOM 6

/* Where a file stands: its directory, and its name in it. */
struct place {
	int dir_fd;
	const char *name;
};

static void place_clear(struct place *place)
{
	if (place->dir_fd >= 0)
		close(place->dir_fd);
}
TL_DEFINE_AUTO(place, place_clear);

static int open_parent(int dir_fd, const char *path, size_t len, int *ret_fd, struct tl_err *err)
{
	tl_free char *parent =
		len ? strndup(path, len) : strdup(dir_fd == AT_FDCWD && *path == '/' ? "/" : ".");
	int fd;

	if (!parent)
		return TL_ENOMEM;
	if (len && dir_fd != AT_FDCWD)
		return tl_fs_open_at(dir_fd, parent, O_RDONLY | O_DIRECTORY, 0, ret_fd, err);
	fd = openat(dir_fd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot open directory %s", parent);
	*ret_fd = fd;
	return 0;
}

static int find_place(int dir_fd, const char *path, struct place *ret_place, struct tl_err *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	if (!tl_path_is_safe(name) || (dir_fd != AT_FDCWD && !tl_path_is_safe(path)))
		return tl_err_set(err, TL_EACCES, "path \"%s\" would leave its directory", path);
	ret_place->name = name;
	return open_parent(dir_fd, path, slash ? (size_t)(slash - path) : 0, &ret_place->dir_fd,
			   err);
}

static int sync_dir(const struct place *place, const char *path, struct tl_err *err)
{
	if (fsync(place->dir_fd) < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot sync the directory of %s", path);
	return 0;
}

/* The mode is set by fchmod: what the umask takes away is not what the caller asked for. */
static int fill_temporary(const struct place *place, const char *temporary, mode_t mode,
			  const void *bytes, size_t len, struct tl_err *err)
{
	tl_fd int fd = openat(place->dir_fd, temporary,
			      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int outcome;

	if (fd < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot create a temporary file");
	if (fchmod(fd, mode) < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot set the mode");
	outcome = tl_fs_write_all(fd, bytes, len, err);
	if (outcome)
		return outcome;
	if (fsync(fd) < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot sync");
	/* Network file systems report a failed write only here. */
	if (close(tl_steal_fd(&fd)) < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot close");
	return 0;
}

static int put_in_place(const struct place *place, const char *temporary, bool replace,
			struct tl_err *err)
{
	if (replace) {
		if (renameat(place->dir_fd, temporary, place->dir_fd, place->name) == 0)
			return 0;
		return tl_err_sys(err, TL_EIO, errno, "cannot rename into place");
	}
	if (linkat(place->dir_fd, temporary, place->dir_fd, place->name, 0) < 0)
		return errno == EEXIST ? tl_err_set(err, TL_EEXIST, "the file exists already")
				       : tl_err_sys(err, TL_EIO, errno, "cannot link into place");
	unlinkat(place->dir_fd, temporary, 0);
	return 0;
}

static int write_durably(int dir_fd, const char *path, mode_t mode, const void *bytes, size_t len,
			 bool replace, struct tl_err *err)
{
	tl_auto(place) struct place place = {.dir_fd = -1};
	char temporary[NAME_MAX_BYTES], suffix[2 * SUFFIX_RANDOM + 1];
	uint8_t random[SUFFIX_RANDOM];
	int outcome = find_place(dir_fd, path, &place, err);

	if (outcome)
		return outcome;
	tl_random(random, sizeof random);
	tl_hex_encode(random, sizeof random, suffix);
	snprintf(temporary, sizeof temporary, ".%.200s.%s", place.name, suffix);
	outcome = fill_temporary(&place, temporary, mode, bytes, len, err);
	if (!outcome)
		outcome = put_in_place(&place, temporary, replace, err);
	if (outcome) {
		unlinkat(place.dir_fd, temporary, 0);
		if (err)
			tl_err_prefix(err, "cannot write %s", path);
		return outcome;
	}
	return sync_dir(&place, path, err);
}

int tl_fs_write_file(int dir_fd, const char *path, mode_t mode, const void *bytes, size_t len,
		     struct tl_err *err)
{
	return write_durably(dir_fd, path, mode, bytes, len, true, err);
}

int tl_fs_create_file(int dir_fd, const char *path, mode_t mode, const void *bytes, size_t len,
		      struct tl_err *err)
{
	return write_durably(dir_fd, path, mode, bytes, len, false, err);
}

int tl_fs_remove(int dir_fd, const char *path, struct tl_err *err)
{
	tl_auto(place) struct place place = {.dir_fd = -1};
	int outcome = find_place(dir_fd, path, &place, err);

	if (outcome)
		return outcome == TL_ENOENT ? 0 : outcome;
	if (unlinkat(place.dir_fd, place.name, 0) < 0 && errno != ENOENT)
		return tl_err_sys(err, TL_EIO, errno, "cannot remove %s", path);
	return sync_dir(&place, path, err);
}
