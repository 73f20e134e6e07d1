#include "match/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <hs/hs.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/fs.h>
#include <towline/str.h>

#define MAGIC "towline-match-1"
#define FILE_NAME_SIZE 64

struct header {
	char magic[sizeof MAGIC];
	uint8_t key[TL_SHA256_LEN];
	uint8_t digest[TL_SHA256_LEN]; /* of what follows */
	uint64_t size;
};

static void add(struct tl_sha256 *hash, const void *bytes, size_t len)
{
	uint64_t size = len;

	tl_sha256_update(hash, &size, sizeof size);
	tl_sha256_update(hash, bytes, len);
}

static void add_text(struct tl_sha256 *hash, const char *text)
{
	add(hash, text ? text : "", text ? strlen(text) + 1 : 0);
}

int cache_key(const struct tl_match_pattern *patterns, size_t count,
	      uint8_t key[static TL_SHA256_LEN])
{
	tl_auto(tl_sha256) struct tl_sha256 *hash = tl_sha256_new();
	hs_platform_info_t platform = {0};

	if (!hash || hs_populate_platform(&platform) != HS_SUCCESS)
		return TL_ENOMEM;
	add_text(hash, MAGIC " " TOWLINE_VERSION);
	add_text(hash, hs_version());
	add(hash, &platform, sizeof platform);
	for (size_t i = 0; i < count; i++) {
		add_text(hash, patterns[i].expression);
		add_text(hash, patterns[i].instead);
		add(hash, &patterns[i].id, sizeof patterns[i].id);
		add(hash, &patterns[i].flags, sizeof patterns[i].flags);
	}
	tl_sha256_final(hash, key);
	return 0;
}

/* Nobody but root and we may have written it. */
static bool is_ours(int fd, mode_t type, struct stat *ret_stat)
{
	return fstat(fd, ret_stat) == 0 && (ret_stat->st_mode & S_IFMT) == type &&
	       (ret_stat->st_uid == 0 || ret_stat->st_uid == geteuid()) &&
	       !(ret_stat->st_mode & (S_IWGRP | S_IWOTH));
}

static void file_name(const uint8_t key[static TL_SHA256_LEN], char name[static FILE_NAME_SIZE])
{
	char hex[33];

	tl_hex_encode(key, 16, hex);
	snprintf(name, FILE_NAME_SIZE, "match-%s.db", hex);
}

static int read_exactly(int fd, char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t part = read(fd, bytes, len);

		if (part == 0 || (part < 0 && errno != EINTR))
			return TL_EIO;
		if (part > 0) {
			bytes += part;
			len -= (size_t)part;
		}
	}
	return 0;
}

static int read_body(int fd, const struct header *header, struct tl_buf *out)
{
	uint8_t digest[TL_SHA256_LEN];
	char *room = tl_buf_reserve(out, header->size);

	if (!room || read_exactly(fd, room, header->size) < 0)
		return TL_ENOENT;
	tl_sha256_of(room, header->size, digest);
	if (memcmp(digest, header->digest, sizeof digest) != 0)
		return TL_ENOENT;
	tl_buf_commit(out, header->size);
	return 0;
}

int cache_load(const char *dir, const uint8_t key[static TL_SHA256_LEN], struct tl_buf *out)
{
	tl_fd int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tl_fd int fd = -1;
	struct header header;
	struct stat facts;
	char name[FILE_NAME_SIZE];

	file_name(key, name);
	if (dir_fd < 0 || !is_ours(dir_fd, S_IFDIR, &facts))
		return TL_ENOENT;
	fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || !is_ours(fd, S_IFREG, &facts))
		return TL_ENOENT;
	if (read_exactly(fd, (char *)&header, sizeof header) < 0 ||
	    memcmp(header.magic, MAGIC, sizeof MAGIC) != 0 ||
	    memcmp(header.key, key, TL_SHA256_LEN) != 0 || header.size > TL_MATCH_DATABASE_MAX ||
	    (uint64_t)facts.st_size != sizeof header + header.size)
		return TL_ENOENT;
	return read_body(fd, &header, out);
}

/* Removes the oldest file when there are too many, whatever made them. */
static void make_room(int dir_fd)
{
	int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = copy >= 0 ? fdopendir(copy) : NULL;
	char oldest[NAME_MAX + 1] = "";
	time_t since = 0;
	const struct dirent *entry;
	unsigned count = 0;

	while (entries && (entry = readdir(entries))) {
		struct stat facts;

		if (!tl_str_starts(entry->d_name, "match-") ||
		    fstatat(dir_fd, entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		count++;
		if (!*oldest || facts.st_mtime < since) {
			snprintf(oldest, sizeof oldest, "%s", entry->d_name);
			since = facts.st_mtime;
		}
	}
	if (count >= CACHE_FILES_MAX)
		unlinkat(dir_fd, oldest, 0);
	if (entries)
		closedir(entries);
}

void cache_store(const char *dir, const uint8_t key[static TL_SHA256_LEN], const void *bytes,
		 size_t len)
{
	tl_auto(tl_buf) struct tl_buf file =
		TL_BUF_INIT(sizeof(struct header) + TL_MATCH_DATABASE_MAX);
	struct header header = {.magic = MAGIC, .size = len};
	tl_fd int dir_fd = -1;
	struct stat facts;
	char name[FILE_NAME_SIZE];

	if (tl_fs_make_dir(dir, 0700, &dir_fd, NULL) < 0 || !is_ours(dir_fd, S_IFDIR, &facts))
		return;
	memcpy(header.key, key, sizeof header.key);
	tl_sha256_of(bytes, len, header.digest);
	tl_buf_append(&file, &header, sizeof header);
	tl_buf_append(&file, bytes, len);
	file_name(key, name);
	make_room(dir_fd);
	if (tl_buf_check(&file) == 0 &&
	    tl_fs_write_file(dir_fd, name, 0600, file.data, file.len, NULL) < 0)
		return; /* a cache that fails costs time and nothing else */
}

const char *tl_match_cache_dir(char path[static PATH_MAX])
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int len = -1;

	if (cache && *cache == '/')
		len = snprintf(path, PATH_MAX, "%s/towline", cache);
	else if (geteuid() == 0)
		len = snprintf(path, PATH_MAX, "/var/cache/towline");
	else if (home && *home == '/')
		len = snprintf(path, PATH_MAX, "%s/.cache/towline", home);
	return len > 0 && len < PATH_MAX ? path : NULL;
}
