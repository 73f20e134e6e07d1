#include "tests.h"

#define HEAD "rules:\n  - id: r\n    severity: error\n    summary: s\n    remedy: m\n    when:\n"

static struct tl_analysis_rules *parse(const char *when)
{
	struct tl_analysis_rules *rules = NULL;
	struct tl_err err = TL_ERR_INIT;
	char text[4096];

	snprintf(text, sizeof text, HEAD "%s", when);
	if (tl_analysis_rules_parse("t.yaml", text, strlen(text), &rules, &err) < 0)
		fail_msg("%s", tl_err_text(&err));
	return rules;
}

static json_t *conclude(const struct tl_analysis_rules *rules, const json_t *notices,
			const json_t *health)
{
	struct tl_err err = TL_ERR_INIT;
	json_t *results = NULL;

	assert_int_equal(tl_analysis_conclude(rules, notices, health, &results, &err), 0);
	return results;
}

static const char lines_rule[] =
	"      - lines: {pattern: 'disk (?<d>\\w+) died', files: ['root/*']}\n";

static void a_line_is_found_with_file_number_and_text(void **state TL_UNUSED)
{
	tl_auto(tl_analysis_rules) struct tl_analysis_rules *rules = parse(lines_rule);
	tl_json *notices = json_array();
	tl_json *results = NULL;
	const json_t *evidence;

	look_at(rules, "root/var/log/x", "one\ntwo\nthe disk sda died\nfour\n", 4096, notices);
	results = conclude(rules, notices, NULL);
	assert_non_null(finding(results, "r"));
	evidence = json_array_get(json_object_get(finding(results, "r"), "evidence"), 0);
	assert_string_equal(json_string_value(json_object_get(evidence, "file")), "root/var/log/x");
	assert_int_equal(json_integer_value(json_object_get(evidence, "line")), 3);
	assert_string_equal(json_string_value(json_object_get(evidence, "text")),
			    "the disk sda died");
}

static void pieces_and_a_missing_last_newline_change_nothing(void **state TL_UNUSED)
{
	tl_auto(tl_analysis_rules) struct tl_analysis_rules *rules = parse(lines_rule);

	for (size_t piece = 1; piece < 24; piece++) {
		tl_json *notices = json_array();
		tl_json *results = NULL;
		const json_t *evidence;

		look_at(rules, "root/x", "a\nb\ndisk sdb died", piece, notices);
		results = conclude(rules, notices, NULL);
		evidence = json_object_get(finding(results, "r"), "evidence");
		assert_int_equal(json_array_size(evidence), 1);
		assert_int_equal(json_integer_value(
					 json_object_get(json_array_get(evidence, 0), "line")),
				 3);
	}
}

static void lines_are_counted_across_windows(void **state TL_UNUSED)
{
	tl_auto(tl_analysis_rules) struct tl_analysis_rules *rules = parse(lines_rule);
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(8 << 20);
	tl_json *notices = json_array();
	tl_json *results = NULL;

	for (int i = 1; i <= 50000; i++)
		tl_buf_puts(&text, i == 48001 ? "disk sdc died\n" : "nothing of note here\n");
	look_at(rules, "root/x", tl_buf_str(&text), 65536, notices);
	results = conclude(rules, notices, NULL);
	assert_int_equal(json_integer_value(json_object_get(
				 json_array_get(json_object_get(finding(results, "r"), "evidence"),
						0),
				 "line")),
			 48001);
}

static void a_line_without_end_is_bounded_and_what_follows_is_seen(void **state TL_UNUSED)
{
	tl_auto(tl_analysis_rules) struct tl_analysis_rules *rules = parse(lines_rule);
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(8 << 20);
	tl_json *notices = json_array();
	tl_json *results = NULL;

	for (int i = 0; i < 400000; i++)
		tl_buf_puts(&text, "x");
	tl_buf_puts(&text, "\ndisk sdd died\n");
	look_at(rules, "root/x", tl_buf_str(&text), 65536, notices);
	results = conclude(rules, notices, NULL);
	assert_int_equal(json_integer_value(json_object_get(
				 json_array_get(json_object_get(finding(results, "r"), "evidence"),
						0),
				 "line")),
			 2);
}

static void of_many_lines_the_first_and_the_last_are_shown(void **state TL_UNUSED)
{
	tl_auto(tl_analysis_rules) struct tl_analysis_rules *rules = parse(lines_rule);
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(8 << 20);
	tl_json *notices = json_array();
	tl_json *results = NULL;
	const json_t *evidence;

	for (int i = 1; i <= 100; i++)
		tl_buf_printf(&text, "disk d%d died\n", i);
	look_at(rules, "root/x", tl_buf_str(&text), 4096, notices);
	results = conclude(rules, notices, NULL);
	evidence = json_object_get(finding(results, "r"), "evidence");
	assert_int_equal(json_integer_value(json_object_get(finding(results, "r"), "count")), 100);
	assert_int_equal(json_array_size(evidence), 5);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(evidence, 0), "line")),
			 1);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(evidence, 4), "line")),
			 100);
}

static void a_long_line_is_cut_between_words(void **state TL_UNUSED)
{
	tl_auto(tl_analysis_rules) struct tl_analysis_rules *rules = parse(lines_rule);
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(4096);
	tl_json *notices = json_array();
	tl_json *results = NULL;
	const json_t *evidence;

	tl_buf_printf(&text, "disk d died ");
	for (int i = 0; i < 478; i++)
		tl_buf_putc(&text, 'x');
	tl_buf_puts(&text, " ghp_0123456789abcdefghijklmnopqrstuvwxyz\n");
	look_at(rules, "root/x", tl_buf_str(&text), 4096, notices);
	results = conclude(rules, notices, NULL);
	evidence = json_array_get(json_object_get(finding(results, "r"), "evidence"), 0);
	assert_null(strstr(json_string_value(json_object_get(evidence, "text")), "ghp_"));
}

static void enough_of_the_same_is_needed_in_one_member(void **state TL_UNUSED)
{
	tl_auto(tl_analysis_rules) struct tl_analysis_rules *rules = parse(
		"      - lines: {pattern: 'disk (?<d>\\w+) died', files: ['root/*'], at_least: 2, "
		"same: d}\n");
	tl_json *notices = json_array();
	tl_json *few = NULL;
	tl_json *enough = NULL;

	look_at(rules, "root/a", "disk sda died\ndisk sdb died\n", 4096, notices);
	look_at(rules, "root/b", "disk sda died\n", 4096, notices);
	few = conclude(rules, notices, NULL);
	assert_null(finding(few, "r"));
	look_at(rules, "root/c", "disk sda died\ndisk sda died\n", 4096, notices);
	enough = conclude(rules, notices, NULL);
	assert_non_null(finding(enough, "r"));
}

static void other_files_are_not_looked_at(void **state TL_UNUSED)
{
	tl_auto(tl_analysis_rules) struct tl_analysis_rules *rules = parse(lines_rule);
	tl_json *notices = json_array();
	tl_json *results = NULL;

	look_at(rules, "cmd/x", "disk sda died\n", 4096, notices);
	results = conclude(rules, notices, NULL);
	assert_null(finding(results, "r"));
	assert_int_equal(json_array_size(json_object_get(results, "unknown")), 1);
}

static void an_entry_of_the_journal_is_shown_by_its_message(void **state TL_UNUSED)
{
	tl_auto(tl_analysis_rules) struct tl_analysis_rules *rules =
		parse("      - lines: {pattern: 'died', files: ['@kernel']}\n");
	tl_json *notices = json_array();
	tl_json *results = NULL;

	look_at(rules, "journal/system.jsonl", "{\"message\":\"disk sda died\",\"pid\":\"1\"}\n",
		4096, notices);
	results = conclude(rules, notices, NULL);
	assert_string_equal(
		json_string_value(json_object_get(
			json_array_get(json_object_get(finding(results, "r"), "evidence"), 0),
			"text")),
		"disk sda died");
}

static void a_fact_is_compared_by_value_or_verdict(void **state TL_UNUSED)
{
	static const struct {
		const char *when, *fact;
		bool fires;
	} cases[] = {
		{"{name: used, above: 90}", "{\"name\":\"used\",\"value\":91}", true},
		{"{name: used, above: 90}", "{\"name\":\"used\",\"value\":90}", false},
		{"{name: used, below: 5}", "{\"name\":\"used\",\"value\":0}", true},
		{"{name: 'us*', verdict: [critical]}",
		 "{\"name\":\"used\",\"value\":1,\"verdict\":\"critical\"}", true},
		{"{name: used, verdict: [critical]}",
		 "{\"name\":\"used\",\"value\":1,\"verdict\":\"ok\"}", false},
		{"{name: ok, is: false}", "{\"name\":\"ok\",\"value\":false}", true},
		{"{name: ok, is: false}", "{\"name\":\"ok\",\"value\":true}", false},
		{"{name: used, subject: '/var*', above: 1}",
		 "{\"name\":\"used\",\"subject\":\"/\",\"value\":9}", false},
		{"{name: used, verdict: [unknown]}",
		 "{\"name\":\"used\",\"value\":null,\"verdict\":\"unknown\"}", false},
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(cases); i++) {
		char when[256], text[256];
		tl_auto(tl_analysis_rules) struct tl_analysis_rules *rules = NULL;
		tl_json *health = NULL;
		tl_json *results = NULL;

		snprintf(when, sizeof when, "      - fact: %s\n", cases[i].when);
		snprintf(text, sizeof text, "{\"facts\":[%s]}", cases[i].fact);
		rules = parse(when);
		health = json_loads(text, 0, NULL);
		assert_non_null(health);
		results = conclude(rules, NULL, health);
		if ((finding(results, "r") != NULL) != cases[i].fires)
			fail_msg("%s with %s", cases[i].when, cases[i].fact);
	}
}

static void all_needs_every_condition(void **state TL_UNUSED)
{
	static const char text[] = "rules:\n  - id: r\n    severity: info\n    summary: s\n"
				   "    remedy: m\n    match: all\n    when:\n"
				   "      - lines: {pattern: died, files: ['*']}\n"
				   "      - fact: {name: used, above: 1}\n";
	tl_auto(tl_analysis_rules) struct tl_analysis_rules *rules = NULL;
	tl_json *notices = json_array();
	tl_json *one = NULL;
	tl_json *both = NULL;
	tl_json *health = json_pack("{s:[{s:s, s:i}]}", "facts", "name", "used", "value", 2);
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_analysis_rules_parse("t", text, strlen(text), &rules, &err), 0);
	look_at(rules, "x", "died\n", 16, notices);
	one = conclude(rules, notices, NULL);
	assert_null(finding(one, "r"));
	both = conclude(rules, notices, health);
	assert_non_null(finding(both, "r"));
}

static void a_fault_in_a_rule_names_file_and_line(void **state TL_UNUSED)
{
	static const struct {
		const char *when, *says;
	} faults[] = {
		{"      - lines: {pattern: '(', files: ['x']}\n", "t.yaml:7: pattern: "},
		{"      - lines: {pattern: a}\n", "t.yaml:7: files is missing"},
		{"      - lines: {pattern: a, files: ['@none']}\n", "@none is no set of files"},
		{"      - lines: {pattern: a, files: [x], same: g}\n", "has no group \"g\""},
		{"      - fact: {name: a}\n", "needs one of verdict, above, below and is"},
		{"      - {}\n", "either lines or fact"},
		{"      []\n", "when must be a list of conditions"},
		{"      - linse: {}\n", "did you mean \"lines\"?"},
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(faults); i++) {
		struct tl_analysis_rules *rules = NULL;
		struct tl_err err = TL_ERR_INIT;
		char text[4096];

		snprintf(text, sizeof text, HEAD "%s", faults[i].when);
		assert_int_equal(tl_analysis_rules_parse("t.yaml", text, strlen(text), &rules,
							 &err),
				 TL_ECONFIG);
		if (!strstr(tl_err_text(&err), faults[i].says))
			fail_msg("\"%s\" does not say \"%s\"", tl_err_text(&err), faults[i].says);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_found_with_file_number_and_text),
		cmocka_unit_test(pieces_and_a_missing_last_newline_change_nothing),
		cmocka_unit_test(lines_are_counted_across_windows),
		cmocka_unit_test(a_line_without_end_is_bounded_and_what_follows_is_seen),
		cmocka_unit_test(of_many_lines_the_first_and_the_last_are_shown),
		cmocka_unit_test(a_long_line_is_cut_between_words),
		cmocka_unit_test(enough_of_the_same_is_needed_in_one_member),
		cmocka_unit_test(other_files_are_not_looked_at),
		cmocka_unit_test(an_entry_of_the_journal_is_shown_by_its_message),
		cmocka_unit_test(a_fact_is_compared_by_value_or_verdict),
		cmocka_unit_test(all_needs_every_condition),
		cmocka_unit_test(a_fault_in_a_rule_names_file_and_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
