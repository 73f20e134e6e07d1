#include "redact/needs.h"

#include <string.h>

#include "tests.h"

/* Whether a text is worth a try. */
static bool worth(const char *regex, const char *text)
{
	struct needs needs = needs_of(regex);

	return needs_are_met(&needs, needs_kinds(text, strlen(text)));
}

static void bytes_that_every_match_has_are_asked_for(void **state TL_UNUSED)
{
	assert_true(worth("key[ ]*=(x)", "key = x"));
	assert_false(worth("key[ ]*=(x)", "key : x"));
	assert_false(worth("<name>[^<]+</name>", "the name"));
	assert_false(worth("[0-9]{3}-x", "abc-x"));
}

static void what_can_be_missing_is_not_asked_for(void **state TL_UNUSED)
{
	assert_true(worth("a=?b*(?:\\()?'{0,3}(?:\")*x", "ax"));
	assert_false(worth("a={1,3}x", "ax"));
	assert_false(worth("a(?:=)+x", "ax"));
	assert_false(worth("a={2}x", "ax"));
	assert_false(worth("a={2,}+x", "ax"));
}

static void branches_need_what_one_of_them_needs(void **state TL_UNUSED)
{
	assert_true(worth("(?:a=|b:)x", "b:x"));
	assert_true(worth("(?:a=|b:)x", "a=x"));
	assert_false(worth("(?:a=|b:)x", "a;x"));
	assert_true(worth("(?:a=|b)x", "bx"));
	assert_true(worth("a=|\\w+", "x"));
}

static void lookarounds_are_no_part_of_a_match(void **state TL_UNUSED)
{
	assert_true(worth("(?<=:)(?!;)a(?=\")(?<!\\()", "a"));
}

static void case_of_letters_never_counts(void **state TL_UNUSED)
{
	assert_true(worth("(?i)z=", "Z="));
	assert_true(worth("(?i)[q-s]=", "S="));
}

static void extended_form_ends_with_its_group(void **state TL_UNUSED)
{
	assert_true(worth("(?x: a # =\n ) b", "a b"));
	assert_false(worth("(?x: a ) #", "a "));
	assert_true(worth("(?x) a \\  [ ] # ;\n", "a  "));
	assert_false(worth("(?x) a [#] # ;\n", "a"));
	assert_true(worth("(?x)a = ? b", "ab"));
}

static void classes_are_read_with_ranges_and_escapes(void **state TL_UNUSED)
{
	assert_true(worth("[\\]!-']", "]"));
	assert_true(worth("[\\]!-']", "#"));
	assert_false(worth("[\\]!-']", "("));
	assert_true(worth("[]=]", "]"));
	assert_true(worth("[^=]", "x"));
	assert_true(worth("[\\w=]", "x"));
	assert_true(worth("\\x3d\\x{3a}", "=:"));
	assert_false(worth("\\x3d", "3d"));
	assert_false(worth("\\t", "t"));
	assert_true(worth("\\s=", "\t="));
}

static void quantifier_that_is_none_takes_nothing_for_granted(void **state TL_UNUSED)
{
	assert_true(worth("={,3}", "={,3}"));
	assert_true(worth("=\\{x", "={x"));
}

static void what_is_not_understood_needs_nothing(void **state TL_UNUSED)
{
	static const char *const regexes[] = {
		"=\\Q?\\E", "=(?R)?", "=(*ACCEPT)", "(?(1)=|x)", "=(?#;)", "=[[:alpha:]]",
		"=\\1",	    "=(",     "=)",	    "=[a",	 "=\\",
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(regexes); i++)
		assert_int_equal(needs_of(regexes[i]).count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_that_every_match_has_are_asked_for),
		cmocka_unit_test(what_can_be_missing_is_not_asked_for),
		cmocka_unit_test(branches_need_what_one_of_them_needs),
		cmocka_unit_test(lookarounds_are_no_part_of_a_match),
		cmocka_unit_test(case_of_letters_never_counts),
		cmocka_unit_test(extended_form_ends_with_its_group),
		cmocka_unit_test(classes_are_read_with_ranges_and_escapes),
		cmocka_unit_test(quantifier_that_is_none_takes_nothing_for_granted),
		cmocka_unit_test(what_is_not_understood_needs_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
