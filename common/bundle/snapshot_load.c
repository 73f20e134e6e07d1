/* Where snapshots come from: bundles, directories of unpacked ones, single files. */
#include "snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/bundle.h>
#include <towline/bundle_inspect.h>
#include <towline/fs.h>
#include <towline/str.h>

#define DEPTH_MAX 4 /* of directories below snapshot/ */
#define FILES_MAX 4096

struct load {
	struct tl_snapshot *snapshot;
	struct tl_buf text;
	bool wanted;
	char path[TL_BUNDLE_PATH_MAX];
	uint64_t total;
	size_t files;
};

static void load_clear(struct load *load)
{
	tl_buf_clear(&load->text);
	tl_snapshot_free(load->snapshot);
}
TL_DEFINE_AUTO(load, load_clear);

static int take(struct load *load, struct tl_err *err)
{
	load->total += load->text.len;
	if (tl_buf_check(&load->text) < 0)
		return tl_err_set(err, TL_ETOOBIG, "%.200s is larger than %u bytes", load->path,
				  SNAPSHOT_MEMBER_MAX);
	if (load->total > SNAPSHOT_TOTAL_MAX || ++load->files > FILES_MAX)
		return tl_err_set(err, TL_ETOOBIG, "the snapshot is larger than %u bytes",
				  SNAPSHOT_TOTAL_MAX);
	return snapshot_add(load->snapshot, load->path, tl_buf_str(&load->text), load->text.len,
			    err);
}

/* ---- from a bundle ---------------------------------------------------------------------------- */

static int on_member(void *arg, const struct tl_bundle_member *member, struct tl_err *err)
{
	struct load *load = arg;

	(void)err;
	load->wanted = snapshot_wants(member->path);
	snprintf(load->path, sizeof load->path, "%s", member->path);
	tl_buf_reset(&load->text);
	return 0;
}

static int on_data(void *arg, const void *bytes, size_t len, struct tl_err *err)
{
	struct load *load = arg;

	if (!load->wanted)
		return 0;
	if (!bytes)
		return take(load, err);
	tl_buf_append(&load->text, bytes, len);
	return 0;
}

static int load_bundle(struct load *load, int fd, struct tl_err *err)
{
	struct tl_bundle_visitor visitor = {on_member, on_data, load};
	tl_auto(tl_bundle_facts) struct tl_bundle_facts facts = {.members = 0};
	int r = tl_bundle_check(fd, &tl_bundle_limits_default, &facts, err);

	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = tl_err_sys(err, TL_EIO, errno, "the bundle cannot be read again");
	return r < 0 ? r : tl_bundle_walk(fd, &tl_bundle_limits_default, &visitor, err);
}

/* ---- from a directory ------------------------------------------------------------------------- */

static int load_member(struct load *load, int dir_fd, const char *path, struct tl_err *err)
{
	int r;

	snprintf(load->path, sizeof load->path, "%s", path);
	tl_buf_reset(&load->text);
	r = tl_fs_read_file(dir_fd, path, &load->text, err);
	return r < 0 ? r : take(load, err);
}

static inline void dir_auto_(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static int load_below(struct load *load, int top_fd, const char *path, size_t depth,
		      struct tl_err *err)
{
	tl_cleanup(dir_auto_) DIR *dir = NULL;
	const struct dirent *entry;
	int fd = -1;
	int r = tl_fs_open_at(top_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, &fd, err);

	if (r < 0)
		return r;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return tl_err_sys(err, TL_EIO, errno, "%s cannot be read", path);
	}
	while (r == 0 && (entry = readdir(dir))) {
		char below[TL_BUNDLE_PATH_MAX];
		struct stat st;

		if (entry->d_name[0] == '.' ||
		    snprintf(below, sizeof below, "%s/%s", path, entry->d_name) >=
			    (int)sizeof below ||
		    fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
			r = load_below(load, top_fd, below, depth + 1, err);
		else if (S_ISREG(st.st_mode) && snapshot_wants(below))
			r = load_member(load, top_fd, below, err);
	}
	return r;
}

static int load_directory(struct load *load, int fd, struct tl_err *err)
{
	int r = load_member(load, fd, "INDEX.json", err);

	return r < 0 ? r : load_below(load, fd, "snapshot", 0, err);
}

/* ---- from one file ---------------------------------------------------------------------------- */

int tl_snapshot_parse(const char *name, const char *text, size_t len,
		      struct tl_snapshot **ret_snapshot, struct tl_err *err)
{
	tl_auto(load) struct load load = {.snapshot = snapshot_new()};
	int r;

	if (!load.snapshot)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the snapshot");
	r = snapshot_add(load.snapshot, name, text, len, err);
	if (r == 0)
		*ret_snapshot = tl_steal(&load.snapshot);
	return r;
}

/* A snapshot that stands alone is called as in a bundle: by what is in it. */
static int load_file(struct load *load, int fd, const char *path, struct tl_err *err)
{
	tl_json *json = NULL;
	const char *base = strrchr(path, '/');
	char piece[16384];
	ssize_t n;
	int r;

	while ((n = read(fd, piece, sizeof piece)) > 0)
		tl_buf_append(&load->text, piece, (size_t)n);
	if (n < 0)
		return tl_err_sys(err, TL_EIO, errno, "%s cannot be read", path);
	snprintf(load->path, sizeof load->path, "snapshot/%s", base ? base + 1 : path);
	if (!tl_str_ends(load->path, ".tsv")) {
		r = tl_json_parse(tl_buf_str(&load->text), load->text.len, &json, err);
		if (r < 0)
			return tl_err_prefix(err, "%s", path);
		if (json_object_get(json, "facts"))
			snprintf(load->path, sizeof load->path, "snapshot/health.json");
	}
	return take(load, err);
}

/* JSON begins with its brace, a bundle with the magic number of zstd or of CMS. */
static bool begins_like_json(int fd)
{
	char first = 0;

	return pread(fd, &first, 1, 0) == 1 && (first == '{' || first == ' ' || first == '\n');
}

static int load_any(struct load *load, const char *path, const struct tl_unseal_key *key,
		    struct tl_err *err)
{
	tl_fd int fd = open(path, O_RDONLY | O_CLOEXEC), bundle = -1;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) != 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot open %s", path);
	if (S_ISDIR(st.st_mode)) {
		r = load_directory(load, fd, err);
		if (r < 0)
			tl_err_prefix(err, "%s", path);
		return r;
	}
	if (tl_str_ends(path, ".tsv") || begins_like_json(fd))
		return load_file(load, fd, path, err);
	r = tl_bundle_reopen(fd, path, key, &bundle, err);
	if (r < 0)
		return r;
	r = load_bundle(load, bundle, err);
	if (r < 0) /* which of the two */
		tl_err_prefix(err, "%s", path);
	return r;
}

int tl_snapshot_load(const char *path, const struct tl_unseal_key *key,
		     struct tl_snapshot **ret_snapshot, struct tl_err *err)
{
	tl_auto(load) struct load load = {.snapshot = snapshot_new()};
	int r;

	if (!load.snapshot)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the snapshot");
	tl_buf_init(&load.text, SNAPSHOT_MEMBER_MAX);
	r = load_any(&load, path, key, err);
	if (r == 0 && json_object_size(load.snapshot->matters) == 0)
		r = tl_err_set(err, TL_EINVAL, "%s holds no snapshot", path);
	if (r == 0)
		*ret_snapshot = tl_steal(&load.snapshot);
	return r;
}
