#include <time.h>

#include <towline/clock.h>

#include "../common/tests.h"
#include "collect/boots.h"
#include "collect/when.h"

#define SECOND INT64_C(1000000)
/* 2026-03-01T12:00:00Z */
static const struct when_base base = {.now_us = 1772366400 * SECOND,
				      .boot_us = 1772280000 * SECOND};

static int utc(void **state TL_UNUSED)
{
	setenv("TZ", "UTC", 1);
	tzset();
	return 0;
}

static void moments_are_read_as_people_write_them(void **state TL_UNUSED)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} rows[] = {
		{"now", 1772366400},
		{"today", 1772323200},
		{"yesterday", 1772236800},
		{"boot", 1772280000},
		{"@1700000000", 1700000000},
		{"2026-03-01T09:30:00Z", 1772357400},
		{"2026-03-01T09:30Z", 1772357400},
		{"2026-03-01T10:30:00+01:00", 1772357400},
		{"2026-03-01T04:30:00-0500", 1772357400},
		{"2026-03-01 09:30:00", 1772357400},
		{"2026-03-01 09:30", 1772357400},
		{" 2026-03-01 ", 1772323200},
		{"09:30", 1772357400},
		{"09:30:05", 1772357405},
		{"2h", 1772359200},
		{"2h ago", 1772359200},
		{"-2h", 1772359200},
		{"90 min", 1772361000},
		{"1h30m ago", 1772361000},
		{"3 days ago", 1772107200},
		{"1w", 1771761600},
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		struct tl_err err = TL_ERR_INIT;
		int64_t us = 0;

		if (when_parse(rows[i].text, &base, &us, &err) < 0)
			fail_msg("%s", tl_err_text(&err));
		if (us != rows[i].seconds * SECOND)
			fail_msg("%s is read as %lld", rows[i].text, (long long)(us / SECOND));
	}
}

static void fractions_of_a_second_are_kept(void **state TL_UNUSED)
{
	int64_t us = 0;

	assert_int_equal(when_parse("2026-03-01T09:30:00.250Z", &base, &us, NULL), 0);
	assert_int_equal(us, 1772357400 * SECOND + 250000);
}

static void what_is_no_time_is_refused_with_examples(void **state TL_UNUSED)
{
	static const char *const texts[] = {
		"",
		"soon",
		"2026-13-01",
		"2026-02-30",
		"25:00",
		"09:3",
		"2 parsecs",
		"2",
		"@",
		"@x",
		"2026-03-01T09:30X",
		"2026-03-01 09:30 +",
		"2h from now",
		"99999999999999999h",
		"1772-01-01",
		"2026-03-01T09:30:00+99:00",
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(texts); i++) {
		struct tl_err err = TL_ERR_INIT;
		int64_t us = 7;

		if (when_parse(texts[i], &base, &us, &err) != TL_EINVAL || us != 7)
			fail_msg("\"%s\" is taken for a time", texts[i]);
		assert_says(&err, "write 2026-03-01 09:30");
	}
}

static void range_around_a_moment_reaches_to_both_sides(void **state TL_UNUSED)
{
	static const char *const texts[] = {"09:30", "09:30±15m", "09:30+-15m",
					    "2026-03-01T09:30:00Z ± 15 min"};

	for (size_t i = 0; i < TL_ARRAY_LEN(texts); i++) {
		struct slice_range range = {0, 0};

		assert_int_equal(when_around(texts[i], &base, &range, NULL), 0);
		assert_int_equal(range.since_us, (1772357400 - 900) * SECOND);
		assert_int_equal(range.until_us, (1772357400 + 900) * SECOND);
	}
}

static void ends_that_are_not_given_are_open(void **state TL_UNUSED)
{
	struct slice_range range = {0, 0};

	assert_int_equal(when_range(&(struct when_request){.since = "1h"}, &base, &range, NULL), 0);
	assert_int_equal(range.until_us, INT64_MAX);
	assert_int_equal(when_range(&(struct when_request){.until = "1h"}, &base, &range, NULL), 0);
	assert_int_equal(range.since_us, INT64_MIN);
	assert_int_equal(when_range(&(struct when_request){.boot = "0"}, &base, &range, NULL), 0);
	assert_int_equal(range.since_us, base.boot_us);
}

static void contradictions_are_refused(void **state TL_UNUSED)
{
	static const struct when_request requests[] = {
		{.since = "1h", .until = "2h"},
		{.around = "09:30", .since = "1h"},
		{.around = "09:30", .boot = "0"},
		{.around = "09:30±x"},
		{.boot = "latest"},
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(requests); i++) {
		struct slice_range range = {0, 0};

		assert_int_equal(when_range(&requests[i], &base, &range, NULL), TL_EINVAL);
	}
}

static void boot_that_nobody_knows_is_not_found(void **state TL_UNUSED)
{
	struct slice_range range = {0, 0};

	assert_int_equal(boots_find("00000000000000000000000000000001", 0, &range, NULL),
			 TL_ENOENT);
	assert_int_equal(boots_find("-4000", 0, &range, NULL), TL_ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moments_are_read_as_people_write_them),
		cmocka_unit_test(fractions_of_a_second_are_kept),
		cmocka_unit_test(what_is_no_time_is_refused_with_examples),
		cmocka_unit_test(range_around_a_moment_reaches_to_both_sides),
		cmocka_unit_test(ends_that_are_not_given_are_open),
		cmocka_unit_test(contradictions_are_refused),
		cmocka_unit_test(boot_that_nobody_knows_is_not_found),
	};

	return cmocka_run_group_tests(tests, utc, NULL);
}
