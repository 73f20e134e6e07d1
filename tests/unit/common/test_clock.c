#include "tests.h"
#include <towline/clock.h>
#include <towline/id.h>

#define MARCH_2026_MS INT64_C(1772357400000) /* 2026-03-01T09:30:00Z, by date(1) */

static void rfc_3339_has_milliseconds(void **state TL_UNUSED)
{
	char text[TL_TIME_TEXT];

	tl_time_rfc3339(MARCH_2026_MS + 7, text);
	assert_string_equal(text, "2026-03-01T09:30:00.007Z");
	tl_time_rfc3339(-1, text);
	assert_string_equal(text, "1969-12-31T23:59:59.999Z");
	tl_time_rfc3339(INT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

static void rfc_3339_is_read_back(void **state TL_UNUSED)
{
	static const char *const bad[] = {"",
					  "2026-03-01T09:30:00",
					  "2026-02-30T09:30:00Z",
					  "2026-03-01 09:30:00Z",
					  "2026-03-01T24:30:00Z",
					  "2026-03-01T09:30:60Z",
					  "2026-03-01T09:30:00.07Z",
					  "2026-03-01T09:30:00+00:00"};
	int64_t ms;

	assert_int_equal(tl_time_rfc3339_parse("2026-03-01T09:30:00.007Z", &ms), 0);
	assert_int_equal(ms, MARCH_2026_MS + 7);
	assert_int_equal(tl_time_rfc3339_parse("2026-03-01T09:30:00Z", &ms), 0);
	assert_int_equal(ms, MARCH_2026_MS);
	for (size_t i = 0; i < TL_ARRAY_LEN(bad); i++)
		assert_int_equal(tl_time_rfc3339_parse(bad[i], &ms), TL_EINVAL);
}

static void http_dates_go_both_ways(void **state TL_UNUSED)
{
	char text[TL_TIME_TEXT];
	int64_t ms;

	tl_time_http(MARCH_2026_MS, text);
	assert_string_equal(text, "Sun, 01 Mar 2026 09:30:00 GMT");
	assert_int_equal(tl_time_http_parse(text, &ms), 0);
	assert_int_equal(ms, MARCH_2026_MS);
}

static void wrong_http_dates_are_refused(void **state TL_UNUSED)
{
	static const char *const bad[] = {
		"",
		"Mon, 01 Mar 2026 09:30:00 GMT",
		"Sun, 31 Feb 2026 09:30:00 GMT",
		"Sun, 01 Mar 2026 09:30:00 UTC",
		"Sunday, 01-Mar-26 09:30:00 GMT",
		"Sun, 01 Mar 2026 09:30:61 GMT",
	};
	int64_t ms = 5;

	for (size_t i = 0; i < TL_ARRAY_LEN(bad); i++)
		assert_int_equal(tl_time_http_parse(bad[i], &ms), TL_EINVAL);
	assert_int_equal(ms, 5);
}

static void spans_are_for_people(void **state TL_UNUSED)
{
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {{-5, "0 s"},
		    {59999, "59 s"},
		    {180000, "3 min"},
		    {7500000, "2 h 5 min"},
		    {345600000, "4 d"},
		    {90000000, "1 d 1 h"},
		    {INT64_MAX, "2932896 d 23 h"}};
	char text[TL_TIME_TEXT];

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		tl_time_span(rows[i].ms, text);
		assert_string_equal(text, rows[i].text);
	}
}

static void a_fake_clock_moves_by_hand(void **state TL_UNUSED)
{
	struct tl_clock_fake fake;

	tl_clock_fake_init(&fake, 1000);
	tl_clock_fake_advance(&fake, 5);
	assert_int_equal(tl_clock_wall_ms(&fake.clock), 1005);
	assert_int_equal(tl_clock_mono_ms(&fake.clock), 5);
}

static void the_system_clock_runs(void **state TL_UNUSED)
{
	assert_true(tl_clock_wall_ms(tl_clock_system()) > MARCH_2026_MS - INT64_C(100000000000));
	assert_true(tl_clock_mono_ms(tl_clock_system()) > 0);
}

static void identifiers_are_valid_unique_and_sort_by_time(void **state TL_UNUSED)
{
	struct tl_clock_fake fake;
	struct tl_id first, second, later;

	tl_clock_fake_init(&fake, 1469918176385);
	first = tl_id_new(&fake.clock);
	second = tl_id_new(&fake.clock);
	tl_clock_fake_advance(&fake, 1);
	later = tl_id_new(&fake.clock);
	assert_true(tl_id_is_valid(first.text));
	assert_string_not_equal(first.text, second.text);
	assert_true(strcmp(first.text, later.text) < 0);
	/* The example of the ULID specification. */
	assert_memory_equal(first.text, "01aryz6s41", 10);
}

static void identifiers_of_one_millisecond_keep_their_order(void **state TL_UNUSED)
{
	struct tl_clock_fake fake;
	struct tl_id before, next;

	tl_clock_fake_init(&fake, MARCH_2026_MS);
	before = tl_id_new(&fake.clock);
	for (int i = 0; i < 1000; i++) {
		next = tl_id_new(&fake.clock);
		assert_true(strcmp(before.text, next.text) < 0);
		before = next;
	}
}

static void other_texts_are_no_identifiers(void **state TL_UNUSED)
{
	assert_false(tl_id_is_valid(""));
	assert_false(tl_id_is_valid("01ARYZ6S410000000000000000"));
	assert_false(tl_id_is_valid("01aryz6s41000000000000000"));
	assert_false(tl_id_is_valid("01aryz6s4100000000000000000"));
	assert_false(tl_id_is_valid("01aryz6s41000000000000000u"));
	assert_false(tl_id_is_valid("81aryz6s410000000000000000"));
	assert_true(tl_id_is_valid("7zzzzzzzzzzzzzzzzzzzzzzzzz"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_3339_has_milliseconds),
		cmocka_unit_test(rfc_3339_is_read_back),
		cmocka_unit_test(http_dates_go_both_ways),
		cmocka_unit_test(wrong_http_dates_are_refused),
		cmocka_unit_test(spans_are_for_people),
		cmocka_unit_test(a_fake_clock_moves_by_hand),
		cmocka_unit_test(the_system_clock_runs),
		cmocka_unit_test(identifiers_are_valid_unique_and_sort_by_time),
		cmocka_unit_test(identifiers_of_one_millisecond_keep_their_order),
		cmocka_unit_test(other_texts_are_no_identifiers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
