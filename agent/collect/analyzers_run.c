#include "collect/analyzers_run.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <towline/fs.h>
#include <towline/yaml.h>

#include "analyze/analyze.h"
#include "collect/places.h"
#include "health/health.h"

static bool is_fact(const char *glob)
{
	for (size_t i = 0; i < tl_health_kind_count; i++)
		if (fnmatch(glob, tl_health_kinds[i].name, 0) == 0)
			return true;
	return false;
}

/* A rule that can never fire is a mistake for who writes it, though none for a collection. */
static int check_facts(const struct tl_analysis_rules *rules, const char *where, struct tl_err *err)
{
	const char *name;
	const char *rule = tl_analysis_rules_find_wrong_fact(rules, is_fact, &name);

	return rule ? tl_err_set(
			      err, TL_ECONFIG,
			      "%s: rule %s: no fact is called \"%.64s\": health.yaml(5) lists them",
			      where, rule, name)
		    : 0;
}

static int lint_file(const char *path, struct tl_err *err)
{
	tl_auto(tl_analysis_rules) struct tl_analysis_rules *rules = NULL;
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_YAML_BYTES_MAX);
	int r = tl_fs_read_file(AT_FDCWD, path, &text, err);

	if (r == 0)
		r = tl_analysis_rules_parse(path, tl_buf_str(&text), text.len, &rules, err);
	return r < 0 ? r : check_facts(rules, path, err);
}

static int open_all(struct tl_analysis_rules **ret_rules, struct tl_err *err)
{
	struct collect_options options = {.root = ""};
	struct places places;

	places_find(&places, &options);
	return tl_analysis_rules_open(&(struct tl_analysis_sources){options.analyzers_dir, NULL},
				      ret_rules, err);
}

int analyzers_lint(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_analysis_rules) struct tl_analysis_rules *rules = NULL;
	size_t count = tl_cli_operand_count(cli);
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = lint_file(tl_cli_operand(cli, i), err);
	if (r == 0)
		r = open_all(&rules, err); /* together: two of one name are a mistake, too */
	if (r == 0)
		r = check_facts(rules, "analyzers.d", err);
	if (r == 0)
		printf("%zu rules, no mistake found.\n", tl_analysis_rules_count(rules));
	return r;
}

int analyzers_list(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_analysis_rules) struct tl_analysis_rules *rules = NULL;
	tl_json *list = json_array();
	int r = open_all(&rules, err);

	for (size_t i = 0; r == 0 && i < tl_analysis_rules_count(rules); i++) {
		const char *id = tl_analysis_rules_id(rules, i);
		const char *severity = tl_analysis_rules_severity(rules, i);
		const char *summary = tl_analysis_rules_summary(rules, i);

		if (tl_cli_has(cli, "json"))
			json_array_append_new(list,
					      json_pack("{s:s, s:s, s:s}", "rule", id, "severity",
							severity, "summary", summary));
		else
			printf("%-8s  %-24s  %s\n", severity, id, summary);
	}
	if (r < 0 || !tl_cli_has(cli, "json"))
		return r;
	json_dumpf(list, stdout, JSON_COMPACT | JSON_SORT_KEYS);
	putchar('\n');
	return 0;
}
