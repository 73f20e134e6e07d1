#include "collect/rotation.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <towline/str.h>

#include "collect/packed.h"

#define MARKS_MAX 3 /* app.log-20261123.1 has two */
#define DATE_DIGITS 8
#define COPIED_WITHIN_NS (60 * INT64_C(1000000000))

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Length of path[0..len] without a last ".1", "-20261123", "-2026-11-23", ".old"; `len` without one. */
static size_t without_mark(const char *path, size_t len)
{
	size_t at = len, digits = 0;

	if (len > 4 && memcmp(path + len - 4, ".old", 4) == 0)
		return len - 4;
	while (at > 0 && (is_digit(path[at - 1]) ||
			  (digits > 0 && (path[at - 1] == '-' || path[at - 1] == '_') && at > 1 &&
			   is_digit(path[at - 2])))) {
		at--;
		digits += is_digit(path[at]);
	}
	if (digits == 0 || at < 2 || !strchr(".-_", path[at - 1]) || path[at - 2] == '/')
		return len;
	/* "-5" belongs to a name more often than to a rotation */
	return path[at - 1] == '.' || digits >= DATE_DIGITS ? at - 1 : len;
}

size_t rotation_stem(const char *path)
{
	size_t len = packed_stem(path);

	for (int i = 0; i < MARKS_MAX; i++)
		len = without_mark(path, len);
	return len;
}

bool rotation_is_same(const char *a, const char *b)
{
	size_t len = rotation_stem(a);

	return len == rotation_stem(b) && memcmp(a, b, len) == 0;
}

static void drop(struct expand_list *list, size_t index)
{
	free(list->items[index].path);
	list->count--;
	memmove(&list->items[index], &list->items[index + 1],
		(list->count - index) * sizeof *list->items);
}

/* A glob's '*' must not make "x.log.conf" a rotation, nor name a file twice. */
static bool is_rotation_of(const struct expand_list *list, size_t index, const char *pattern)
{
	const char *path = list->items[index].path;
	char stem[PATH_MAX];
	size_t len = rotation_stem(path);

	if (len == strlen(path) || len >= sizeof stem)
		return false;
	for (size_t i = 0; i < index; i++)
		if (tl_streq(list->items[i].path, path))
			return false;
	memcpy(stem, path, len);
	stem[len] = '\0';
	return fnmatch(pattern, stem, FNM_PATHNAME | FNM_PERIOD) == 0;
}

void rotation_expand(struct expand_list *list, const char *pattern, bool (*stop)(void *arg),
		     void *arg)
{
	char rotated[PATH_MAX];
	size_t before = list->count;

	if (snprintf(rotated, sizeof rotated, "%s[.-]*", pattern) >= (int)sizeof rotated)
		return;
	expand_glob(list, rotated, stop, arg);
	for (size_t i = before; !list->cut && i < list->count;)
		if (is_rotation_of(list, i, pattern))
			i++;
		else
			drop(list, i);
}

/* ".10" is older than ".9"; a later date is newer, and its name greater. */
static int by_mark(const char *a, const char *b)
{
	size_t stem = rotation_stem(a);
	long x = a[stem] == '.' ? strtol(a + stem + 1, NULL, 10) : 0;
	long y = b[stem] == '.' ? strtol(b + stem + 1, NULL, 10) : 0;

	if (x != y && x < 10000 && y < 10000)
		return x < y ? -1 : 1;
	return -strcmp(a, b);
}

static int by_stem(const char *a, const char *b)
{
	size_t x = rotation_stem(a), y = rotation_stem(b);
	int r = memcmp(a, b, x < y ? x : y);

	if (r != 0 || x == y)
		return r;
	return x < y ? -1 : 1;
}

static int within_log(const void *left, const void *right)
{
	const struct expand_file *a = left, *b = right;
	bool a_rotated = a->path[rotation_stem(a->path)],
	     b_rotated = b->path[rotation_stem(b->path)];
	int r = by_stem(a->path, b->path);

	if (r != 0)
		return r;
	if (a_rotated != b_rotated)
		return a_rotated ? 1 : -1;
	if (a->mtime_ns != b->mtime_ns)
		return a->mtime_ns > b->mtime_ns ? -1 : 1;
	return by_mark(a->path, b->path);
}

/* Of one log: the live file, then by what its rotations are called. */
static int by_name(const void *left, const void *right)
{
	const struct expand_file *a = left, *b = right;
	bool a_rotated = a->path[rotation_stem(a->path)],
	     b_rotated = b->path[rotation_stem(b->path)];

	if (a_rotated != b_rotated)
		return a_rotated ? 1 : -1;
	return by_mark(a->path, b->path);
}

/* Logs that were unpacked or copied here without their times: the times say nothing of the order. */
static bool is_of_one_time(const struct expand_file *files, size_t count)
{
	int64_t oldest = INT64_MAX, newest = INT64_MIN;

	for (size_t i = 0; i < count; i++) {
		if (!files[i].path[rotation_stem(files[i].path)])
			continue;
		oldest = files[i].mtime_ns < oldest ? files[i].mtime_ns : oldest;
		newest = files[i].mtime_ns > newest ? files[i].mtime_ns : newest;
	}
	return oldest <= newest && newest - oldest < COPIED_WITHIN_NS;
}

/* A log in the sorted list: where it begins and how many files it has. */
struct log {
	size_t from, count;
	int64_t newest_ns;
};

static int by_newest(const void *left, const void *right)
{
	const struct log *a = left, *b = right;

	if (a->newest_ns != b->newest_ns)
		return a->newest_ns > b->newest_ns ? -1 : 1;
	return a->from < b->from ? -1 : 1;
}

static size_t find_logs(const struct expand_list *list, struct log *logs)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct expand_file *file = &list->items[i];

		if (i == 0 || !rotation_is_same(file->path, list->items[i - 1].path))
			logs[count++] = (struct log){.from = i, .newest_ns = file->mtime_ns};
		logs[count - 1].count++;
		if (file->mtime_ns > logs[count - 1].newest_ns)
			logs[count - 1].newest_ns = file->mtime_ns;
	}
	return count;
}

void rotation_sort(struct expand_list *list)
{
	tl_free struct log *logs = calloc(list->count + 1, sizeof *logs);
	struct expand_file *sorted = calloc(list->count + 1, sizeof *sorted);
	size_t log_count, at = 0;

	if (!logs || !sorted || list->count == 0) {
		free(sorted);
		return;
	}
	qsort(list->items, list->count, sizeof *list->items, within_log);
	log_count = find_logs(list, logs);
	qsort(logs, log_count, sizeof *logs, by_newest);
	for (size_t i = 0; i < log_count; i++) {
		struct expand_file *files = &list->items[logs[i].from];

		if (is_of_one_time(files, logs[i].count))
			qsort(files, logs[i].count, sizeof *files, by_name);
		memcpy(&sorted[at], &list->items[logs[i].from], logs[i].count * sizeof *sorted);
		at += logs[i].count;
	}
	free(list->items);
	list->items = sorted;
	list->room = list->count + 1;
}
