#include "cli/print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <stdlib.h>
#include <string.h>
#include <towline/str.h>
#include <cmocka.h>

static json_t *parse(const char *text)
{
	json_t *json = NULL;

	assert_int_equal(tl_json_parse(text, strlen(text), &json, NULL), 0);
	return json;
}

static void assert_member(const char *object_text, const char *dotted, const char *expected)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(1024);
	tl_json *object = parse(object_text);

	tl_print_member(&out, object, dotted);
	assert_string_equal(tl_buf_str(&out), expected);
}

static void dotted_member_is_found(void **state)
{
	(void)state;
	assert_member("{\"host\":{\"name\":\"web-01\"}}", "host.name", "web-01");
}

static void absent_null_and_empty_members_are_a_dash(void **state)
{
	(void)state;
	assert_member("{}", "host.name", "-");
	assert_member("{\"a\":null}", "a", "-");
	assert_member("{\"a\":\"\"}", "a", "-");
	assert_member("{\"a\":[]}", "a", "-");
}

static void arrays_are_joined_and_truth_is_yes_or_no(void **state)
{
	(void)state;
	assert_member("{\"a\":[\"x\",2,true]}", "a", "x,2,yes");
	assert_member("{\"a\":false}", "a", "no");
}

static void control_characters_never_reach_the_terminal(void **state)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(1024);
	tl_json *object = parse("{\"a\":\"\\u001b[2Jx\\r\\u009b\"}");

	(void)state;
	tl_print_member(&out, object, "a");
	assert_null(strchr(tl_buf_str(&out), '\x1b'));
	assert_null(strchr(tl_buf_str(&out), '\r'));
	assert_null(strstr(tl_buf_str(&out), "\xc2\x9b"));
}

static char *print_table(const char *items_text, int max_width)
{
	const struct tl_column columns[] = {{"A", "a", max_width}, {"B", "b", 0}};
	tl_json *items = parse(items_text);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	tl_print_table(out, items, columns, TL_ARRAY_LEN(columns), "none");
	fclose(out);
	return text;
}

static void columns_are_as_wide_as_their_contents(void **state)
{
	tl_free char *text =
		print_table("[{\"a\":\"long\",\"b\":\"1\"},{\"a\":\"x\",\"b\":\"2\"}]", 0);

	(void)state;
	assert_string_equal(text, "A     B\nlong  1\nx     2\n");
}

static void wide_cells_are_cut_between_characters(void **state)
{
	tl_free char *text = print_table("[{\"a\":\"äöüß\",\"b\":\"1\"}]", 3);

	(void)state;
	assert_string_equal(text, "A    B\näö…  1\n");
}

static void an_empty_table_says_so(void **state)
{
	tl_free char *text = print_table("[]", 0);

	(void)state;
	assert_string_equal(text, "none\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dotted_member_is_found),
		cmocka_unit_test(absent_null_and_empty_members_are_a_dash),
		cmocka_unit_test(arrays_are_joined_and_truth_is_yes_or_no),
		cmocka_unit_test(control_characters_never_reach_the_terminal),
		cmocka_unit_test(columns_are_as_wide_as_their_contents),
		cmocka_unit_test(wide_cells_are_cut_between_characters),
		cmocka_unit_test(an_empty_table_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
