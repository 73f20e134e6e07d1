/* Globs, bounded: a directory of a million files costs neither their memory nor the row's time.
 * Private to agent/collect. */
#ifndef TOWLINE_COLLECT_EXPAND_H
#define TOWLINE_COLLECT_EXPAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <towline/attr.h>

#define EXPAND_FOUND_MAX 20000 /* kept; of more files the newest */
#define EXPAND_SEEN_MAX 400000 /* looked at */

struct expand_file {
	char *path; /* full */
	int64_t mtime_ns;
	int64_t size;
	dev_t dev;
	ino_t ino;
};

struct expand_list {
	struct expand_file *items;
	size_t count, room;
	unsigned seen;
	bool cut; /* there are more */
};

/* What a pattern's * ? [ ] match, as glob(3) would find it, sorted by name. A name that is not there
 * is left out; links are named, not followed, at the end of a path. */
void expand_glob(struct expand_list *list, const char *pattern, bool (*stop)(void *arg), void *arg);
/* Adds one file by its name, if it is there. */
void expand_add(struct expand_list *list, const char *path);
bool expand_is_glob(const char *pattern);

/* Newest first, by name where that is the same. */
int expand_by_age(const void *a, const void *b);
void expand_list_clear(struct expand_list *list);
TL_DEFINE_AUTO(expand_list, expand_list_clear);

#endif
