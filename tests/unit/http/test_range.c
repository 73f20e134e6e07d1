#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "http/range.h"

struct row {
	const char *header;
	enum tl_range_result result;
	uint64_t first, len;
};

/* Of a file of 1000 bytes. */
static const struct row rows[] = {
	{NULL, TL_RANGE_ALL, 0, 0},
	{"bytes=0-0", TL_RANGE_PART, 0, 1},
	{"bytes=0-", TL_RANGE_PART, 0, 1000},
	{"bytes=10-19", TL_RANGE_PART, 10, 10},
	{"bytes=990-5000", TL_RANGE_PART, 990, 10},
	{"Bytes=999-", TL_RANGE_PART, 999, 1},
	{"bytes=-1", TL_RANGE_PART, 999, 1},
	{"bytes=-5000", TL_RANGE_PART, 0, 1000},
	{"bytes=1000-", TL_RANGE_UNSATISFIABLE, 0, 0},
	{"bytes=-0", TL_RANGE_UNSATISFIABLE, 0, 0},
	{"bytes=5-4", TL_RANGE_ALL, 0, 0},
	{"bytes=a-b", TL_RANGE_ALL, 0, 0},
	{"bytes=", TL_RANGE_ALL, 0, 0},
	{"bytes=-", TL_RANGE_ALL, 0, 0},
	{"bytes=1", TL_RANGE_ALL, 0, 0},
	{"bytes=0-1,5-6", TL_RANGE_ALL, 0, 0},
	{"bytes=99999999999999999999999-", TL_RANGE_ALL, 0, 0},
	{"items=0-1", TL_RANGE_ALL, 0, 0},
};

static void every_form_of_range_has_its_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t first = 0, len = 0;

		if (tl_range_parse(rows[i].header, 1000, &first, &len) != rows[i].result ||
		    first != rows[i].first || len != rows[i].len)
			fail_msg("%s", rows[i].header ? rows[i].header : "no header");
	}
}

static void an_empty_file_satisfies_no_range(void **state)
{
	uint64_t first, len;

	(void)state;
	assert_int_equal(tl_range_parse("bytes=0-", 0, &first, &len), TL_RANGE_UNSATISFIABLE);
	assert_int_equal(tl_range_parse("bytes=-1", 0, &first, &len), TL_RANGE_UNSATISFIABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_of_range_has_its_answer),
		cmocka_unit_test(an_empty_file_satisfies_no_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
