#include "collect/places.h"

#include <stdio.h>
#include <stdlib.h>

#include "collect/rights.h"

#define ETC "/etc/towline"
#define SYSTEM_CACHE "/var/cache/towline"

static void find_cache(struct places *places)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (rights_are_special())
		snprintf(places->cache_dir, sizeof places->cache_dir, SYSTEM_CACHE);
	else if (cache && cache[0] == '/')
		snprintf(places->cache_dir, sizeof places->cache_dir, "%.4000s/towline", cache);
	else if (home && home[0] == '/')
		snprintf(places->cache_dir, sizeof places->cache_dir, "%.4000s/.cache/towline",
			 home);
}

void places_find(struct places *places, struct collect_options *options)
{
	const char *etc = getenv("TOWLINE_ETC");

	etc = etc && etc[0] == '/' ? etc : ETC;
	*places = (struct places){.cache_dir = ""};
	snprintf(places->profiles_dir, PATH_MAX, "%.4000s/profiles.d", etc);
	snprintf(places->collectors_dir, PATH_MAX, "%.4000s/collectors.d", etc);
	snprintf(places->rules_dir, PATH_MAX, "%.4000s/redact.d", etc);
	snprintf(places->analyzers_dir, PATH_MAX, "%.4000s/analyzers.d", etc);
	snprintf(places->names_file, PATH_MAX, "%.4000s/identities.yaml", etc);
	find_cache(places);
	options->profiles_dir = places->profiles_dir;
	options->collectors_dir = places->collectors_dir;
	options->rules_dir = places->rules_dir;
	options->analyzers_dir = places->analyzers_dir;
	options->names_file = places->names_file;
	options->cache_dir = places->cache_dir[0] ? places->cache_dir : NULL;
}
