#include "../common/tests.h"

#include "helper/policy.h"

#define NOW_MS INT64_C(1772357400000) /* 2026-03-01 09:30:00 UTC */

struct fixture {
	struct tl_policy policy;
	struct tl_grant grant;
	struct tl_clock_fake clock;
	struct tl_err err;
};

static int tear_down(void **state)
{
	struct fixture *f = *state;

	tl_policy_clear(&f->policy);
	free(f);
	return 0;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	*state = f;
	setenv("TZ", "UTC", 1);
	tl_clock_fake_init(&f->clock, NOW_MS);
	f->grant = (struct tl_grant){.engineer = "erin",
				     .purpose = "the site is down since nine",
				     .purpose_stated = true,
				     .lane = TL_LANE_END_TO_END};
	return 0;
}

static void use(struct fixture *f, const char *text)
{
	tl_policy_clear(&f->policy);
	if (tl_policy_parse(text, strlen(text), &f->policy, &f->err) != 0)
		fail_msg("%s", tl_err_text(&f->err));
}

static int check(struct fixture *f)
{
	return tl_policy_check_grant(&f->policy, &f->grant, &f->clock.clock, &f->err);
}

static void assert_denied(struct fixture *f, const char *words)
{
	assert_int_equal(check(f), TL_EDENIED);
	assert_says(&f->err, words);
}

static void both_lanes_are_allowed_until_one_is_not(void **state)
{
	struct fixture *f = *state;

	use(f, "");
	assert_int_equal(check(f), 0);
	use(f, "sessions:\n  lanes: [bastion]\n");
	assert_denied(f, "sessions.lanes");
	f->grant.lane = TL_LANE_BASTION;
	assert_int_equal(check(f), 0);
}

static void an_account_is_asked_for_only_where_it_is_listed(void **state)
{
	struct fixture *f = *state;
	const char *account = NULL;

	use(f, "sessions:\n  user: support\n  users: [deploy]\n");
	assert_int_equal(tl_policy_account(&f->policy, "", &account, NULL), 0);
	assert_string_equal(account, "support");
	assert_int_equal(tl_policy_account(&f->policy, "deploy", &account, NULL), 0);
	assert_string_equal(account, "deploy");
	assert_int_equal(tl_policy_account(&f->policy, "support", &account, NULL), 0);
	strcpy(f->grant.user, "root");
	assert_denied(f, "\"root\"");
}

static void unattended_access_needs_the_engineer_s_own_reason(void **state)
{
	struct fixture *f = *state;

	use(f, "sessions:\n  unattended: true\n");
	assert_int_equal(check(f), 0);
	f->grant.purpose_stated = false;
	assert_denied(f, "--purpose");
	use(f, "");
	assert_int_equal(check(f), 0);
}

static void an_emergency_is_only_for_those_whom_policy_names(void **state)
{
	struct fixture *f = *state;

	f->grant.break_glass = true;
	use(f, "");
	assert_denied(f, "sessions.break_glass");
	use(f, "sessions:\n  break_glass: [oncall-*, sam]\n");
	assert_denied(f, "\"erin\"");
	strcpy(f->grant.engineer, "oncall-7");
	assert_int_equal(check(f), 0);
}

static void an_emergency_needs_a_reason_that_is_long_enough(void **state)
{
	struct fixture *f = *state;

	f->grant.break_glass = true;
	use(f, "sessions:\n  break_glass: ['*']\n");
	strcpy(f->grant.purpose, "ååååååååååååååååååå"); /* 19 characters, 38 bytes */
	assert_denied(f, "20 characters");
	strcpy(f->grant.purpose, "åååååååååååååååååååå");
	assert_int_equal(check(f), 0);
}

static void emergencies_have_their_hours(void **state)
{
	static const struct {
		const char *hours;
		bool now; /* 09:30 */
	} rows[] = {
		{"09:00-10:00", true},	{"09:30-09:31", true}, {"09:00-09:30", false},
		{"18:00-08:00", false}, {"18:00-09:31", true}, {"10:00-09:00", false},
		{"00:00-00:00", true},
	};
	struct fixture *f = *state;

	f->grant.break_glass = true;
	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		char text[200];

		snprintf(text, sizeof text,
			 "sessions:\n  break_glass: ['*']\n  break_glass_hours: \"%s\"\n",
			 rows[i].hours);
		use(f, text);
		if ((check(f) == 0) != rows[i].now)
			fail_msg("%s: %s", rows[i].hours, tl_err_text(&f->err));
		if (!rows[i].now)
			assert_says(&f->err, "sessions.break_glass_hours");
	}
}

static void what_is_none_is_an_error_of_the_file(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"sessions:\n  lanes: [front]\n", "sessions.lanes"},
		{"sessions:\n  break_glass_hours: \"9-17\"\n", "break_glass_hours"},
		{"sessions:\n  break_glass_hours: \"24:00-08:00\"\n", "break_glass_hours"},
		{"sessions:\n  break_glass_hours: \"08:60-09:00\"\n", "break_glass_hours"},
		{"sessions:\n  break_glass_hours: \"08:00 09:00\"\n", "break_glass_hours"},
		{"sessions:\n  roster_key: \"SHA256:short\"\n", "sessions.roster_key"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		tl_policy_clear(&f->policy);
		assert_int_equal(tl_policy_parse(rows[i].text, strlen(rows[i].text), &f->policy,
						 &f->err),
				 TL_ECONFIG);
		assert_says(&f->err, rows[i].says);
	}
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(both_lanes_are_allowed_until_one_is_not),
		WITH_FIXTURE(an_account_is_asked_for_only_where_it_is_listed),
		WITH_FIXTURE(unattended_access_needs_the_engineer_s_own_reason),
		WITH_FIXTURE(an_emergency_is_only_for_those_whom_policy_names),
		WITH_FIXTURE(an_emergency_needs_a_reason_that_is_long_enough),
		WITH_FIXTURE(emergencies_have_their_hours),
		WITH_FIXTURE(what_is_none_is_an_error_of_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
