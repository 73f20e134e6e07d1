/* Rule files: what they may say, and the sentence for what they may not. */
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "redact/redact.h"

#include "tests.h"

static int parse(const char *text, struct tl_redact_rules **ret_rules, struct tl_err *err)
{
	return tl_redact_rules_parse("r.yaml", text, strlen(text), ret_rules, err);
}

static void refused(const char *text, const char *sentence)
{
	struct tl_redact_rules *rules = NULL;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(parse(text, &rules, &err), TL_ECONFIG);
	assert_null(rules);
	assert_says(&err, sentence);
}

/* Redacts `text` of the file `path` by the rules. */
static void expect_at(const char *rule_text, const char *path, const char *text, const char *wanted)
{
	tl_auto(tl_redact_rules) struct tl_redact_rules *rules = NULL;
	tl_auto(tl_redactor) struct tl_redactor *redactor = NULL;
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(65536);
	struct tl_err err = TL_ERR_INIT;

	if (parse(rule_text, &rules, &err) < 0)
		fail_msg("%s", tl_err_text(&err));
	assert_int_equal(tl_redactor_new(rules, &tl_redact_limits_default, &redactor, NULL), 0);
	tl_redactor_set_path(redactor, path);
	assert_int_equal(tl_redact_text(redactor, text, strlen(text), &out, NULL), 0);
	assert_string_equal(tl_buf_str(&out), wanted);
}

static void expect(const char *rule_text, const char *text, const char *wanted)
{
	expect_at(rule_text, NULL, text, wanted);
}

static void every_fault_names_file_and_line(void **state TL_UNUSED)
{
	refused("rules:\n  - id: a\n    regex: '(x'\n", "r.yaml:3: missing closing parenthesis");
	refused("rules:\n  - id: a\n", "r.yaml:2: rule a needs a regex or a path");
	refused("rules:\n  - regex: x\n", "r.yaml:2: ");
	refused("rules:\n  - id: A b\n    regex: x\n", "r.yaml:2: id \"A b\"");
	refused("rules:\n  - id: a\n    regx: x\n", "did you mean \"regex\"");
	refused("rules:\n  - id: a\n    regex: x\n  - id: a\n    regex: y\n",
		"r.yaml:4: rule a is there already: r.yaml:2");
	refused("rules:\n  - id: a\n    regex: (x)\n    secretGroup: 2\n", "r.yaml:4: ");
	refused("rules:\n  - id: a\n    regex: x\n    keywords: [k]\n",
		"r.yaml:4: \"k\" is shorter");
	refused("rules:\n  - id: a\n    regex: x\n    follow: value\n",
		"r.yaml:2: nextRegex and \"follow: value\" need each other");
	refused("rules:\n  - id: a\n    regex: x\n    follow: block\n    blockEnd: y\n",
		"r.yaml:4: follow needs a regex, and no blockEnd");
	refused("rules: 7\n", "r.yaml:1: rules must be a list");
	refused("disable: [none]\n", "r.yaml:1: there is no rule \"none\"");
	refused("allowlist: {condition: AND}\n", "r.yaml:1: an allowlist needs");
	refused("allowlist: {condition: XOR, paths: [x]}\n", "OR, AND");
	refused("allowlist: {regexes: ['[']}\n", "r.yaml:1: ");
}

static void definitions_are_filled_in(void **state TL_UNUSED)
{
	expect("define:\n  word: 'pass(?:wd)?'\n  key: '(?:{{word}}|pin)'\n"
	       "rules:\n  - id: a\n    regex: '{{key}}=(\\w+)'\n",
	       "passwd=x1 pin=22", "passwd=[redacted:a] pin=[redacted:a]");
	refused("rules:\n  - id: a\n    regex: '{{word}}'\n", "r.yaml:3: {{word}} is not defined");
	refused("define:\n  a: '{{b}}'\n  b: x\n", "r.yaml:2: {{b}} is not defined above");
	refused("define: {'': x}\nrules:\n  - id: a\n    regex: '{{x'\n",
		"r.yaml:4: {{}} is not defined");
}

static void definitions_cannot_grow_without_bound(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(65536);

	tl_buf_puts(&text, "define:\n  d0: 'xxxxxxxx'\n");
	for (unsigned i = 1; i < 60; i++)
		tl_buf_printf(&text, "  d%u: '{{d%u}}{{d%u}}'\n", i, i - 1, i - 1);
	refused(tl_buf_str(&text), "is longer than 16384 bytes");
}

static void case_counts_unless_the_rule_says_otherwise(void **state TL_UNUSED)
{
	expect("rules: [{id: a, regex: 'Key=(\\w+)'}]", "key=a Key=b", "key=a Key=[redacted:a]");
	expect("rules: [{id: a, regex: '(?i)Key=(\\w+)'}]", "KEY=b", "KEY=[redacted:a]");
}

static void secret_is_the_group_that_is_named(void **state TL_UNUSED)
{
	expect("rules: [{id: a, regex: 'k(\\d)=(\\w+)', secretGroup: 2}]", "k1=abc",
	       "k1=[redacted:a]");
	expect("rules: [{id: a, regex: 'k(\\d)=(\\w+)'}]", "k1=abc", "k[redacted:a]=abc");
	expect("rules: [{id: a, regex: 'k(?:(\\d)|(x))=1'}]", "kx=1", "k[redacted:a]=1");
	expect("rules: [{id: a, regex: 'k\\d=\\w+'}]", "k1=abc", "[redacted:a]");
}

static void keyword_must_stand_near(void **state TL_UNUSED)
{
	static const char rules[] =
		"rules: [{id: a, regex: '\\b[0-9a-f]{40}\\b', keywords: [AWS]}]";

	expect(rules, "commit 0123456789abcdef0123456789abcdef01234567",
	       "commit 0123456789abcdef0123456789abcdef01234567");
	expect(rules, "aws 0123456789abcdef0123456789abcdef01234567 x", "aws [redacted:a] x");
	expect(rules, "aws\n0123456789abcdef0123456789abcdef01234567",
	       "aws\n0123456789abcdef0123456789abcdef01234567");
}

static void secret_must_exceed_the_entropy(void **state TL_UNUSED)
{
	static const char rules[] = "rules: [{id: a, regex: 'k=(\\w+)', entropy: 2}]";

	expect(rules, "k=aaaabbbb k=abcdefgh", "k=aaaabbbb k=[redacted:a]");
	expect(rules, "k=abcd", "k=abcd"); /* exactly 2 */
}

static void allowlist_spares_by_any_or_all(void **state TL_UNUSED)
{
	expect("rules:\n  - id: a\n    regex: 'k=(\\w+)'\n    allowlists:\n"
	       "      - {regexes: ['^test'], stopwords: [EXAMPLE]}\n",
	       "k=test1 k=xexamplex k=real", "k=test1 k=xexamplex k=[redacted:a]");
	expect("rules:\n  - id: a\n    regex: 'k=(\\w+)'\n    allowlists:\n"
	       "      - {condition: AND, regexes: ['^test'], stopwords: [example]}\n",
	       "k=test1 k=testexample", "k=[redacted:a] k=testexample");
}

static void allowlist_looks_at_its_target(void **state TL_UNUSED)
{
	expect("rules:\n  - id: a\n    regex: 'k=(\\w+)'\n    allowlists:\n"
	       "      - {regexTarget: match, regexes: ['^k=x']}\n",
	       "k=x1 k=y", "k=x1 k=[redacted:a]");
	expect("rules:\n  - id: a\n    regex: 'k=(\\w+)'\n    allowlists:\n"
	       "      - {regexTarget: line, regexes: ['^sample']}\n",
	       "sample k=x\nother k=x", "sample k=x\nother k=[redacted:a]");
}

static void allowlist_of_the_file_holds_for_all_its_rules(void **state TL_UNUSED)
{
	expect("allowlist: {stopwords: [changeme]}\nrules: [{id: a, regex: 'k=(\\w+)'}]",
	       "k=changeme k=x", "k=changeme k=[redacted:a]");
}

static void path_chooses_where_a_rule_holds(void **state TL_UNUSED)
{
	static const char rules[] = "rules: [{id: a, regex: 'k=(\\w+)', path: '\\.conf$'}]";

	expect_at(rules, "/etc/x.conf", "k=1", "k=[redacted:a]");
	expect_at(rules, "/etc/x.log", "k=1", "k=1");
	expect_at(rules, NULL, "k=1", "k=1");
}

static void path_alone_hides_the_whole_text(void **state TL_UNUSED)
{
	static const char rules[] = "rules: [{id: keyfile, path: '/id_rsa$'}]";

	expect_at(rules, "/root/.ssh/id_rsa", "all\nof it\n", "[redacted:keyfile]");
	expect_at(rules, "/root/.ssh/id_rsa.pub", "all\nof it\n", "all\nof it\n");
}

static void path_of_an_allowlist_spares_a_file(void **state TL_UNUSED)
{
	static const char rules[] =
		"rules: [{id: a, regex: 'k=(\\w+)', allowlists: [{paths: ['^/usr/share/']}]}]";

	expect_at(rules, "/usr/share/x", "k=1", "k=1");
	expect_at(rules, "/etc/x", "k=1", "k=[redacted:a]");
}

/* ---- a site's directory ----------------------------------------------------------------------- */

static void write_rule(const char *dir, const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof path, "%.2000s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static char dir[PATH_MAX];

static int make_dir(void **state TL_UNUSED)
{
	snprintf(dir, sizeof dir, "%s/rules-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state TL_UNUSED)
{
	static const char *const names[] = {"10-a.yaml", "20-b.yaml", "notes.txt"};
	char path[PATH_MAX];

	for (size_t i = 0; i < TL_ARRAY_LEN(names); i++) {
		snprintf(path, sizeof path, "%.2000s/%s", dir, names[i]);
		unlink(path);
	}
	return rmdir(dir);
}

static void site_adds_and_disables(void **state TL_UNUSED)
{
	const struct tl_redact_sources none = {.site_dir = NULL}, site = {.site_dir = dir};
	tl_auto(tl_redact_rules) struct tl_redact_rules *own = NULL, *both = NULL;

	write_rule(dir, "10-a.yaml", "rules: [{id: our-badge, regex: 'badge-[0-9]{6}'}]\n");
	write_rule(dir, "20-b.yaml",
		   "disable: [assignment, our-badge]\n"
		   "rules: [{id: our-badge, regex: 'badge-[0-9]{7}'}]\n");
	write_rule(dir, "notes.txt", "not YAML: [");
	assert_int_equal(tl_redact_rules_open(&none, &own, NULL), 0);
	assert_int_equal(tl_redact_rules_open(&site, &both, NULL), 0);
	assert_int_equal(tl_redact_rules_count(both), tl_redact_rules_count(own));
	assert_string_equal(tl_redact_rules_facts(both, tl_redact_rules_count(both) - 1).id,
			    "our-badge");
	assert_string_equal(tl_redact_rules_name(own), TL_REDACT_RULESET);
	assert_string_not_equal(tl_redact_rules_name(both), TL_REDACT_RULESET);
}

static void wrong_file_of_the_site_fails_all(void **state TL_UNUSED)
{
	const struct tl_redact_sources site = {.site_dir = dir};
	struct tl_redact_rules *rules = NULL;
	struct tl_err err = TL_ERR_INIT;

	write_rule(dir, "10-a.yaml", "rules: [{id: x}]\n");
	assert_int_equal(tl_redact_rules_open(&site, &rules, &err), TL_ECONFIG);
	assert_says(&err, "10-a.yaml:1: ");
}

static void missing_directory_means_no_rules_of_the_site(void **state TL_UNUSED)
{
	const struct tl_redact_sources site = {.site_dir = "/nonexistent/redact.d"};
	tl_auto(tl_redact_rules) struct tl_redact_rules *rules = NULL;

	assert_int_equal(tl_redact_rules_open(&site, &rules, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_fault_names_file_and_line),
		cmocka_unit_test(definitions_are_filled_in),
		cmocka_unit_test(definitions_cannot_grow_without_bound),
		cmocka_unit_test(case_counts_unless_the_rule_says_otherwise),
		cmocka_unit_test(secret_is_the_group_that_is_named),
		cmocka_unit_test(keyword_must_stand_near),
		cmocka_unit_test(secret_must_exceed_the_entropy),
		cmocka_unit_test(allowlist_spares_by_any_or_all),
		cmocka_unit_test(allowlist_looks_at_its_target),
		cmocka_unit_test(allowlist_of_the_file_holds_for_all_its_rules),
		cmocka_unit_test(path_chooses_where_a_rule_holds),
		cmocka_unit_test(path_alone_hides_the_whole_text),
		cmocka_unit_test(path_of_an_allowlist_spares_a_file),
		cmocka_unit_test_setup_teardown(site_adds_and_disables, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(wrong_file_of_the_site_fails_all, make_dir,
						remove_dir),
		cmocka_unit_test(missing_directory_means_no_rules_of_the_site),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
