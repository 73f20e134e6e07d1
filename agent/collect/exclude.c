#include "collect/exclude.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "collect/collector.h"

#define MEMBER_ROOT "root/"

void exclude_clear(struct exclude *exclude)
{
	tl_strv_clear(&exclude->patterns);
}

int exclude_add(struct exclude *exclude, const json_t *patterns, struct tl_err *err)
{
	for (size_t i = 0; i < json_array_size(patterns); i++) {
		const char *text = json_string_value(json_array_get(patterns, i));

		if (!text || !text[0] || strlen(text) > EXCLUDE_PATTERN_MAX)
			return tl_err_set(err, TL_EINVAL,
					  "what is to be left out must be a name or a path, "
					  "at most %d bytes long",
					  EXCLUDE_PATTERN_MAX);
		if (exclude->patterns.count >= EXCLUDE_PATTERNS_MAX)
			return tl_err_set(err, TL_EINVAL, "more than %d things are left out",
					  EXCLUDE_PATTERNS_MAX);
		if (tl_strv_push(&exclude->patterns, text) < 0)
			return tl_err_set(err, TL_ENOMEM, "out of memory");
	}
	return 0;
}

bool exclude_has_collector(const struct exclude *exclude, const struct collector *row)
{
	for (size_t i = 0; exclude && i < exclude->patterns.count; i++) {
		const char *pattern = exclude->patterns.items[i];

		if (!strchr(pattern, '/') &&
		    (fnmatch(pattern, row->name, 0) == 0 || fnmatch(pattern, row->group, 0) == 0))
			return true;
	}
	return false;
}

/* The path or any directory above it. */
static bool matches(const char *pattern, const char *path)
{
	char above[PATH_MAX];
	char *slash = above;

	if (fnmatch(pattern, path, 0) == 0)
		return true;
	snprintf(above, sizeof above, "%s", path);
	while ((slash = strrchr(above, '/')) && slash > above) {
		*slash = '\0';
		if (fnmatch(pattern, above, 0) == 0)
			return true;
	}
	return false;
}

bool exclude_has_path(const struct exclude *exclude, const char *path)
{
	/* "root/etc/hosts" is the host's "/etc/hosts" */
	const char *source =
		tl_str_starts(path, MEMBER_ROOT) ? path + strlen(MEMBER_ROOT) - 1 : NULL;

	for (size_t i = 0; exclude && i < exclude->patterns.count; i++) {
		const char *pattern = exclude->patterns.items[i];

		if (strchr(pattern, '/') &&
		    (matches(pattern, path) || (source && matches(pattern, source))))
			return true;
	}
	return false;
}
