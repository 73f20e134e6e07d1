#include "stage.h"

static void load_is_judged_by_processor(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/proc/stat", "cpu  1 2\ncpu0 1 2\ncpu1 1 2\nintr 5\n");
	stage_file(stage, "/proc/loadavg", "0.50 3.98 1.00 1/100 5\n");
	stage_take(stage);
	assert_float_equal(stage_number(stage, "processors", NULL), 2, 0);
	assert_float_equal(stage_number(stage, "load_1m", NULL), 0.5, 0.001);
	assert_verdict(stage, "load_per_processor_5m", NULL, "ok");
	stage_file(stage, "/proc/loadavg", "0.50 4.00 1.00 1/100 5\n");
	stage_take(stage);
	assert_verdict(stage, "load_per_processor_5m", NULL, "warning");
	stage_file(stage, "/proc/loadavg", "0.50 16.00 1.00 1/100 5\n");
	stage_take(stage);
	assert_verdict(stage, "load_per_processor_5m", NULL, "critical");
	assert_text(stage, "load_per_processor_5m", NULL, "critical from 8 on");
}

static void pressure_has_three_windows(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/proc/pressure/memory",
		   "some avg10=1.00 avg60=9.99 avg300=3.00 total=1\n"
		   "full avg10=0.10 avg60=5.00 avg300=0.30 total=1\n");
	stage_take(stage);
	assert_verdict(stage, "memory_pressure_some_60s", NULL, "ok");
	assert_verdict(stage, "memory_pressure_full_60s", NULL, "warning");
	assert_float_equal(stage_number(stage, "memory_pressure_some_10s", NULL), 1, 0.001);
	assert_float_equal(stage_number(stage, "memory_pressure_full_300s", NULL), 0.3, 0.001);
	assert_no_fact(stage, "io_pressure_some_60s");
}

static void memory(const struct stage *stage, int available, int swap_free)
{
	stage_file(stage, "/proc/meminfo",
		   "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: %d kB\nSwapTotal: 100 kB\n"
		   "SwapFree: %d kB\n",
		   available, swap_free);
}

static void little_memory_and_little_swap_are_bad(void **state)
{
	struct stage *stage = *state;

	memory(stage, 110, 41);
	stage_take(stage);
	assert_float_equal(stage_number(stage, "memory_total", NULL), 1024000, 0);
	assert_verdict(stage, "memory_available_percent", NULL, "ok");
	assert_verdict(stage, "swap_used_percent", NULL, "ok");
	memory(stage, 100, 40);
	stage_take(stage);
	assert_verdict(stage, "memory_available_percent", NULL, "warning");
	assert_verdict(stage, "swap_used_percent", NULL, "warning");
	memory(stage, 39, 10);
	stage_take(stage);
	assert_verdict(stage, "memory_available_percent", NULL, "critical");
	assert_verdict(stage, "swap_used_percent", NULL, "critical");
	assert_string_equal(json_string_value(json_object_get(stage->snapshot, "verdict")),
			    "critical");
}

static void a_host_without_swap_has_no_use_of_it(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/proc/meminfo",
		   "MemTotal: 1000 kB\nMemAvailable: 500 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n");
	stage_take(stage);
	assert_no_fact(stage, "swap_used_percent");
}

static void vmstat(const struct stage *stage, long in, long kills)
{
	stage_file(stage, "/proc/vmstat", "pswpin %ld\npswpout 0\noom_kill %ld\n", in, kills);
}

/* Takes a snapshot that follows on the last one, `minutes` later. */
static void take_later(struct stage *stage, int minutes)
{
	tl_json *previous = json_incref(stage->snapshot);

	stage->options.previous = previous;
	tl_clock_fake_advance(&stage->clock, minutes * 60000);
	stage_take(stage);
	stage->options.previous = NULL;
}

static void a_rate_needs_an_earlier_snapshot(void **state)
{
	struct stage *stage = *state;

	vmstat(stage, 1000, 0);
	stage_take(stage);
	assert_no_fact(stage, "swap_in_rate");
	vmstat(stage, 1000 + 60 * 1024 * 2, 0);
	take_later(stage, 1);
	assert_float_equal(stage_number(stage, "swap_in_rate", NULL), 2048.0 * 4096, 1);
	assert_verdict(stage, "swap_in_rate", NULL, "warning");
	assert_verdict(stage, "swap_out_rate", NULL, "ok");
}

static void a_counter_that_began_anew_has_no_rate(void **state)
{
	struct stage *stage = *state;

	vmstat(stage, 1000, 0);
	stage_take(stage);
	vmstat(stage, 10, 0);
	take_later(stage, 1);
	assert_no_fact(stage, "swap_in_rate");
}

static void a_killed_process_is_bad_for_an_hour_or_two(void **state)
{
	struct stage *stage = *state;

	vmstat(stage, 0, 7);
	stage_take(stage);
	assert_verdict(stage, "oom_kills", NULL, NULL);
	take_later(stage, 1);
	assert_verdict(stage, "oom_kills_recent", NULL, "ok");
	vmstat(stage, 0, 8);
	take_later(stage, 1);
	assert_verdict(stage, "oom_kills_recent", NULL, "warning");
	take_later(stage, 59);
	assert_verdict(stage, "oom_kills_recent", NULL, "warning");
	take_later(stage, 60);
	take_later(stage, 61);
	take_later(stage, 1);
	assert_verdict(stage, "oom_kills_recent", NULL, "ok");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGE_TEST(load_is_judged_by_processor),
		STAGE_TEST(pressure_has_three_windows),
		STAGE_TEST(little_memory_and_little_swap_are_bad),
		STAGE_TEST(a_host_without_swap_has_no_use_of_it),
		STAGE_TEST(a_rate_needs_an_earlier_snapshot),
		STAGE_TEST(a_counter_that_began_anew_has_no_rate),
		STAGE_TEST(a_killed_process_is_bad_for_an_hour_or_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
