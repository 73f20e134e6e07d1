#include "collect/definitions.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/crypto.h>
#include <towline/embedded.h>
#include <towline/fs.h>
#include <towline/str.h>

#include "collect/parameter.h"
#include "collect/rights.h"
#include "collect/site_row.h"
#include "collect/when.h"

#define FILES_MAX 256
#define EXTENDS_MAX 8
#define LIST_MAX 128

extern const struct tl_embedded towline_profiles[];
extern const size_t towline_profiles_count;

struct definitions {
	struct tl_yaml *files[FILES_MAX];
	size_t file_count;
	struct profile profiles[PROFILES_MAX];
	size_t profile_count;
	struct collector rows[SITE_ROWS_MAX];
	size_t row_count;
	json_t *sources;
};

void definitions_free(struct definitions *definitions)
{
	if (!definitions)
		return;
	for (size_t i = 0; i < definitions->row_count; i++)
		free((void *)(uintptr_t)definitions->rows[i].sources);
	for (size_t i = 0; i < definitions->file_count; i++)
		tl_yaml_free(definitions->files[i]);
	json_decref(definitions->sources);
	free(definitions);
}

/* ---- one file --------------------------------------------------------------------------------- */

#define KEY(field) offsetof(struct profile, field)

static const char *const row_names[] = {"none", "quick", "standard", "all", NULL};

static const struct tl_yaml_member profile_members[] = {
	{"collectors", TL_YAML_TEXTS, false, KEY(collectors), 0, LIST_MAX},
	{"exclude", TL_YAML_TEXTS, false, KEY(exclude), 0, LIST_MAX},
	{"extends", TL_YAML_TEXT, false, KEY(extends), 0, 64},
	{"groups", TL_YAML_TEXTS, false, KEY(groups), 0, LIST_MAX},
	{"limits", TL_YAML_NODE, false, KEY(limits)},
	{"name", TL_YAML_TEXT, true, KEY(name), 0, 64},
	{"parameter", TL_YAML_TEXT, false, KEY(parameter), 0, 16},
	{"rows", TL_YAML_CHOICE, false, KEY(rows), 0, 0, row_names},
	{"since", TL_YAML_TEXT, false, KEY(since), 0, 64},
	{"summary", TL_YAML_TEXT, true, KEY(summary), 0, 200},
};

static const struct tl_yaml_member limit_members[] = {
	{"collector", TL_YAML_TEXT, true, offsetof(struct profile_limit, collector), 0, 64},
	{"max", TL_YAML_SIZE, false, offsetof(struct profile_limit, max_bytes), 1, 256 << 20},
	{"timeout", TL_YAML_DURATION, false, offsetof(struct profile_limit, timeout_ms), 100,
	 600000},
};

struct profile_limit profile_limit_read(const struct profile *profile,
					const struct tl_yaml_node *item)
{
	struct profile_limit limit = {.collector = ""};

	if (tl_yaml_read(profile->yaml, item, limit_members, TL_ARRAY_LEN(limit_members), &limit,
			 NULL) < 0)
		limit.collector = "";
	return limit;
}

static int check_limits(const struct profile *profile, struct tl_err *err)
{
	const struct tl_yaml_node *list = profile->limits;
	struct profile_limit limit;
	int r = 0;

	if (list && list->kind != TL_YAML_LIST)
		return tl_yaml_fail(profile->yaml, list, err, "limits must be a list");
	for (const struct tl_yaml_node *item = list ? list->first : NULL; r == 0 && item;
	     item = item->next)
		r = tl_yaml_read(profile->yaml, item, limit_members, TL_ARRAY_LEN(limit_members),
				 &limit, err);
	return r;
}

static const struct tl_yaml_node *node_of(const struct tl_yaml *yaml, const char *key)
{
	const struct tl_yaml_node *at = tl_yaml_root(yaml)->first;

	while (at && !tl_streq(at->key, key))
		at = at->next;
	return at ? at : tl_yaml_root(yaml);
}

static int check_profile(const struct profile *profile, struct tl_err *err)
{
	struct tl_err fault = TL_ERR_INIT;
	int64_t span;

	if (!tl_str_is_name(profile->name, 64))
		return tl_yaml_fail(profile->yaml, node_of(profile->yaml, "name"), err,
				    "the name of a profile is made of letters, digits, - and _");
	if (profile->parameter && !parameter_is_known(profile->parameter))
		return tl_yaml_fail(profile->yaml, node_of(profile->yaml, "parameter"), err,
				    "parameter must be unit, container, device, interface or user");
	if (profile->since && !tl_streq(profile->since, "boot") &&
	    when_span(profile->since, &span, &fault) < 0)
		return tl_yaml_fail(profile->yaml, node_of(profile->yaml, "since"), err, "%s",
				    tl_err_text(&fault));
	return check_limits(profile, err);
}

static int add_profile(struct definitions *definitions, const struct tl_yaml *yaml, bool is_site,
		       struct tl_err *err)
{
	struct profile profile = {.yaml = yaml, .is_site = is_site};
	int r = tl_yaml_read(yaml, tl_yaml_root(yaml), profile_members,
			     TL_ARRAY_LEN(profile_members), &profile, err);

	if (r == 0)
		r = check_profile(&profile, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < definitions->profile_count; i++)
		if (tl_streq(definitions->profiles[i].name, profile.name) &&
		    definitions->profiles[i].is_site == is_site)
			return tl_yaml_fail(yaml, node_of(yaml, "name"), err,
					    "%s has a profile of this name, too",
					    tl_yaml_name(definitions->profiles[i].yaml));
	if (definitions->profile_count == PROFILES_MAX)
		return tl_yaml_fail(yaml, tl_yaml_root(yaml), err,
				    "there are more than %d profiles", PROFILES_MAX);
	definitions->profiles[definitions->profile_count++] = profile;
	return 0;
}

static int add_row(struct definitions *definitions, const struct tl_yaml *yaml,
		   const struct tl_yaml_node *node, struct tl_err *err)
{
	struct collector *row = &definitions->rows[definitions->row_count];
	size_t table_count;
	const struct collector *table = collectors_all(&table_count);
	int r;

	if (definitions->row_count == SITE_ROWS_MAX)
		return tl_yaml_fail(yaml, node, err, "there are more than %d collectors",
				    SITE_ROWS_MAX);
	r = site_row_read(yaml, node, row, err);
	if (r < 0)
		return r;
	definitions->row_count++;
	for (size_t i = 0; i < table_count; i++)
		if (tl_streq(table[i].name, row->name))
			return tl_yaml_fail(yaml, node, err,
					    "a built-in collector has the name \"%s\"", row->name);
	for (size_t i = 0; i + 1 < definitions->row_count; i++)
		if (tl_streq(definitions->rows[i].name, row->name))
			return tl_yaml_fail(yaml, node, err,
					    "another collector has the name \"%s\"", row->name);
	return 0;
}

static int add_rows(struct definitions *definitions, const struct tl_yaml *yaml, struct tl_err *err)
{
	static const struct tl_yaml_member members[] = {{"collectors", TL_YAML_NODE, true, 0}};
	const struct tl_yaml_node *list = NULL;
	int r = tl_yaml_read(yaml, tl_yaml_root(yaml), members, TL_ARRAY_LEN(members), &list, err);

	if (r == 0 && list->kind != TL_YAML_LIST)
		return tl_yaml_fail(yaml, list, err, "collectors must be a list");
	for (const struct tl_yaml_node *item = r == 0 ? list->first : NULL; r == 0 && item;
	     item = item->next)
		r = add_row(definitions, yaml, item, err);
	return r;
}

/* Takes `yaml` over. */
static int keep_file(struct definitions *definitions, struct tl_yaml *yaml, struct tl_err *err)
{
	if (definitions->file_count == FILES_MAX) {
		tl_yaml_free(yaml);
		return tl_err_set(err, TL_ECONFIG, "there are more than %d files of definitions",
				  FILES_MAX);
	}
	definitions->files[definitions->file_count++] = yaml;
	return 0;
}

static int add_text(struct definitions *definitions, const char *path, const struct tl_buf *text,
		    bool rows, struct tl_err *err)
{
	struct tl_yaml *yaml = NULL;
	char hex[TL_SHA256_HEX];
	int r = tl_yaml_parse(path, tl_buf_str(text), text->len, &yaml, err);

	if (r == 0)
		r = keep_file(definitions, yaml, err);
	if (r < 0)
		return r;
	tl_sha256_hex_of(tl_buf_str(text), text->len, hex);
	json_array_append_new(definitions->sources,
			      json_pack("{s:s, s:s}", "file", path, "sha256", hex));
	return rows ? add_rows(definitions, yaml, err) : add_profile(definitions, yaml, true, err);
}

int definitions_add_file(struct definitions *definitions, const char *path, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_YAML_BYTES_MAX);
	tl_auto(tl_yaml) struct tl_yaml *yaml = NULL;
	int r = tl_fs_read_file(AT_FDCWD, path, &text, err);
	bool rows = false;

	if (r == 0)
		r = tl_yaml_parse(path, tl_buf_str(&text), text.len, &yaml, err);
	if (r < 0)
		return r;
	if (tl_yaml_root(yaml)->kind == TL_YAML_MAP)
		rows = node_of(yaml, "collectors")->key && !node_of(yaml, "name")->key;
	return add_text(definitions, path, &text, rows, err);
}

/* ---- directories ------------------------------------------------------------------------------ */

/* What root's programs obey is root's; without root's rights a person's own will do. */
static int check_owner(int fd, const char *path, struct tl_err *err)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return tl_err_sys(err, TL_EIO, errno, "%s cannot be examined", path);
	if (status.st_uid != 0 && (rights_are_special() || status.st_uid != geteuid()))
		return tl_err_set(err, TL_EACCES, "%s belongs to another account: chown root %s",
				  path, path);
	if (status.st_mode & 022)
		return tl_err_set(err, TL_EACCES, "%s can be written by others: chmod go-w %s",
				  path, path);
	return 0;
}

static int load_file(struct definitions *definitions, const char *path, bool rows,
		     struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_YAML_BYTES_MAX);
	tl_fd int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	char own[32];
	int r;

	if (fd < 0)
		return tl_err_sys(err, TL_EIO, errno, "%s cannot be opened", path);
	r = check_owner(fd, path, err);
	snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
	if (r == 0)
		r = tl_fs_read_file(AT_FDCWD, own, &text, err);
	return r < 0 ? r : add_text(definitions, path, &text, rows, err);
}

static int is_yaml(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && tl_str_ends(entry->d_name, ".yaml");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_directory(struct definitions *definitions, const char *dir, bool rows,
			  struct tl_err *err)
{
	tl_fd int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct dirent **entries = NULL;
	int count, r;

	if (fd < 0)
		return !dir || errno == ENOENT
			       ? 0
			       : tl_err_sys(err, TL_EIO, errno, "%s cannot be opened", dir);
	r = check_owner(fd, dir, err);
	count = r == 0 ? scandirat(fd, ".", &entries, is_yaml, by_name) : 0;
	if (count < 0)
		return tl_err_sys(err, TL_EIO, errno, "%s cannot be read", dir);
	for (int i = 0; i < count; i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof path, "%s/%s", dir, entries[i]->d_name);
		if (r == 0)
			r = load_file(definitions, path, rows, err);
		free(entries[i]);
	}
	free(entries);
	return r;
}

static int load_built_in(struct definitions *definitions, struct tl_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < towline_profiles_count; i++) {
		const struct tl_embedded *file = &towline_profiles[i];
		struct tl_yaml *yaml = NULL;

		r = tl_yaml_parse(file->name, file->start, (size_t)(file->end - file->start), &yaml,
				  err);
		if (r == 0)
			r = keep_file(definitions, yaml, err);
		if (r == 0)
			r = node_of(yaml, "name")->key ? add_profile(definitions, yaml, false, err)
						       : add_rows(definitions, yaml, err);
	}
	return r;
}

int definitions_load(const char *profiles_dir, const char *collectors_dir,
		     struct definitions **ret_definitions, struct tl_err *err)
{
	tl_auto(definitions) struct definitions *definitions = calloc(1, sizeof *definitions);
	int r;

	if (!definitions)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the profiles");
	definitions->sources = json_array();
	r = load_built_in(definitions, err);
	if (r == 0)
		r = load_directory(definitions, collectors_dir, true, err);
	if (r == 0)
		r = load_directory(definitions, profiles_dir, false, err);
	if (r == 0)
		r = definitions_check(definitions, err);
	if (r < 0)
		return r;
	*ret_definitions = tl_steal(&definitions);
	return 0;
}

/* ---- what was read ---------------------------------------------------------------------------- */

const struct profile *definitions_profile(const struct definitions *definitions, const char *name)
{
	const struct profile *found = NULL;

	for (size_t i = 0; i < definitions->profile_count; i++)
		if (tl_streq(definitions->profiles[i].name, name) &&
		    (!found || definitions->profiles[i].is_site))
			found = &definitions->profiles[i];
	return found;
}

const struct profile *definitions_parent(const struct definitions *definitions,
					 const struct profile *profile)
{
	if (!profile->extends)
		return NULL;
	if (!tl_streq(profile->extends, profile->name))
		return definitions_profile(definitions, profile->extends);
	/* a site's "standard" that extends "standard" means the built-in one */
	for (size_t i = 0; i < definitions->profile_count; i++)
		if (tl_streq(definitions->profiles[i].name, profile->name) &&
		    !definitions->profiles[i].is_site && profile->is_site)
			return &definitions->profiles[i];
	return NULL;
}

int definitions_check(const struct definitions *definitions, struct tl_err *err)
{
	for (size_t i = 0; i < definitions->profile_count; i++) {
		const struct profile *first = &definitions->profiles[i], *at = first;
		int depth = 0;

		while (at->extends) {
			const struct profile *parent = definitions_parent(definitions, at);

			if (!parent)
				return tl_yaml_fail(at->yaml, node_of(at->yaml, "extends"), err,
						    "there is no profile \"%s\" to extend",
						    at->extends);
			if (++depth > EXTENDS_MAX)
				return tl_yaml_fail(first->yaml, node_of(first->yaml, "extends"),
						    err, "profiles extend each other in a circle");
			at = parent;
		}
	}
	return 0;
}

size_t definitions_profile_count(const struct definitions *definitions)
{
	return definitions->profile_count;
}

const struct profile *definitions_profile_at(const struct definitions *definitions, size_t index)
{
	return &definitions->profiles[index];
}

const struct collector *definitions_rows(const struct definitions *definitions, size_t *ret_count)
{
	*ret_count = definitions->row_count;
	return definitions->rows;
}

json_t *definitions_sources(const struct definitions *definitions)
{
	return definitions->sources;
}
