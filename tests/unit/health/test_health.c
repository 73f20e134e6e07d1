#include "stage.h"

static void an_empty_host_has_a_snapshot(void **state)
{
	struct stage *stage = *state;

	stage->options.only = "disk_*";
	stage_take(stage);
	assert_int_equal(json_integer_value(json_object_get(stage->snapshot, "schema")), 1);
	assert_string_equal(json_string_value(json_object_get(stage->snapshot, "verdict")), "ok");
	assert_string_equal(json_string_value(json_object_get(stage->snapshot, "taken")),
			    "2026-11-18T11:06:40.000Z");
	assert_int_equal(json_array_size(json_object_get(stage->snapshot, "facts")), 0);
}

static void only_what_is_asked_for_is_there(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/proc/loadavg", "1 2 3 1/1 1\n");
	stage_file(stage, "/proc/uptime", "100.5 1\n");
	stage->options.only = "load_?m";
	stage_take(stage);
	assert_non_null(stage_find(stage, "load_1m", NULL));
	assert_no_fact(stage, "load_15m");
	assert_no_fact(stage, "uptime");
}

static void what_is_off_is_not_there(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/proc/loadavg", "1 2 3 1/1 1\n");
	stage_file(stage, "/etc/towline/health.yaml", "thresholds: {load_1m: {off: true}}\n");
	stage_take(stage);
	assert_no_fact(stage, "load_1m");
	assert_non_null(stage_find(stage, "load_5m", NULL));
}

static void facts_are_in_one_order(void **state)
{
	struct stage *stage = *state;
	const json_t *fact;
	size_t i, last = 0;

	stage_file(stage, "/sys/block/md1/md/degraded", "0\n");
	stage_file(stage, "/sys/block/md0/md/degraded", "0\n");
	stage_file(stage, "/proc/loadavg", "1 2 3 1/1 1\n");
	stage_take(stage);
	json_array_foreach(json_object_get(stage->snapshot, "facts"), i, fact)
	{
		const char *name = json_string_value(json_object_get(fact, "name"));
		size_t place = (size_t)(tl_health_kind(name) - tl_health_kinds);

		assert_true(place >= last);
		last = place;
	}
	assert_true(stage_find(stage, "raid_missing_disks", "md0") !=
		    stage_find(stage, "raid_missing_disks", "md1"));
}

static void wrong_thresholds_are_one_sentence(void **state)
{
	struct stage *stage = *state;
	struct tl_err err = TL_ERR_INIT;
	json_t *snapshot = NULL;

	stage_file(stage, "/etc/towline/health.yaml", "thresholds:\n  load: {}\n");
	assert_int_equal(tl_health_take(&stage->options, &snapshot, &err), TL_ECONFIG);
	assert_says(&err, "/etc/towline/health.yaml:2: there is no fact \"load\"");
	assert_int_equal(tl_health_lint(&stage->options, &err), TL_ECONFIG);
}

static void a_lenient_snapshot_says_that_the_thresholds_are_wrong(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/etc/towline/health.yaml", "thresholds:\n  load: {}\n");
	stage_file(stage, "/sys/block/md0/md/degraded", "1\n");
	stage->options.is_lenient = true;
	stage_take(stage);
	assert_verdict(stage, "thresholds_valid", NULL, "warning");
	assert_text(stage, "thresholds_valid", NULL, "health.yaml:2: there is no fact \"load\"");
	assert_verdict(stage, "raid_missing_disks", "md0", "critical");
}

static void a_text_from_the_host_is_bounded_and_printable(void **state)
{
	struct stage *stage = *state;
	char names[1024];
	const char *text;

	memset(names, 'a', sizeof names);
	names[sizeof names - 1] = '\0';
	names[0] = 27;
	stage_file(stage, "/run/reboot-required", "x");
	stage_file(stage, "/run/reboot-required.pkgs", "%s", names);
	stage_take(stage);
	text = json_string_value(
		json_object_get(stage_find(stage, "reboot_pending", NULL), "text"));
	assert_non_null(strstr(text, "\\x1baaa"));
	assert_true(strlen(text) <= TL_HEALTH_TEXT_MAX);
}

static void costly_facts_are_taken_over_for_an_hour(void **state)
{
	struct stage *stage = *state;
	tl_json *first = NULL;

	stage_file(stage, "/var/lib/update-notifier/updates-available",
		   "1 updates can be applied immediately.\n");
	stage_take(stage);
	first = json_incref(stage->snapshot);
	stage->options.previous = first;
	stage_file(stage, "/var/lib/update-notifier/updates-available",
		   "2 updates can be applied immediately.\n");
	tl_clock_fake_advance(&stage->clock, 3599 * 1000);
	stage_take(stage);
	assert_float_equal(stage_number(stage, "updates_pending", NULL), 1, 0);
	tl_clock_fake_advance(&stage->clock, 1000);
	stage_take(stage);
	assert_float_equal(stage_number(stage, "updates_pending", NULL), 2, 0);
}

static void a_clock_that_went_back_takes_nothing_over(void **state)
{
	struct stage *stage = *state;
	tl_json *first = NULL;

	stage_file(stage, "/proc/vmstat", "pswpin 0\npswpout 0\noom_kill 0\n");
	stage_take(stage);
	first = json_incref(stage->snapshot);
	stage->options.previous = first;
	tl_clock_fake_advance(&stage->clock, -60000);
	stage_take(stage);
	assert_no_fact(stage, "swap_in_rate");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGE_TEST(an_empty_host_has_a_snapshot),
		STAGE_TEST(only_what_is_asked_for_is_there),
		STAGE_TEST(what_is_off_is_not_there),
		STAGE_TEST(facts_are_in_one_order),
		STAGE_TEST(wrong_thresholds_are_one_sentence),
		STAGE_TEST(a_lenient_snapshot_says_that_the_thresholds_are_wrong),
		STAGE_TEST(a_text_from_the_host_is_bounded_and_printable),
		STAGE_TEST(costly_facts_are_taken_over_for_an_hour),
		STAGE_TEST(a_clock_that_went_back_takes_nothing_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
