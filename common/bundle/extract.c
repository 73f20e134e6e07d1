#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/bundle.h>
#include <towline/bundle_inspect.h>
#include <towline/fs.h>

struct extract {
	int directory;
	int file; /* of the member that is read now */
};

/* Makes the directories above `path`, one below the other. */
static int make_parents(int directory, const char *path, struct tl_err *err)
{
	char part[TL_BUNDLE_PATH_MAX];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		size_t len = (size_t)(slash - path);
		const char *leaf;
		tl_fd int parent = -1;
		int r;

		memcpy(part, path, len);
		part[len] = '\0';
		leaf = strrchr(part, '/');
		if (leaf) {
			part[leaf - part] = '\0';
			r = tl_fs_open_at(directory, part, O_RDONLY | O_DIRECTORY, 0, &parent, err);
			if (r < 0)
				return r;
		}
		if (mkdirat(leaf ? parent : directory, leaf ? leaf + 1 : part, 0700) < 0 &&
		    errno != EEXIST)
			return tl_err_sys(err, TL_EIO, errno,
					  "the directory of %.200s cannot be made", path);
	}
	return 0;
}

static int on_member(void *arg, const struct tl_bundle_member *member, struct tl_err *err)
{
	struct extract *extract = arg;
	int r = make_parents(extract->directory, member->path, err);

	if (r < 0)
		return r;
	r = tl_fs_open_at(extract->directory, member->path, O_WRONLY | O_CREAT | O_EXCL, 0600,
			  &extract->file, err);
	if (r < 0)
		tl_err_prefix(err, "%.200s", member->path);
	return r;
}

static int on_data(void *arg, const void *bytes, size_t len, struct tl_err *err)
{
	struct extract *extract = arg;

	if (bytes)
		return tl_fs_write_all(extract->file, bytes, len, err);
	if (close(tl_steal_fd(&extract->file)) < 0)
		return tl_err_sys(err, TL_EIO, errno, "an extracted file cannot be written");
	return 0;
}

int tl_bundle_extract(int fd, const char *directory, struct tl_err *err)
{
	tl_fd int dir_fd = -1;
	struct extract extract = {.file = -1};
	struct tl_bundle_visitor visitor = {.member = on_member, .data = on_data, .arg = &extract};
	int r = tl_fs_make_dir(directory, 0700, &dir_fd, err);

	if (r < 0)
		return r;
	extract.directory = dir_fd;
	r = tl_bundle_walk(fd, &tl_bundle_limits_default, &visitor, err);
	if (extract.file >= 0)
		close(extract.file);
	return r;
}
