/* Each rule that we ship, against what makes it fire and what does not (tests/corpus/analyze). */
#include <dirent.h>
#include <towline/yaml.h>

#include "tests.h"

struct fixture {
	const char *rule;
	const struct tl_yaml_node *fires, *quiet;
};

struct sample {
	const char *file, *text;
	const struct tl_yaml_node *fact;
};

static json_t *value_of(const char *text)
{
	char *end;
	double number = strtod(text, &end);

	if (tl_streq(text, "true") || tl_streq(text, "false"))
		return json_boolean(tl_streq(text, "true"));
	return *end ? json_string(text) : json_real(number);
}

/* {"facts":[…]} with the one fact. */
static json_t *snapshot_of(const struct tl_yaml_node *fact)
{
	json_t *object = json_object();

	for (const struct tl_yaml_node *child = fact->first; child; child = child->next)
		json_object_set_new(object, child->key,
				    tl_streq(child->key, "value") ? value_of(child->text)
								  : json_string(child->text));
	return json_pack("{s:[o]}", "facts", object);
}

static bool fires(struct tl_analysis_rules *rules, const struct tl_yaml *yaml,
		  const struct tl_yaml_node *node, const char *rule)
{
	static const struct tl_yaml_member members[] = {
		{"file", TL_YAML_TEXT, false, offsetof(struct sample, file)},
		{"text", TL_YAML_TEXT, false, offsetof(struct sample, text), 0, 65536},
		{"fact", TL_YAML_NODE, false, offsetof(struct sample, fact)},
	};
	struct sample sample = {.file = NULL};
	struct tl_err err = TL_ERR_INIT;
	tl_json *notices = json_array();
	tl_json *results = NULL;
	tl_json *health = NULL;

	if (tl_yaml_read(yaml, node, members, TL_ARRAY_LEN(members), &sample, &err) < 0)
		fail_msg("%s", tl_err_text(&err));
	if (sample.fact)
		health = snapshot_of(sample.fact);
	else
		look_at(rules, sample.file, sample.text, 4096, notices);
	assert_int_equal(tl_analysis_conclude(rules, notices, health, &results, &err), 0);
	return finding(results, rule) != NULL;
}

/* Tries a file's fixtures and notes which rules have one. */
static void try_file(struct tl_analysis_rules *rules, const char *name, json_t *tried)
{
	static const struct tl_yaml_member members[] = {
		{"rule", TL_YAML_TEXT, true, offsetof(struct fixture, rule)},
		{"fires", TL_YAML_NODE, true, offsetof(struct fixture, fires)},
		{"quiet", TL_YAML_NODE, true, offsetof(struct fixture, quiet)},
	};
	tl_auto(tl_yaml) struct tl_yaml *yaml = NULL;
	struct tl_err err = TL_ERR_INIT;
	char path[4096];

	snprintf(path, sizeof path, "%s/%s", FIXTURES, name);
	if (tl_yaml_load(path, &yaml, &err) < 0)
		fail_msg("%s", tl_err_text(&err));
	for (const struct tl_yaml_node *node = tl_yaml_root(yaml)->first->first; node;
	     node = node->next) {
		struct fixture fixture = {.rule = NULL};

		if (tl_yaml_read(yaml, node, members, TL_ARRAY_LEN(members), &fixture, &err) < 0)
			fail_msg("%s", tl_err_text(&err));
		if (!fires(rules, yaml, fixture.fires, fixture.rule))
			fail_msg("%s:%zu: %s does not fire", name, fixture.fires->line,
				 fixture.rule);
		if (fires(rules, yaml, fixture.quiet, fixture.rule))
			fail_msg("%s:%zu: %s fires", name, fixture.quiet->line, fixture.rule);
		json_object_set_new(tried, fixture.rule, json_true());
	}
}

static void each_rule_fires_on_what_it_is_for_and_on_nothing_near_it(void **state TL_UNUSED)
{
	tl_auto(tl_analysis_rules) struct tl_analysis_rules *rules = NULL;
	struct tl_err err = TL_ERR_INIT;
	tl_json *tried = json_object();
	DIR *dir = opendir(FIXTURES);
	const struct dirent *entry;

	if (tl_analysis_rules_open(&(struct tl_analysis_sources){0}, &rules, &err) < 0)
		fail_msg("%s", tl_err_text(&err));
	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (tl_str_ends(entry->d_name, ".yaml"))
			try_file(rules, entry->d_name, tried);
	closedir(dir);
	for (size_t i = 0; i < tl_analysis_rules_count(rules); i++)
		if (!json_object_get(tried, tl_analysis_rules_id(rules, i)))
			fail_msg("%s has no fixture", tl_analysis_rules_id(rules, i));
	assert_true(tl_analysis_rules_count(rules) >= 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule_fires_on_what_it_is_for_and_on_nothing_near_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
