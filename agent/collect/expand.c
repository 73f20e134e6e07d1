#include "collect/expand.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define STOP_EVERY 512
#define DEPTH_MAX 32

struct expansion {
	struct expand_list *list;
	bool (*stop)(void *arg);
	void *arg;
	bool stopped;
	char path[PATH_MAX];
};

bool expand_is_glob(const char *pattern)
{
	return strpbrk(pattern, "*?[") != NULL;
}

int expand_by_age(const void *a, const void *b)
{
	const struct expand_file *x = a, *y = b;

	if (x->mtime_ns != y->mtime_ns)
		return x->mtime_ns > y->mtime_ns ? -1 : 1;
	return strcmp(x->path, y->path);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct expand_file *)a)->path, ((const struct expand_file *)b)->path);
}

/* Drops the older half. */
static void thin(struct expand_list *list)
{
	size_t half = list->count / 2;

	qsort(list->items, list->count, sizeof *list->items, expand_by_age);
	for (size_t i = half; i < list->count; i++)
		free(list->items[i].path);
	list->count = half;
	list->cut = true;
}

static void add(struct expand_list *list, const char *path, const struct stat *status)
{
	struct expand_file file = {
		.mtime_ns = status->st_mtim.tv_sec * 1000000000LL + status->st_mtim.tv_nsec,
		.size = status->st_size,
		.dev = status->st_dev,
		.ino = status->st_ino,
	};

	if (list->count == EXPAND_FOUND_MAX)
		thin(list);
	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 64;
		struct expand_file *items = realloc(list->items, room * sizeof *items);

		if (!items)
			return;
		list->items = items;
		list->room = room;
	}
	file.path = strdup(path);
	if (file.path)
		list->items[list->count++] = file;
}

void expand_add(struct expand_list *list, const char *path)
{
	struct stat status;

	if (lstat(path, &status) == 0)
		add(list, path, &status);
}

static bool is_over(struct expansion *expansion)
{
	struct expand_list *list = expansion->list;

	if (list->seen++ >= EXPAND_SEEN_MAX ||
	    (list->seen % STOP_EVERY == 0 && expansion->stop && expansion->stop(expansion->arg)))
		expansion->stopped = list->cut = true;
	return expansion->stopped;
}

static void walk(struct expansion *expansion, size_t len, const char *pattern, int depth);

/* Goes on below the name that was appended to the path, or takes it when the pattern ends there. */
static void descend(struct expansion *expansion, size_t len, const char *rest, int depth)
{
	if (*rest)
		walk(expansion, len, rest, depth + 1);
	else
		expand_add(expansion->list, expansion->path);
}

static void match_entries(struct expansion *expansion, size_t len, const char *part,
			  const char *rest, int depth)
{
	DIR *dir;

	memcpy(expansion->path + len, "/.", 3);
	dir = opendir(expansion->path);
	if (!dir)
		return;
	for (const struct dirent *entry = readdir(dir); entry && !is_over(expansion);
	     entry = readdir(dir)) {
		size_t name_len = strlen(entry->d_name);

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    fnmatch(part, entry->d_name, FNM_PERIOD) != 0 ||
		    len + 1 + name_len >= sizeof expansion->path)
			continue;
		if (*rest && entry->d_type != DT_DIR && entry->d_type != DT_LNK &&
		    entry->d_type != DT_UNKNOWN)
			continue;
		expansion->path[len] = '/';
		memcpy(expansion->path + len + 1, entry->d_name, name_len + 1);
		descend(expansion, len + 1 + name_len, rest, depth);
	}
	closedir(dir);
}

/* `pattern` is what is left below the first `len` bytes of the path; it begins with '/'. */
static void walk(struct expansion *expansion, size_t len, const char *pattern, int depth)
{
	const char *part = pattern + strspn(pattern, "/");
	size_t part_len = strcspn(part, "/");
	const char *rest = part + part_len;
	char name[NAME_MAX + 1];

	if (part_len == 0 || part_len >= sizeof name || depth > DEPTH_MAX ||
	    len + part_len + 3 > sizeof expansion->path || expansion->stopped)
		return;
	memcpy(name, part, part_len);
	name[part_len] = '\0';
	if (expand_is_glob(name)) {
		match_entries(expansion, len, name, rest, depth);
		return;
	}
	expansion->path[len] = '/';
	memcpy(expansion->path + len + 1, name, part_len + 1);
	descend(expansion, len + 1 + part_len, rest, depth);
}

void expand_glob(struct expand_list *list, const char *pattern, bool (*stop)(void *arg), void *arg)
{
	struct expansion expansion = {.list = list, .stop = stop, .arg = arg};
	size_t before = list->count;

	walk(&expansion, 0, pattern, 0);
	if (list->count > before && !list->cut)
		qsort(list->items + before, list->count - before, sizeof *list->items, by_name);
	else if (list->cut && list->count > 0)
		qsort(list->items, list->count, sizeof *list->items, by_name);
}

void expand_list_clear(struct expand_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].path);
	free(list->items);
	*list = (struct expand_list){.items = NULL};
}
