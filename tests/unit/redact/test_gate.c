/* The gates change nothing but the time it takes: what all rules find when each is tried everywhere is
 * found behind the gates, too. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <towline/fs.h>

#include "redact/ruleset.h"

#include "tests.h"

#define TEXT_MAX (4 * 1024 * 1024)

static struct tl_redact_rules *gated, *open_to_all;

static int open_rules(void **state TL_UNUSED)
{
	static const struct tl_redact_sources sources = {.site_dir = NULL};

	if (tl_redact_rules_open(&sources, &gated, NULL) < 0 ||
	    tl_redact_rules_open(&sources, &open_to_all, NULL) < 0 || !gated->gate.match)
		return -1;
	gate_clear(&open_to_all->gate);
	return 0;
}

static int free_rules(void **state TL_UNUSED)
{
	tl_redact_rules_free(gated);
	tl_redact_rules_free(open_to_all);
	return 0;
}

static void redact(const struct tl_redact_rules *rules, const struct tl_redact_limits *limits,
		   const struct tl_buf *text, struct tl_buf *out)
{
	tl_auto(tl_redactor) struct tl_redactor *redactor = NULL;

	assert_int_equal(tl_redactor_new(rules, limits, &redactor, NULL), 0);
	assert_int_equal(tl_redact_text(redactor, tl_buf_str(text), text->len, out, NULL), 0);
}

static void expect_equal(const char *name, const struct tl_redact_limits *limits,
			 const struct tl_buf *text)
{
	tl_auto(tl_buf) struct tl_buf behind = TL_BUF_INIT(TEXT_MAX),
				      everywhere = TL_BUF_INIT(TEXT_MAX);
	size_t at = 0;

	redact(gated, limits, text, &behind);
	redact(open_to_all, limits, text, &everywhere);
	while (at < behind.len && at < everywhere.len && behind.data[at] == everywhere.data[at])
		at++;
	if (at < behind.len || at < everywhere.len)
		fail_msg("%s: behind the gates \"%.80s\", without them \"%.80s\"", name,
			 tl_buf_str(&behind) + (at > 40 ? at - 40 : 0),
			 tl_buf_str(&everywhere) + (at > 40 ? at - 40 : 0));
}

static void each_file(void (*take)(const char *name, struct tl_buf *text))
{
	DIR *entries = opendir(TOWLINE_CORPUS "/secrets");
	const struct dirent *entry;
	unsigned taken = 0;

	assert_non_null(entries);
	while ((entry = readdir(entries))) {
		tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TEXT_MAX);

		if (entry->d_name[0] == '.' ||
		    tl_fs_read_file(dirfd(entries), entry->d_name, &text, NULL) < 0)
			continue;
		take(entry->d_name, &text);
		taken++;
	}
	closedir(entries);
	assert_true(taken > 0);
}

static void take_lines(const char *name, struct tl_buf *text)
{
	expect_equal(name, &tl_redact_limits_default, text);
}

/* The same on one long line. */
static void take_long_line(const char *name, struct tl_buf *text)
{
	for (size_t i = 0; i < text->len; i++)
		if (text->data[i] == '\n')
			text->data[i] = ' ';
	expect_equal(name, &tl_redact_limits_default, text);
}

static void lines_are_redacted_as_without_gates(void **state TL_UNUSED)
{
	each_file(take_lines);
}

static void long_lines_are_redacted_as_without_gates(void **state TL_UNUSED)
{
	each_file(take_long_line);
}

/* Vectorscan and PCRE2 have to agree on what a blank and a word are. */
static void both_engines_know_the_same_classes(void **state TL_UNUSED)
{
	static const char rule[] =
		"rules: [{id: a, keywords: [kk], regex: '(?i)kk\\s\\w\\D\\W\\S\\d([a-z]+)"
		"|kkk[[:space:]]\\S\\b([a-z]+)'}]";
	tl_auto(tl_redact_rules) struct tl_redact_rules *with = NULL, *without = NULL;

	assert_int_equal(tl_redact_rules_parse("r", rule, sizeof rule - 1, &with, NULL), 0);
	assert_int_equal(tl_redact_rules_parse("r", rule, sizeof rule - 1, &without, NULL), 0);
	gate_clear(&without->gate);
	for (unsigned byte = 1; byte < 256 * 6; byte++) {
		char line[] = "kk aa-a7secret kkk asecret";
		struct tl_buf text = {.data = line, .len = sizeof line - 1};
		tl_auto(tl_buf) struct tl_buf one = TL_BUF_INIT(1000), two = TL_BUF_INIT(1000);

		line[2 + byte / 256] = (char)byte;
		redact(with, &tl_redact_limits_default, &text, &one);
		redact(without, &tl_redact_limits_default, &text, &two);
		assert_string_equal(tl_buf_str(&one), tl_buf_str(&two));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_redacted_as_without_gates),
		cmocka_unit_test(long_lines_are_redacted_as_without_gates),
		cmocka_unit_test(both_engines_know_the_same_classes),
	};

	return cmocka_run_group_tests(tests, open_rules, free_rules);
}
