/* What is left out although a profile names it: globs of collectors, groups and paths, from the person who
 * collects, from policy, or from a profile. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_EXCLUDE_H
#define TOWLINE_COLLECT_EXCLUDE_H

#include <stdbool.h>
#include <towline/attr.h>
#include <towline/err.h>
#include <towline/json.h>
#include <towline/str.h>

struct collector;

#define EXCLUDE_PATTERNS_MAX 256
#define EXCLUDE_PATTERN_MAX 1024

struct exclude {
	struct tl_strv patterns;
};
void exclude_clear(struct exclude *exclude);
TL_DEFINE_AUTO(exclude, exclude_clear);

/* Adds a list of texts; NULL is none. TL_EINVAL for one that is empty, too long, or no text. */
TL_MUST_CHECK int exclude_add(struct exclude *exclude, const json_t *patterns, struct tl_err *err);

/* By its name or its group. */
bool exclude_has_collector(const struct exclude *exclude, const struct collector *row);
/* A path of the host, or a member's in the bundle ("root/etc/hosts", "cmd/network/routes"). A pattern
 * that matches a directory matches what is in it. `exclude` may be NULL. */
bool exclude_has_path(const struct exclude *exclude, const char *path);

#endif
