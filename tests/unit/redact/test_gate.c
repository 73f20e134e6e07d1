#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "redact/gate.h"

static struct gate *make(const char *const *words, size_t count)
{
	struct gate *gate = gate_new();

	assert_non_null(gate);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(gate_add(gate, words[i], strlen(words[i]), (unsigned)i), 0);
	assert_int_equal(gate_build(gate), 0);
	return gate;
}

static uint64_t scan(const struct gate *gate, const char *text)
{
	return gate_scan(gate, text, strlen(text));
}

static void keywords_are_found_without_regard_to_case(void **state TL_UNUSED)
{
	static const char *const words[] = {"token", "Secret"};
	tl_auto(gate) struct gate *gate = make(words, 2);

	assert_int_equal(scan(gate, "a TOKEN here"), 1);
	assert_int_equal(scan(gate, "sEcReT"), 2);
	assert_int_equal(scan(gate, "token secret"), 3);
}

static void text_without_keywords_has_no_rule(void **state TL_UNUSED)
{
	static const char *const words[] = {"token", "secret"};
	tl_auto(gate) struct gate *gate = make(words, 2);

	assert_int_equal(scan(gate, "toke nsecre t"), 0);
	assert_int_equal(scan(gate, ""), 0);
}

static void keyword_inside_another_is_found_too(void **state TL_UNUSED)
{
	static const char *const words[] = {"password", "pass", "wor", "ass"};
	tl_auto(gate) struct gate *gate = make(words, 4);

	assert_int_equal(scan(gate, "xpasswordx"), 15);
	assert_int_equal(scan(gate, "passwor"), 14);
}

static void search_falls_back_to_the_longest_suffix(void **state TL_UNUSED)
{
	static const char *const words[] = {"abab", "babc", "c"};
	tl_auto(gate) struct gate *gate = make(words, 3);

	assert_int_equal(scan(gate, "ababc"), 7);
	assert_int_equal(scan(gate, "aababab"), 1);
}

static void bytes_that_are_no_text_do_no_harm(void **state TL_UNUSED)
{
	static const char *const words[] = {"key"};
	tl_auto(gate) struct gate *gate = make(words, 1);
	static const unsigned char bytes[] = {0, 0xff, 'k', 0xfe, 'K', 'E', 'Y', 0};

	assert_int_equal(gate_scan(gate, bytes, sizeof bytes), 1);
	assert_int_equal(gate_scan(gate, bytes, 4), 0);
}

static void empty_keyword_is_refused(void **state TL_UNUSED)
{
	tl_auto(gate) struct gate *gate = gate_new();

	assert_true(gate_add(gate, "", 0, 0) < 0);
	assert_true(gate_add(gate, "a", 1, 64) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keywords_are_found_without_regard_to_case),
		cmocka_unit_test(text_without_keywords_has_no_rule),
		cmocka_unit_test(keyword_inside_another_is_found_too),
		cmocka_unit_test(search_falls_back_to_the_longest_suffix),
		cmocka_unit_test(bytes_that_are_no_text_do_no_harm),
		cmocka_unit_test(empty_keyword_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
