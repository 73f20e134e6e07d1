/* Where rules come from: those built in, the site's, and what both are called together. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/crypto.h>
#include <towline/embedded.h>
#include <towline/fs.h>
#include <unistd.h>

#include "redact/load.h"
#include "redact/redact.h"
#include "redact/ruleset.h"

#define SITE_FILES_MAX 100

extern const struct tl_embedded redact_rules[];
extern const size_t redact_rules_count;

static int load_text(struct rule_set *set, const char *name, const char *text, size_t len,
		     struct tl_err *err)
{
	tl_auto(tl_yaml) struct tl_yaml *yaml = NULL;
	int r = tl_yaml_parse(name, text, len, &yaml, err);

	return r < 0 ? r : load_rules(set, yaml, err);
}

static int load_builtin(struct rule_set *set, struct tl_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < redact_rules_count; i++) {
		const struct tl_embedded *file = &redact_rules[i];

		r = load_text(set, file->name, file->start, (size_t)(file->end - file->start), err);
	}
	return r;
}

static int is_rule_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && tl_str_ends(entry->d_name, ".yaml");
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Whoever can write these decides what stays hidden: root, or the person that runs this. */
static int check_owner(const char *path, struct tl_err *err)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return tl_err_sys(err, TL_EIO, errno, "%s cannot be read", path);
	if ((status.st_uid != 0 && status.st_uid != geteuid()) || (status.st_mode & 022))
		return tl_err_set(err, TL_ECONFIG,
				  "%s must belong to root or to you, and be writable by nobody "
				  "else",
				  path);
	return 0;
}

static int load_site_file(struct rule_set *set, const char *dir, const char *name,
			  struct tl_sha256 *hash, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(PATH_MAX);
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_YAML_BYTES_MAX);
	int r;

	tl_buf_printf(&path, "%s/%s", dir, name);
	r = check_owner(tl_buf_str(&path), err);
	if (r == 0)
		r = tl_fs_read_file(AT_FDCWD, tl_buf_str(&path), &text, err);
	if (r < 0)
		return r;
	tl_sha256_update(hash, tl_buf_str(&text), text.len + 1); /* its NUL parts the files */
	return load_text(set, tl_buf_str(&path), tl_buf_str(&text), text.len, err);
}

static int load_site(struct rule_set *set, const char *dir, char name[static RULESET_NAME_MAX],
		     struct tl_err *err)
{
	tl_auto(tl_sha256) struct tl_sha256 *hash = tl_sha256_new();
	struct dirent **entries = NULL;
	uint8_t digest[TL_SHA256_LEN];
	int count = scandir(dir, &entries, is_rule_file, compare_names);
	int r = 0;

	if (!hash)
		return tl_err_set(err, TL_ENOMEM, "out of memory for redaction rules");
	if (count < 0 && errno == ENOENT)
		return 0;
	if (count < 0)
		return tl_err_sys(err, TL_EIO, errno, "%s cannot be read", dir);
	if (count > 0)
		r = check_owner(dir, err);
	if (count > SITE_FILES_MAX)
		r = tl_err_set(err, TL_ECONFIG, "%s has more than %d rule files", dir,
			       SITE_FILES_MAX);
	for (int i = 0; i < count; i++) {
		if (r == 0)
			r = load_site_file(set, dir, entries[i]->d_name, hash, err);
		free(entries[i]);
	}
	free(entries);
	tl_sha256_final(hash, digest);
	if (r == 0 && count > 0)
		snprintf(name, RULESET_NAME_MAX, TL_REDACT_RULESET "+%02x%02x%02x%02x", digest[0],
			 digest[1], digest[2], digest[3]);
	return r;
}

int tl_redact_rules_open(const struct tl_redact_sources *sources,
			 struct tl_redact_rules **ret_rules, struct tl_err *err)
{
	tl_auto(rule_set) struct rule_set set = {.rules = NULL};
	char name[RULESET_NAME_MAX] = TL_REDACT_RULESET;
	int r = load_builtin(&set, err);

	if (r == 0 && sources->site_dir)
		r = load_site(&set, sources->site_dir, name, err);
	return r < 0 ? r : ruleset_new(&set, name, sources->cache_dir, ret_rules, err);
}

int tl_redact_rules_parse(const char *name, const char *text, size_t len,
			  struct tl_redact_rules **ret_rules, struct tl_err *err)
{
	tl_auto(rule_set) struct rule_set set = {.rules = NULL};
	int r = load_text(&set, name, text, len, err);

	return r < 0 ? r : ruleset_new(&set, name, NULL, ret_rules, err);
}

/* Beside our own rules, as it will stand; the gates are not needed. */
int tl_redact_rules_lint(const char *path, struct tl_err *err)
{
	tl_auto(rule_set) struct rule_set set = {.rules = NULL};
	tl_auto(tl_yaml) struct tl_yaml *yaml = NULL;
	int r = tl_yaml_load(path, &yaml, err);

	if (r == 0)
		r = load_builtin(&set, err);
	return r < 0 ? r : load_rules(&set, yaml, err);
}
