#include <towline/unit.h>

#include <math.h>

#include "tests.h"

static void assert_shown(const char *unit, double value, const char *expected)
{
	char text[TL_UNIT_TEXT];

	tl_unit_text(unit, value, text);
	assert_string_equal(text, expected);
}

static void numbers_have_no_unit_and_four_digits(void **state TL_UNUSED)
{
	assert_shown("1", 12, "12");
	assert_shown("1", 0.12345, "0.1235");
	assert_shown("%", 93, "93 %");
	assert_shown("/s", 1.5, "1.5 /s");
}

static void bytes_are_scaled_by_thousands(void **state TL_UNUSED)
{
	assert_shown("By", 0, "0 B");
	assert_shown("By", 999, "999 B");
	assert_shown("By", 4100000000, "4.1 GB");
	assert_shown("By", 5e18, "5000 PB");
	assert_shown("By/s", 2000, "2 kB/s");
}

static void spans_and_temperatures_are_written_out(void **state TL_UNUSED)
{
	assert_shown("s", 0.25, "0.25 s");
	assert_shown("s", 3600 * 24 * 4, "4 d");
	assert_shown("s", -7200, "-2 h");
	assert_shown("Cel", 71.4, "71 °C");
}

static void hostile_values_and_units_are_bounded(void **state TL_UNUSED)
{
	assert_shown("1", NAN, "unknown");
	assert_shown("s", INFINITY, "unknown");
	assert_shown("1", 1e300, "1e+300");
	assert_shown("s", 1e300, "1e+300 s");
	assert_shown("0123456789abcdefXYZ", 1, "1 0123456789abcdef");
	assert_shown("By0123456789", 1, "1 B01234567");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_have_no_unit_and_four_digits),
		cmocka_unit_test(bytes_are_scaled_by_thousands),
		cmocka_unit_test(spans_and_temperatures_are_written_out),
		cmocka_unit_test(hostile_values_and_units_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
