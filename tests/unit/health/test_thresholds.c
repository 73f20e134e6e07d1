#include "../common/tests.h"

#include <math.h>

#include "health/thresholds.h"

static struct threshold read_for(const char *text, const char *fact, const char *subject)
{
	tl_auto(thresholds) struct thresholds *thresholds = NULL;
	struct tl_err err = TL_ERR_INIT;

	if (thresholds_parse("health.yaml", text, strlen(text), &thresholds, &err) != 0)
		fail_msg("%s", tl_err_text(&err));
	return thresholds_for(thresholds, tl_health_kind(fact), subject);
}

static void assert_refused(const char *text, const char *words)
{
	tl_auto(thresholds) struct thresholds *thresholds = NULL;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(thresholds_parse("health.yaml", text, strlen(text), &thresholds, &err),
			 TL_ECONFIG);
	assert_says(&err, words);
}

static void the_built_in_ones_are_valid_and_every_fact_is_named_once(void **state TL_UNUSED)
{
	tl_auto(thresholds) struct thresholds *thresholds = NULL;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(thresholds_open(NULL, &thresholds, &err), 0);
	for (size_t i = 0; i < tl_health_kind_count; i++) {
		assert_ptr_equal(tl_health_kind(tl_health_kinds[i].name), &tl_health_kinds[i]);
		assert_true(strlen(tl_health_kinds[i].name) < TL_HEALTH_NAME_MAX);
	}
}

static void the_owner_changes_one_limit_and_keeps_the_other(void **state TL_UNUSED)
{
	struct threshold own = read_for("thresholds: {disk_used_percent: {warning: 50}}\n",
					"disk_used_percent", "/");

	assert_float_equal(own.warning, 50, 0);
	assert_float_equal(own.critical, 95, 0);
}

static void a_subject_of_the_owner_comes_before_a_built_in_one(void **state TL_UNUSED)
{
	const char *text = "thresholds:\n  disk_used_percent:\n    warning: 50\n    subjects:\n"
			   "      - {match: /boot/efi, critical: 60}\n"
			   "      - {match: '/boot*', critical: 70}\n";

	assert_float_equal(read_for(text, "disk_used_percent", "/boot/efi").critical, 60, 0);
	assert_float_equal(read_for(text, "disk_used_percent", "/boot").critical, 70, 0);
	assert_float_equal(read_for(text, "disk_used_percent", "/boot").warning, 50, 0);
	assert_float_equal(read_for(text, "disk_used_percent", "/srv").critical, 95, 0);
	assert_float_equal(read_for("", "disk_used_percent", "/boot").critical, 98, 0);
}

static void a_fact_that_is_off_is_off_for_built_in_subjects_too(void **state TL_UNUSED)
{
	const char *text = "thresholds: {disk_used_percent: {off: true}}\n";

	assert_true(read_for(text, "disk_used_percent", "/").off);
	assert_true(read_for(text, "disk_used_percent", "/boot").off);
	assert_false(read_for(text, "inodes_used_percent", "/").off);
}

static void high_and_low_values_are_judged_on_their_sides(void **state TL_UNUSED)
{
	struct threshold high = {.warning = 10, .critical = 20, .expect = -1};
	struct threshold low = {.warning = 20, .critical = 10, .bad = 1, .expect = -1};
	struct threshold none = {.warning = NAN, .critical = NAN, .expect = -1};
	struct threshold half = {.warning = 10, .critical = NAN, .expect = -1};

	assert_int_equal(threshold_judge_number(&high, 9.99), TL_HEALTH_OK);
	assert_int_equal(threshold_judge_number(&high, 10), TL_HEALTH_WARNING);
	assert_int_equal(threshold_judge_number(&high, 20), TL_HEALTH_CRITICAL);
	assert_int_equal(threshold_judge_number(&low, 20.01), TL_HEALTH_OK);
	assert_int_equal(threshold_judge_number(&low, 20), TL_HEALTH_WARNING);
	assert_int_equal(threshold_judge_number(&low, -5), TL_HEALTH_CRITICAL);
	assert_int_equal(threshold_judge_number(&none, 1e9), TL_HEALTH_NONE);
	assert_int_equal(threshold_judge_number(&half, 1e9), TL_HEALTH_WARNING);
}

static void truths_are_judged_by_what_is_expected(void **state TL_UNUSED)
{
	struct threshold yes = {.expect = 1, .otherwise = 1};
	struct threshold none = {.expect = -1};

	assert_int_equal(threshold_judge_truth(&yes, true), TL_HEALTH_OK);
	assert_int_equal(threshold_judge_truth(&yes, false), TL_HEALTH_CRITICAL);
	assert_int_equal(threshold_judge_truth(&none, false), TL_HEALTH_NONE);
}

static void faults_are_named_by_file_and_line(void **state TL_UNUSED)
{
	assert_refused("thresholds:\n  disk_full: {warning: 1}\n",
		       "health.yaml:2: there is no fact \"disk_full\"");
	assert_refused("thresholds:\n  uptime: {warning: much}\n", "health.yaml:2:");
	assert_refused("thresholds:\n  uptime:\n    warnning: 1\n", "health.yaml:3:");
	assert_refused("thresholds:\n  uptime: {warning: 9, critical: 3}\n",
		       "critical (3) comes before warning (9)");
	assert_refused("thresholds:\n  memory_available_percent: {critical: 20}\n",
		       "where low values");
	assert_refused("thresholds:\n  link_up: {warning: 1}\n", "is no number");
	assert_refused("thresholds:\n  uptime: {expect: true}\n", "neither true nor false");
	assert_refused("thresholds:\n  uptime:\n    subjects: {match: x}\n", "is a list");
	assert_refused("thresholds:\n  uptime:\n    subjects:\n      - {off: true}\n",
		       "health.yaml:4:");
	assert_refused("thresholds: [a]\n", "is a mapping");
	assert_refused("limits: {}\n", "health.yaml:1:");
	assert_refused("names: x\n", "health.yaml:1:");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_built_in_ones_are_valid_and_every_fact_is_named_once),
		cmocka_unit_test(the_owner_changes_one_limit_and_keeps_the_other),
		cmocka_unit_test(a_subject_of_the_owner_comes_before_a_built_in_one),
		cmocka_unit_test(a_fact_that_is_off_is_off_for_built_in_subjects_too),
		cmocka_unit_test(high_and_low_values_are_judged_on_their_sides),
		cmocka_unit_test(truths_are_judged_by_what_is_expected),
		cmocka_unit_test(faults_are_named_by_file_and_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
