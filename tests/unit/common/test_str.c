#include "tests.h"
#include <towline/str.h>

static void prefixes_and_suffixes_are_found(void **state TL_UNUSED)
{
	assert_true(tl_str_starts("abc", "ab"));
	assert_true(tl_str_starts("abc", ""));
	assert_false(tl_str_starts("ab", "abc"));
	assert_true(tl_str_ends("abc", "bc"));
	assert_false(tl_str_ends("c", "bc"));
}

static void only_plain_decimals_are_unsigned_numbers(void **state TL_UNUSED)
{
	static const char *const bad[] = {"",	 "-1", "+1",  " 1",  "1 ",
					  "0x1", "1e", "1.0", "101", "18446744073709551616"};
	uint64_t value = 7;

	for (size_t i = 0; i < TL_ARRAY_LEN(bad); i++)
		assert_int_equal(tl_str_u64(bad[i], 100, &value), TL_EINVAL);
	assert_int_equal(value, 7);
	assert_int_equal(tl_str_u64("100", 100, &value), 0);
	assert_int_equal(value, 100);
	assert_int_equal(tl_str_u64("18446744073709551615", UINT64_MAX, &value), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(tl_str_u64("18446744073709551616", UINT64_MAX, &value), TL_EINVAL);
	assert_int_equal(tl_str_u64("5", 3, &value), TL_EINVAL);
}

static void signed_numbers_reach_both_ends(void **state TL_UNUSED)
{
	int64_t value = 0;

	assert_int_equal(tl_str_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &value), 0);
	assert_true(value == INT64_MIN);
	assert_int_equal(tl_str_i64("9223372036854775807", INT64_MIN, INT64_MAX, &value), 0);
	assert_true(value == INT64_MAX);
	assert_int_equal(tl_str_i64("9223372036854775808", INT64_MIN, INT64_MAX, &value),
			 TL_EINVAL);
	assert_int_equal(tl_str_i64("--1", INT64_MIN, INT64_MAX, &value), TL_EINVAL);
	assert_int_equal(tl_str_i64("-6", -5, 5, &value), TL_EINVAL);
}

static void durations_need_a_unit(void **state TL_UNUSED)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {{"250ms", 250},
		    {"90s", 90000},
		    {"15m", 900000},
		    {"8h", 28800000},
		    {"2d", 172800000}};
	int64_t ms;

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		assert_int_equal(tl_str_duration_ms(rows[i].text, &ms), 0);
		assert_int_equal(ms, rows[i].ms);
	}
	assert_int_equal(tl_str_duration_ms("90", &ms), TL_EINVAL);
	assert_int_equal(tl_str_duration_ms("1w", &ms), TL_EINVAL);
	assert_int_equal(tl_str_duration_ms("s", &ms), TL_EINVAL);
	assert_int_equal(tl_str_duration_ms("9223372036854775807d", &ms), TL_EINVAL);
}

static void sizes_are_powers_of_1024(void **state TL_UNUSED)
{
	uint64_t bytes;

	assert_int_equal(tl_str_size("512", &bytes), 0);
	assert_int_equal(bytes, 512);
	assert_int_equal(tl_str_size("64K", &bytes), 0);
	assert_int_equal(bytes, 65536);
	assert_int_equal(tl_str_size("1G", &bytes), 0);
	assert_int_equal(bytes, 1 << 30);
	assert_int_equal(tl_str_size("1KB", &bytes), TL_EINVAL);
	assert_int_equal(tl_str_size("99999999999T", &bytes), TL_EINVAL);
}

static void names_are_fit_for_paths_and_logs(void **state TL_UNUSED)
{
	assert_true(tl_str_is_name("a.B-9_", 6));
	assert_false(tl_str_is_name("a.B-9_", 5));
	assert_false(tl_str_is_name("", 5));
	assert_false(tl_str_is_name(".a", 5));
	assert_false(tl_str_is_name("-a", 5));
	assert_false(tl_str_is_name("a/b", 5));
	assert_false(tl_str_is_name("a\n", 5));
	assert_false(tl_str_is_name("\xc3\xa4", 5));
}

static void utf8_follows_rfc_3629(void **state TL_UNUSED)
{
	static const char *const good[] = {"",
					   "a",
					   "\xc3\xa4",
					   "\xe2\x82\xac",
					   "\xf0\x9f\x9a\xa2",
					   "\xed\x9f\xbf",
					   "\xf4\x8f\xbf\xbf"};
	static const char *const bad[] = {"\x80",
					  "\xc0\xaf",
					  "\xc3",
					  "\xe0\x80\x80",
					  "\xed\xa0\x80",
					  "\xf0\x80\x80\x80",
					  "\xf4\x90\x80\x80",
					  "\xf5\x80\x80\x80",
					  "\xff",
					  "\xe2\x82",
					  "\xe2\x82\x41"};

	for (size_t i = 0; i < TL_ARRAY_LEN(good); i++)
		assert_true(tl_str_is_utf8(good[i], strlen(good[i])));
	for (size_t i = 0; i < TL_ARRAY_LEN(bad); i++)
		assert_false(tl_str_is_utf8(bad[i], strlen(bad[i])));
	assert_false(tl_str_is_utf8("a\0b", 3));
}

static void what_a_terminal_would_obey_is_escaped(void **state TL_UNUSED)
{
	static const char text[] = "a\x1b[2J\n\x7f\xc2\x9b\xff\xc3\xa4";
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(100);

	tl_str_printable(&out, text, sizeof text - 1);
	assert_string_equal(tl_buf_str(&out), "a\\x1b[2J\\x0a\\x7f\\xc2\\x9b\\xff\xc3\xa4");
}

static void marks_that_reorder_text_are_shown(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(256);
	static const char text[] = "\xe2\x80\xaeT\xe2\x81\xa6\xe2\x80\xa6";

	tl_str_printable(&out, text, sizeof text - 1);
	assert_string_equal(tl_buf_str(&out), "\\xe2\\x80\\xaeT\\xe2\\x81\\xa6\xe2\x80\xa6");
}

static void a_list_serves_as_argv(void **state TL_UNUSED)
{
	tl_auto(tl_strv) struct tl_strv list = TL_STRV_INIT;

	assert_int_equal(tl_strv_push(&list, "a"), 0);
	assert_int_equal(tl_strv_push(&list, "b"), 0);
	assert_int_equal(list.count, 2);
	assert_null(list.items[2]);
	assert_true(tl_strv_has(&list, "b"));
	assert_false(tl_strv_has(&list, "c"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes_and_suffixes_are_found),
		cmocka_unit_test(only_plain_decimals_are_unsigned_numbers),
		cmocka_unit_test(signed_numbers_reach_both_ends),
		cmocka_unit_test(durations_need_a_unit),
		cmocka_unit_test(sizes_are_powers_of_1024),
		cmocka_unit_test(names_are_fit_for_paths_and_logs),
		cmocka_unit_test(utf8_follows_rfc_3629),
		cmocka_unit_test(what_a_terminal_would_obey_is_escaped),
		cmocka_unit_test(marks_that_reorder_text_are_shown),
		cmocka_unit_test(a_list_serves_as_argv),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
