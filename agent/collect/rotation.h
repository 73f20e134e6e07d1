/* A log and what it was rotated to: .1, .2.gz, -20261123.xz, .old, … Private to agent/collect. */
#ifndef TOWLINE_COLLECT_ROTATION_H
#define TOWLINE_COLLECT_ROTATION_H

#include <stdbool.h>
#include <stddef.h>

#include "collect/expand.h"

/* Length of what `path` shares with its log: "/x/syslog.2.gz" → that of "/x/syslog". The whole length
 * for a log itself. */
size_t rotation_stem(const char *path);

/* True when both are of one log. */
bool rotation_is_same(const char *a, const char *b);

/* Adds the rotations of the logs that `pattern` (full, may be a glob) names. */
void rotation_expand(struct expand_list *list, const char *pattern, bool (*stop)(void *arg),
		     void *arg);

/* Sorts logs by their newest file, the newest log first; within a log the newest file first: the log
 * itself, then by age, and by number where that is the same. */
void rotation_sort(struct expand_list *list);

#endif
