#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "collect/builtin/activity.h"

static struct activity sample(int64_t taken_ms, const char *stat, const char *disks,
			      const char *links)
{
	struct activity made = {.taken_ms = taken_ms};

	tl_buf_init(&made.processors, 4096);
	tl_buf_puts(&made.processors, stat);
	for (size_t i = 0; i < ACTIVITY_KINDS; i++)
		tl_buf_init(&made.counters[i], 4096);
	tl_buf_puts(&made.counters[ACTIVITY_DISK], disks);
	tl_buf_puts(&made.counters[ACTIVITY_INTERFACE], links);
	return made;
}

static double rate(const json_t *rates, const char *object, const char *member)
{
	return json_number_value(json_object_get(json_object_get(rates, object), member));
}

static void shares_of_processors_make_a_hundred(void **state TL_UNUSED)
{
	tl_auto(activity) struct activity first = sample(0, "cpu  0 0 0 0 0 0 0 0\n", "", "");
	tl_auto(activity) struct activity second =
		sample(1000, "cpu  25 0 25 50 0 0 0 0\n", "", "");
	tl_json *shares = activity_processors(&first, &second);

	assert_true(json_number_value(json_object_get(shares, "user_percent")) == 25);
	assert_true(json_number_value(json_object_get(shares, "idle_percent")) == 50);
}

static void disk_counters_become_rates(void **state TL_UNUSED)
{
	tl_auto(activity) struct activity first =
		sample(0, "", "8 0 sda 100 0 1000 0 10 0 100 0 0 0 0 0\n", "");
	tl_auto(activity) struct activity second =
		sample(2000, "", "8 0 sda 300 0 3000 0 10 0 100 0 0 1000 0 0\n", "");
	tl_json *rates = activity_rates(&first, &second, ACTIVITY_DISK);

	assert_true(rate(rates, "sda", "reads") == 100);
	assert_true(rate(rates, "sda", "read_bytes") == 512000);
	assert_true(rate(rates, "sda", "writes") == 0);
	assert_true(rate(rates, "sda", "busy_percent") == 50);
}

static void counters_that_were_reset_are_no_rate(void **state TL_UNUSED)
{
	tl_auto(activity) struct activity first = sample(0, "", "", "a\nb\n eth0:500 1 0 0\n");
	tl_auto(activity) struct activity second = sample(1000, "", "", "a\nb\n eth0:3 2 0 0\n");
	tl_json *rates = activity_rates(&first, &second, ACTIVITY_INTERFACE);

	assert_true(rate(rates, "eth0", "rx_bytes") == 0);
	assert_true(rate(rates, "eth0", "rx_packets") == 1);
}

static void object_that_vanished_ends_the_comparison(void **state TL_UNUSED)
{
	tl_auto(activity) struct activity first =
		sample(0, "", "", "a\nb\n eth0: 1 1\n veth1: 1 1\n");
	tl_auto(activity) struct activity second = sample(1000, "", "", "a\nb\n eth0: 2 1\n");
	tl_json *rates = activity_rates(&first, &second, ACTIVITY_INTERFACE);

	assert_int_equal(json_object_size(rates), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_of_processors_make_a_hundred),
		cmocka_unit_test(disk_counters_become_rates),
		cmocka_unit_test(counters_that_were_reset_are_no_rate),
		cmocka_unit_test(object_that_vanished_ends_the_comparison),
	};

	return cmocka_run_group_tests_name("collect/activity", tests, NULL, NULL);
}
