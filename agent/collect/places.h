/* Where a collection finds the site's own files, and what was compiled before. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_PLACES_H
#define TOWLINE_COLLECT_PLACES_H

#include <limits.h>

#include "collect/collect.h"

struct places {
	char profiles_dir[PATH_MAX], collectors_dir[PATH_MAX], rules_dir[PATH_MAX];
	char analyzers_dir[PATH_MAX], names_file[PATH_MAX], cache_dir[PATH_MAX];
};

/* /etc/towline, or TOWLINE_ETC of the environment; the cache is /var/cache/towline where rights are
 * special (what is kept there is as good as a program), else the person's own. Fills the options with
 * what is in `places`, which must live as long. */
void places_find(struct places *places, struct collect_options *options);

#endif
