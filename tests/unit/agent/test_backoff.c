#include "../common/tests.h"

#include <stdbool.h>

#include "core/backoff.h"

static void first_wait_is_at_most_a_second(void **state)
{
	struct tl_backoff backoff = {0};

	(void)state;
	assert_int_equal(tl_backoff_next(&backoff, UINT32_MAX), 1000);
}

static void waits_double_up_to_a_minute(void **state)
{
	static const int64_t caps[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000};
	struct tl_backoff backoff = {0};

	(void)state;
	for (size_t i = 0; i < TL_ARRAY_LEN(caps); i++)
		assert_int_equal(tl_backoff_next(&backoff, UINT32_MAX), caps[i]);
}

static void jitter_reaches_down_to_zero(void **state)
{
	struct tl_backoff backoff = {.attempt = 6};

	(void)state;
	assert_int_equal(tl_backoff_next(&backoff, 0), 0);
}

static void what_the_relay_asks_is_a_lower_bound_used_once(void **state)
{
	struct tl_backoff backoff = {0};

	(void)state;
	tl_backoff_ask(&backoff, 5000);
	tl_backoff_ask(&backoff, 3000);
	assert_int_equal(tl_backoff_next(&backoff, 0), 5000);
	assert_int_equal(tl_backoff_next(&backoff, 0), 0);
}

static void what_the_relay_asks_is_bounded(void **state)
{
	struct tl_backoff backoff = {0};

	(void)state;
	tl_backoff_ask(&backoff, INT64_MAX);
	assert_int_equal(tl_backoff_next(&backoff, 0), TL_BACKOFF_ASKED_MAX_MS);
}

static void success_starts_over(void **state)
{
	struct tl_backoff backoff = {.attempt = 5, .asked_ms = 9};

	(void)state;
	tl_backoff_reset(&backoff);
	assert_int_equal(tl_backoff_next(&backoff, UINT32_MAX), 1000);
}

static void drawn_waits_differ(void **state)
{
	int64_t first = 0;
	bool differs = false;

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct tl_backoff backoff = {.attempt = 6};
		int64_t wait = tl_backoff_draw(&backoff);

		assert_in_range(wait, 0, TL_BACKOFF_LAST_MS);
		differs = differs || (i > 0 && wait != first);
		first = wait;
	}
	assert_true(differs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_wait_is_at_most_a_second),
		cmocka_unit_test(waits_double_up_to_a_minute),
		cmocka_unit_test(jitter_reaches_down_to_zero),
		cmocka_unit_test(what_the_relay_asks_is_a_lower_bound_used_once),
		cmocka_unit_test(what_the_relay_asks_is_bounded),
		cmocka_unit_test(success_starts_over),
		cmocka_unit_test(drawn_waits_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
