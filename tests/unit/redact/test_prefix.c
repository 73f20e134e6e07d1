#include "redact/prefix.h"

#include "tests.h"

/* What the gate would look for; NULL when the expression is not understood. */
static const char *prefix(const char *regex, bool *ret_literal)
{
	static char text[4096];
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(sizeof text);

	*ret_literal = false;
	if (!prefix_of(regex, &out, ret_literal))
		return NULL;
	snprintf(text, sizeof text, "%s", tl_buf_str(&out));
	return text;
}

static void expect(const char *regex, const char *wanted)
{
	bool literal;
	const char *found = prefix(regex, &literal);

	if (!found || strcmp(found, wanted) != 0)
		fail_msg("%s gives %s", regex, found ? found : "nothing");
	assert_true(literal);
}

static void what_stands_before_the_secret_is_taken(void **state TL_UNUSED)
{
	expect("(?i)password[ ]*=[ ]*([a-z]+)", "(?i)password[ ]*=[ ]*");
	expect("(?i)key(?:word)?: \"(?<name>x+)\" tail", "(?i)key(?:word)?: \"");
}

static void each_branch_ends_at_its_own_secret(void **state TL_UNUSED)
{
	expect("(?:one=(a+)|two:(b+)c)d", "(?:one=|two:)");
	expect("one=(a+)|two:(b+)", "one=|two:");
	expect("(?|abc (x)|def (y))", "(?:abc |def )");
}

static void secret_with_a_form_of_its_own_is_taken_whole(void **state TL_UNUSED)
{
	expect("\\b(ghp_[a-z]{20,})", "(?:ghp_[a-z]{20,})");
}

static void lookarounds_are_left_out(void **state TL_UNUSED)
{
	expect("(?<!\\w)abc(?=[)\\]]|\\z)(?!x(y))d(e)", "abcd");
}

static void classes_and_what_can_be_missing_are_no_beginning(void **state TL_UNUSED)
{
	expect("^[ \\t]{0,8}(?:export )?[a-z]+abc=(x)", "abc=");
	expect("a?bcd=(x)", "bcd=");
}

static void high_counts_are_opened(void **state TL_UNUSED)
{
	expect("abc[a-z]{0,500}d{3}e{2,9}=(x)", "abc[a-z]{0,}d{3}e{2,9}=");
	expect("abc[a-z]{2,400}+d(x)", "abc[a-z]{2,}d");
}

static void extended_form_loses_its_blanks(void **state TL_UNUSED)
{
	expect("(?xi) pass word # a (comment\n [ ] \\# = (x)", "(?i)password[ ]\\#=");
	expect("ab(?x: c d )e f(x)", "ab(?:cd)e f");
}

static void optional_group_around_the_secret_ends_the_beginning(void **state TL_UNUSED)
{
	expect("abc(?: = (x))?def", "abc");
}

static void branch_without_bytes_of_its_own_is_no_literal(void **state TL_UNUSED)
{
	bool literal;

	assert_non_null(prefix("(?:abc|[a-z]+)=(x)", &literal));
	assert_false(literal);
}

static void what_is_not_understood_is_refused(void **state TL_UNUSED)
{
	static const char *const regexes[] = {
		"abc(?1)(x)", "(a)\\1bc",  "(?(1)abc|d)", "abc\\K(x)", "\\Aabc(x)",
		"abc\\Z(x)",  "(*UTF)abc", "(?#c)abc",	  "\\Qabc\\E", "(?U)abc+",
		"abc)",	      "(?:abc",	   "[abc",
	};
	bool literal;

	for (size_t i = 0; i < TL_ARRAY_LEN(regexes); i++)
		if (prefix(regexes[i], &literal))
			fail_msg("%s gives %s", regexes[i], prefix(regexes[i], &literal));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_stands_before_the_secret_is_taken),
		cmocka_unit_test(each_branch_ends_at_its_own_secret),
		cmocka_unit_test(secret_with_a_form_of_its_own_is_taken_whole),
		cmocka_unit_test(lookarounds_are_left_out),
		cmocka_unit_test(classes_and_what_can_be_missing_are_no_beginning),
		cmocka_unit_test(high_counts_are_opened),
		cmocka_unit_test(extended_form_loses_its_blanks),
		cmocka_unit_test(optional_group_around_the_secret_ends_the_beginning),
		cmocka_unit_test(branch_without_bytes_of_its_own_is_no_literal),
		cmocka_unit_test(what_is_not_understood_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
