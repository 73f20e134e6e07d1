#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <towline/fs.h>
#include <towline/id.h>
#include <towline/str.h>

#include "packed.h"

#define DEPTH_MAX 64
#define RATIO_FREE_BYTES (1024 * 1024)

const struct tl_bundle_limits tl_bundle_limits_default = {
	.max_packed_bytes = UINT64_C(1) << 30,
	.max_unpacked_bytes = UINT64_C(16) << 30,
	.max_members = 100000,
	.max_ratio = 1000,
};

struct walk {
	struct archive *archive;
	struct packed *packed;
	const struct tl_bundle_limits *limits;
	const struct tl_bundle_visitor *visitor;
	struct walk_totals totals;
	json_t *seen; /* paths as members */
};

static inline void archive_auto_(struct archive **archive)
{
	archive_read_free(*archive);
}

/* libarchive's own words name no remedy; a fault of reading is told as it happened. */
static int archive_fault(const struct walk *walk, struct tl_err *err)
{
	const char *text = archive_error_string(walk->archive);

	if (walk->packed->fault.code)
		return tl_err_set(err, walk->packed->fault.code, "%s",
				  tl_err_text(&walk->packed->fault));
	return tl_err_set(err, TL_EINVAL, "the bundle is damaged or cut short: %s",
			  text ? text : "no reason given");
}

static int check_amounts(const struct walk *walk, struct tl_err *err)
{
	uint64_t unpacked = (uint64_t)archive_filter_bytes(walk->archive, 0);
	uint64_t packed = walk->packed->bytes;

	if (unpacked > walk->limits->max_unpacked_bytes)
		return tl_err_set(err, TL_ETOOBIG, "the bundle unpacks to more than %llu bytes",
				  (unsigned long long)walk->limits->max_unpacked_bytes);
	if (unpacked > RATIO_FREE_BYTES && unpacked / walk->limits->max_ratio > packed)
		return tl_err_set(err, TL_ETOOBIG,
				  "the bundle unpacks to more than %llu times its size",
				  (unsigned long long)walk->limits->max_ratio);
	return 0;
}

static bool is_plain(const char *path)
{
	size_t depth = 0;

	for (; *path; path++) {
		if (*path < 0x20 || *path > 0x7e)
			return false;
		depth += *path == '/';
	}
	return depth <= DEPTH_MAX;
}

/* The first component is the bundle's id, the same in each member. */
static int check_top(struct walk *walk, const char *path, struct tl_err *err)
{
	size_t len = strcspn(path, "/");
	char id[sizeof walk->totals.id];

	if (len != sizeof id - 1)
		return tl_err_set(err, TL_EINVAL,
				  "a member lies outside the bundle's top directory");
	memcpy(id, path, len);
	id[len] = '\0';
	if (!tl_id_is_valid(id))
		return tl_err_set(err, TL_EINVAL, "the top directory is not a bundle's id");
	if (!walk->totals.id[0])
		memcpy(walk->totals.id, id, sizeof id);
	if (!tl_streq(walk->totals.id, id))
		return tl_err_set(err, TL_EINVAL, "the bundle has two top directories");
	return 0;
}

/* Checks a member's name and gives the part below the top directory ("" for that itself). */
static int check_path(struct walk *walk, struct archive_entry *entry, bool is_dir, char *path,
		      const char **ret_below, struct tl_err *err)
{
	const char *name = archive_entry_pathname(entry);
	size_t len = name ? strlen(name) : 0;

	if (len == 0 || len >= TL_BUNDLE_PATH_MAX)
		return tl_err_set(err, TL_EINVAL, "a member's path is empty, too long or not text");
	memcpy(path, name, len + 1);
	if (is_dir && path[len - 1] == '/')
		path[--len] = '\0';
	if (!tl_path_is_safe(path) || !is_plain(path))
		return tl_err_set(err, TL_EINVAL, "unsafe path in the bundle: %.200s", path);
	if (check_top(walk, path, err) < 0)
		return TL_EINVAL;
	if (json_object_get(walk->seen, path))
		return tl_err_set(err, TL_EINVAL, "the bundle has %.200s twice", path);
	if (json_object_set_new(walk->seen, path, json_true()) < 0)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle's paths");
	*ret_below = path + strcspn(path, "/");
	*ret_below += **ret_below == '/';
	return 0;
}

static int check_kind(struct archive_entry *entry, struct tl_err *err)
{
	mode_t type = archive_entry_filetype(entry);
	const char *name = archive_entry_pathname(entry);

	if (archive_entry_hardlink(entry) || archive_entry_symlink(entry))
		return tl_err_set(err, TL_EINVAL, "the bundle holds a link: %.200s",
				  name ? name : "");
	if (type != AE_IFREG && type != AE_IFDIR)
		return tl_err_set(err, TL_EINVAL,
				  "the bundle holds a device or other special file: %.200s",
				  name ? name : "");
	if (archive_entry_sparse_count(entry) > 0)
		return tl_err_set(err, TL_EINVAL, "the bundle holds a sparse file: %.200s",
				  name ? name : "");
	if (archive_entry_size(entry) < 0)
		return tl_err_set(err, TL_EINVAL, "a member's size is negative");
	return 0;
}

static int walk_data(struct walk *walk, uint64_t size, struct tl_err *err)
{
	const struct tl_bundle_visitor *visitor = walk->visitor;
	uint64_t at = 0;

	for (;;) {
		const void *bytes;
		size_t len;
		la_int64_t offset;
		int status = archive_read_data_block(walk->archive, &bytes, &len, &offset);
		int r;

		if (status == ARCHIVE_EOF)
			break;
		if (status != ARCHIVE_OK)
			return archive_fault(walk, err);
		if ((uint64_t)offset != at)
			return tl_err_set(err, TL_EINVAL, "the bundle holds a sparse file");
		at += len;
		r = check_amounts(walk, err);
		if (r == 0 && len > 0 && visitor->data)
			r = visitor->data(visitor->arg, bytes, len, err);
		if (r < 0)
			return r;
	}
	if (at != size)
		return tl_err_set(err, TL_EINVAL, "a member is shorter than its header says");
	return visitor->data ? visitor->data(visitor->arg, NULL, 0, err) : 0;
}

static int walk_member(struct walk *walk, struct archive_entry *entry, struct tl_err *err)
{
	char path[TL_BUNDLE_PATH_MAX];
	bool is_dir = archive_entry_filetype(entry) == AE_IFDIR;
	struct tl_bundle_member member = {
		.size = (uint64_t)archive_entry_size(entry),
		.mode = archive_entry_perm(entry) & 0777,
		.mtime_s = archive_entry_mtime(entry),
	};
	int r = check_kind(entry, err);

	if (r == 0)
		r = check_path(walk, entry, is_dir, path, &member.path, err);
	if (r == 0)
		r = check_amounts(walk, err);
	if (r == 0 && ++walk->totals.members > walk->limits->max_members)
		r = tl_err_set(err, TL_ETOOBIG, "the bundle has more than %llu members",
			       (unsigned long long)walk->limits->max_members);
	if (r || is_dir)
		return r;
	if (!*member.path)
		return tl_err_set(err, TL_EINVAL, "the top directory is a file");
	walk->totals.unpacked_bytes += member.size;
	if (walk->visitor->member)
		r = walk->visitor->member(walk->visitor->arg, &member, err);
	return r < 0 ? r : walk_data(walk, member.size, err);
}

static int walk_members(struct walk *walk, struct tl_err *err)
{
	for (;;) {
		struct archive_entry *entry;
		int status = archive_read_next_header(walk->archive, &entry);
		int r;

		if (status == ARCHIVE_EOF)
			return 0;
		if (status != ARCHIVE_OK)
			return archive_fault(walk, err);
		if (archive_filter_code(walk->archive, 0) != ARCHIVE_FILTER_ZSTD ||
		    archive_filter_count(walk->archive) != 2)
			return tl_err_set(err, TL_EINVAL, "the bundle is not compressed with zstd");
		r = walk_member(walk, entry, err);
		if (r < 0)
			return r;
	}
}

int bundle_walk(struct packed *packed, const struct tl_bundle_limits *limits,
		const struct tl_bundle_visitor *visitor, struct walk_totals *ret_totals,
		struct tl_err *err)
{
	tl_cleanup(archive_auto_) struct archive *archive = archive_read_new();
	tl_json *seen = json_object();
	struct walk walk = {
		.archive = archive,
		.packed = packed,
		.limits = limits,
		.visitor = visitor,
		.seen = seen,
	};
	int r;

	if (!archive || !seen)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle");
	packed->max_bytes = limits->max_packed_bytes;
	r = bundle_packed_open(packed, archive, err);
	if (r == 0)
		r = walk_members(&walk, err);
	if (r == 0)
		r = bundle_packed_drain(packed, err);
	if (r < 0)
		return r;
	if (walk.totals.members == 0)
		return tl_err_set(err, TL_EINVAL, "the bundle is empty");
	*ret_totals = walk.totals;
	return 0;
}

int tl_bundle_walk(int fd, const struct tl_bundle_limits *limits,
		   const struct tl_bundle_visitor *visitor, struct tl_err *err)
{
	tl_free struct packed *packed = calloc(1, sizeof *packed);
	struct walk_totals totals;

	if (!packed)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle");
	packed->fd = fd;
	return bundle_walk(packed, limits, visitor, &totals, err);
}
