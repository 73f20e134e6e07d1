#include "collect/profile_run.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <towline/json.h>
#include <towline/str.h>

#include "collect/places.h"
#include "collect/plan.h"

/* Texts of the site's files, as they print. */
static void print_text(const char *text)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(64 * 1024);

	tl_str_printable(&out, text, strlen(text));
	fputs(tl_buf_str(&out), stdout);
}

static void print_json(const json_t *json)
{
	json_dumpf(json, stdout, JSON_COMPACT | JSON_SORT_KEYS);
	putchar('\n');
}

static bool fits(const char *glob, const struct collector *rows, size_t count, bool groups_only)
{
	for (size_t i = 0; i < count; i++)
		if (fnmatch(glob, rows[i].group, 0) == 0 ||
		    (!groups_only && fnmatch(glob, rows[i].name, 0) == 0))
			return true;
	return false;
}

/* Rows by which a profile's globs are judged: the table's, the site's, and those of the files in hand. */
struct known {
	const struct definitions *definitions[2];
};

static bool is_known(const struct known *known, const char *glob, bool groups_only)
{
	size_t count;
	const struct collector *rows = collectors_all(&count);
	bool found = fits(glob, rows, count, groups_only);

	for (size_t i = 0; !found && i < TL_ARRAY_LEN(known->definitions); i++)
		if (known->definitions[i]) {
			rows = definitions_rows(known->definitions[i], &count);
			found = fits(glob, rows, count, groups_only);
		}
	return found;
}

static int check_globs(const struct profile *profile, const struct known *known, struct tl_err *err)
{
	const struct {
		const struct tl_yaml_node *list;
		const char *what;
	} lists[] = {{profile->groups, "group"},
		     {profile->collectors, "collector"},
		     {profile->exclude, "collector and no group"}};

	for (size_t i = 0; i < TL_ARRAY_LEN(lists); i++)
		for (const struct tl_yaml_node *item = lists[i].list ? lists[i].list->first : NULL;
		     item; item = item->next)
			if (!strchr(item->text, '/') && !is_known(known, item->text, i == 0))
				return tl_yaml_fail(profile->yaml, item, err,
						    "no %s is called \"%.64s\"", lists[i].what,
						    item->text);
	return 0;
}

/* What would silently do nothing. Only lint minds: a profile may be for hosts of several versions. */
static int check_profiles(const struct definitions *definitions, const struct definitions *site,
			  struct tl_err *err)
{
	struct known known = {{definitions, site}};
	int r = 0;

	for (size_t i = 0; r == 0 && i < definitions_profile_count(definitions); i++)
		if (definitions_profile_at(definitions, i)->is_site)
			r = check_globs(definitions_profile_at(definitions, i), &known, err);
	return r;
}

static int lint_files(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(definitions) struct definitions *definitions = NULL, *site = NULL;
	struct collect_options options = {.root = ""};
	struct places places;
	size_t count = tl_cli_operand_count(cli);
	int r = definitions_load(NULL, NULL, &definitions, err);

	for (size_t i = 0; r == 0 && i < count; i++)
		r = definitions_add_file(definitions, tl_cli_operand(cli, i), err);
	if (r == 0)
		r = definitions_check(definitions, err);
	places_find(&places, &options);
	/* the site's own may be at fault, too: that is not what was asked */
	if (r == 0 && definitions_load(places.profiles_dir, places.collectors_dir, &site, NULL) < 0)
		site = NULL;
	if (r == 0)
		r = check_profiles(definitions, site, err);
	if (r == 0)
		printf("%zu file%s checked, no mistake found.\n", count, count == 1 ? "" : "s");
	return r;
}

int profile_lint(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(definitions) struct definitions *definitions = NULL;
	struct collect_options options = {.root = ""};
	struct places places;
	int r;

	if (tl_cli_operand_count(cli) > 0)
		return lint_files(cli, err);
	places_find(&places, &options);
	r = definitions_load(places.profiles_dir, places.collectors_dir, &definitions, err);
	if (r == 0)
		r = check_profiles(definitions, NULL, err);
	if (r == 0)
		printf("%zu files of this site checked, no mistake found.\n",
		       json_array_size(definitions_sources(definitions)));
	return r;
}

static int make_plan(const char *name, struct plan *ret_plan, struct tl_err *err)
{
	struct collect_request request = {.profile = name};
	struct collect_options options = {.clock = tl_clock_system(), .root = ""};
	struct places places;

	places_find(&places, &options);
	options.rows = collectors_all(&options.row_count);
	return plan_make(&request, &options, ret_plan, err);
}

/* Of a profile with a parameter, any value will do to count its rows. */
static size_t count_rows(const struct profile *profile)
{
	tl_auto(plan) struct plan plan = {.count = 0};
	char name[100];

	snprintf(name, sizeof name, "%s%s", profile->name, profile->parameter ? ":x" : "");
	return make_plan(name, &plan, NULL) == 0 ? plan.count : 0;
}

int profile_list(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(definitions) struct definitions *definitions = NULL;
	tl_json *list = json_array();
	struct collect_options options = {.root = ""};
	struct places places;
	int r;

	places_find(&places, &options);
	r = definitions_load(places.profiles_dir, places.collectors_dir, &definitions, err);
	for (size_t i = 0; r == 0 && i < definitions_profile_count(definitions); i++) {
		const struct profile *profile = definitions_profile_at(definitions, i);
		size_t count = count_rows(profile);
		char name[100];

		if (definitions_profile(definitions, profile->name) != profile)
			continue; /* a site's own stands before it */
		json_array_append_new(list, json_pack("{s:s, s:s, s:s?, s:I, s:b}", "name",
						      profile->name, "summary", profile->summary,
						      "parameter", profile->parameter, "collectors",
						      (json_int_t)count, "site", profile->is_site));
		if (tl_cli_has(cli, "json"))
			continue;
		snprintf(name, sizeof name, "%s%s%s", profile->name, profile->parameter ? ":" : "",
			 profile->parameter ? profile->parameter : "");
		printf("%-18s %4zu  ", name, count);
		print_text(profile->summary);
		putchar('\n');
	}
	if (r == 0 && tl_cli_has(cli, "json"))
		print_json(list);
	return r;
}

static const char *const kinds[] = {
	[COLLECT_FILES] = "files",     [COLLECT_KERNEL] = "kernel", [COLLECT_COMMAND] = "command",
	[COLLECT_JOURNAL] = "journal", [COLLECT_HTTP] = "http",	    [COLLECT_TLS] = "tls",
	[COLLECT_BUILTIN] = "built-in"};
static const char *const sensitivities[] = {
	[COLLECT_LOW] = "low", [COLLECT_MEDIUM] = "medium", [COLLECT_HIGH] = "high"};

static json_t *row_json(const struct collector *row)
{
	json_t *sources = json_array();

	for (const char *const *at = row->sources; at && *at; at++)
		json_array_append_new(sources, json_string(*at));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:i, s:o}", "name", row->name,
			 "group", row->group, "summary", row->summary, "kind", kinds[row->kind],
			 "sensitivity", sensitivities[row->sensitivity], "needs_root",
			 (row->flags & COLLECT_PRIVILEGED) != 0, "max_bytes",
			 (json_int_t)row->max_bytes, "timeout_ms", row->timeout_ms, "sources",
			 sources);
}

static void print_row(const struct collector *row)
{
	printf("%-12s %-24s %-8s %-6s %6llu KB %4d s  ", row->group, row->name, kinds[row->kind],
	       sensitivities[row->sensitivity], (unsigned long long)(row->max_bytes + 1023) / 1024,
	       (row->timeout_ms + 999) / 1000);
	print_text(row->summary);
	putchar('\n');
}

int profile_show(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(plan) struct plan plan = {.count = 0};
	tl_json *list = json_array();
	int r = make_plan(tl_cli_operand(cli, 0), &plan, err);

	for (size_t i = 0; r == 0 && i < plan.count; i++) {
		if (tl_cli_has(cli, "json"))
			json_array_append_new(list, row_json(&plan.rows[i]));
		else
			print_row(&plan.rows[i]);
	}
	if (r == 0 && tl_cli_has(cli, "json"))
		print_json(list);
	return r;
}
