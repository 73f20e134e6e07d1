/* The YAML files that say what may be collected: profiles and collectors, those that are built in and the
 * site's own (/etc/towline/profiles.d, /etc/towline/collectors.d; docs/writing-collectors.md). Private to
 * agent/collect. */
#ifndef TOWLINE_COLLECT_DEFINITIONS_H
#define TOWLINE_COLLECT_DEFINITIONS_H

#include <stdbool.h>
#include <towline/attr.h>
#include <towline/err.h>
#include <towline/json.h>
#include <towline/yaml.h>

#include "collect/collector.h"

#define PROFILES_MAX 128
#define SITE_ROWS_MAX 256

/* Which rows of the table a profile begins with. */
enum profile_rows { PROFILE_NONE, PROFILE_QUICK, PROFILE_STANDARD, PROFILE_ALL };

/* Texts and nodes belong to the definitions. Lists may be NULL: empty. */
struct profile {
	const char *name, *summary;
	const char *extends;				/* another profile; NULL: none */
	int rows;					/* enum profile_rows */
	const struct tl_yaml_node *groups, *collectors; /* globs of what is added */
	const struct tl_yaml_node *exclude;		/* globs of collectors, groups and paths */
	const char *since;     /* the range where none is asked for; NULL: the extended one's */
	const char *parameter; /* "unit": the profile is asked for as NAME:UNIT */
	const struct tl_yaml_node *limits;
	const struct tl_yaml *yaml;
	bool is_site;
};

struct profile_limit {
	const char *collector; /* a glob */
	uint64_t max_bytes;    /* 0: as it is */
	int64_t timeout_ms;    /* 0: as it is */
};

struct definitions;

/* Reads what is built in and, where the directories are given and there, the site's own. A directory or
 * file that others than root (or the person, without root's rights) may write is refused: TL_EACCES.
 * TL_ECONFIG names file and line. */
TL_MUST_CHECK int definitions_load(const char *profiles_dir, const char *collectors_dir,
				   struct definitions **ret_definitions, struct tl_err *err);
/* Adds one file of the person's, for checking: a list "collectors" makes it a file of collectors, anything
 * else one of a profile. Who may write it does not matter. */
TL_MUST_CHECK int definitions_add_file(struct definitions *definitions, const char *path,
				       struct tl_err *err);
/* Every profile's references lead somewhere. */
TL_MUST_CHECK int definitions_check(const struct definitions *definitions, struct tl_err *err);
void definitions_free(struct definitions *definitions);
TL_DEFINE_AUTO_PTR(definitions, definitions_free);

/* NULL when there is none. A site's profile stands before the built-in one of its name, which it may
 * extend. */
const struct profile *definitions_profile(const struct definitions *definitions, const char *name);
/* What `profile` extends; NULL: nothing. */
const struct profile *definitions_parent(const struct definitions *definitions,
					 const struct profile *profile);
size_t definitions_profile_count(const struct definitions *definitions);
const struct profile *definitions_profile_at(const struct definitions *definitions, size_t index);
/* Reads the item of profile->limits. It was checked before. */
struct profile_limit profile_limit_read(const struct profile *profile,
					const struct tl_yaml_node *item);

/* The collectors of the files, in their order. */
const struct collector *definitions_rows(const struct definitions *definitions, size_t *ret_count);
/* [{"file", "sha256"}] of the site's files; borrowed. */
json_t *definitions_sources(const struct definitions *definitions);

#endif
