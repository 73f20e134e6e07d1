#include "../common/tests.h"

#include "health/health.h"

static json_t *facts(const char *text)
{
	json_t *json = NULL;
	struct tl_err err = TL_ERR_INIT;

	if (tl_json_parse(text, strlen(text), &json, &err) != 0)
		fail_msg("%s", tl_err_text(&err));
	return json;
}

/* What is told when the relay knows `before` (NULL: nothing) and `now` is so. */
static json_t *delta(const char *before, const char *now)
{
	tl_json *known = before ? facts(before) : NULL;
	tl_json *present = facts(now);
	tl_json *next = NULL;
	struct tl_err err = TL_ERR_INIT;
	json_t *told = NULL;

	assert_int_equal(tl_health_delta(known, present, &told, &next, &err), 0);
	assert_int_equal(json_array_size(next), json_array_size(present));
	return told;
}

static size_t told_between(const char *before, const char *now)
{
	tl_json *told = delta(before, now);

	assert_false(json_is_true(json_object_get(told, "full")));
	return json_array_size(json_object_get(told, "facts"));
}

#define NUMBER(unit, value) "[{\"name\":\"a\",\"unit\":\"" unit "\",\"value\":" value "}]"

static void everything_is_told_at_first(void **state TL_UNUSED)
{
	tl_json *told = delta(NULL, NUMBER("1", "5"));

	assert_true(json_is_true(json_object_get(told, "full")));
	assert_int_equal(json_array_size(json_object_get(told, "facts")), 1);
	assert_int_equal(json_array_size(json_object_get(told, "gone")), 0);
}

static void a_number_is_told_when_it_has_moved(void **state TL_UNUSED)
{
	assert_int_equal(told_between(NUMBER("1", "1000"), NUMBER("1", "1019")), 0);
	assert_int_equal(told_between(NUMBER("1", "1000"), NUMBER("1", "1020")), 1);
	assert_int_equal(told_between(NUMBER("By", "1000"), NUMBER("By", "900")), 1);
	assert_int_equal(told_between(NUMBER("1", "0"), NUMBER("1", "0")), 0);
	assert_int_equal(told_between(NUMBER("1", "0"), NUMBER("1", "1")), 1);
	assert_int_equal(told_between(NUMBER("1", "1"), NUMBER("1", "0")), 1);
}

static void a_percentage_is_told_by_whole_steps(void **state TL_UNUSED)
{
	assert_int_equal(told_between(NUMBER("%", "10"), NUMBER("%", "10.9")), 0);
	assert_int_equal(told_between(NUMBER("%", "10"), NUMBER("%", "11")), 1);
	assert_int_equal(told_between(NUMBER("%", "0"), NUMBER("%", "0.5")), 0);
	assert_int_equal(told_between(NUMBER("%", "0"), NUMBER("%", "1")), 1);
}

static void slow_movement_is_told_when_it_adds_up(void **state TL_UNUSED)
{
	tl_json *known = facts(NUMBER("1", "1000"));
	struct tl_err err = TL_ERR_INIT;
	size_t told_facts = 0;

	for (int value = 1001; value <= 1020; value++) {
		char text[96];
		tl_json *told = NULL;
		tl_json *now = NULL;
		json_t *next = NULL;

		snprintf(text, sizeof text, "[{\"name\":\"a\",\"unit\":\"1\",\"value\":%d}]",
			 value);
		now = facts(text);
		assert_int_equal(tl_health_delta(known, now, &told, &next, &err), 0);
		told_facts += json_array_size(json_object_get(told, "facts"));
		json_decref(known);
		known = next;
	}
	assert_int_equal(told_facts, 1);
}

static void verdict_truth_and_text_are_told_at_once(void **state TL_UNUSED)
{
#define FACT(rest) "[{\"name\":\"a\",\"unit\":\"1\"," rest "}]"
	assert_int_equal(told_between(FACT("\"value\":9,\"verdict\":\"ok\""),
				      FACT("\"value\":9,\"verdict\":\"warning\"")),
			 1);
	assert_int_equal(told_between(FACT("\"value\":true"), FACT("\"value\":false")), 1);
	assert_int_equal(told_between(FACT("\"value\":true"), FACT("\"value\":true")), 0);
	assert_int_equal(told_between(FACT("\"value\":\"a\""), FACT("\"value\":\"b\"")), 1);
	assert_int_equal(told_between(FACT("\"value\":null,\"text\":\"x\""),
				      FACT("\"value\":null,\"text\":\"y\"")),
			 1);
	assert_int_equal(told_between(FACT("\"value\":null"), FACT("\"value\":0")), 1);
}

static void subjects_are_different_facts(void **state TL_UNUSED)
{
	tl_json *told = delta("[{\"name\":\"a\",\"unit\":\"1\",\"value\":1,\"subject\":\"x\"},"
			      "{\"name\":\"a\",\"unit\":\"1\",\"value\":2}]",
			      "[{\"name\":\"a\",\"unit\":\"1\",\"value\":1,\"subject\":\"y\"},"
			      "{\"name\":\"a\",\"unit\":\"1\",\"value\":2}]");
	const json_t *gone = json_object_get(told, "gone");

	assert_int_equal(json_array_size(json_object_get(told, "facts")), 1);
	assert_int_equal(json_array_size(gone), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(gone, 0), "subject")),
			    "x");
}

static void all_that_is_gone_is_said(void **state TL_UNUSED)
{
	tl_json *told = delta(NUMBER("1", "5"), "[]");
	const json_t *gone = json_object_get(told, "gone");

	assert_int_equal(json_array_size(gone), 1);
	assert_null(json_object_get(json_array_get(gone, 0), "subject"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_told_at_first),
		cmocka_unit_test(a_number_is_told_when_it_has_moved),
		cmocka_unit_test(a_percentage_is_told_by_whole_steps),
		cmocka_unit_test(slow_movement_is_told_when_it_adds_up),
		cmocka_unit_test(verdict_truth_and_text_are_told_at_once),
		cmocka_unit_test(subjects_are_different_facts),
		cmocka_unit_test(all_that_is_gone_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
