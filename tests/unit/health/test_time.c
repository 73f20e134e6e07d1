#include "stage.h"

#include <errno.h>
#include <sys/timex.h>

static struct timex kernel; /* what it says */
static bool is_forbidden;

int __wrap_adjtimex(struct timex *clock);
int __wrap_adjtimex(struct timex *clock)
{
	assert_int_equal(clock->modes, 0);
	if (is_forbidden) {
		errno = EPERM;
		return -1;
	}
	*clock = kernel;
	return 0;
}

static void a_clock_that_nothing_keeps_is_warned_of(void **state)
{
	struct stage *stage = *state;

	is_forbidden = false;
	kernel = (struct timex){.status = STA_UNSYNC, .esterror = 16000000};
	stage_take(stage);
	assert_verdict(stage, "clock_synchronised", NULL, "warning");
	assert_no_fact(stage, "clock_error");
	kernel = (struct timex){.status = STA_PLL, .esterror = 2500};
	stage_take(stage);
	assert_verdict(stage, "clock_synchronised", NULL, "ok");
	assert_float_equal(stage_number(stage, "clock_error", NULL), 0.0025, 1e-9);
}

static void where_the_kernel_may_not_be_asked_timesyncds_sign_counts(void **state)
{
	struct stage *stage = *state;

	is_forbidden = true;
	stage_take(stage);
	assert_no_fact(stage, "clock_synchronised");
	stage_file(stage, "/run/systemd/timesync/synchronized", "%s", "");
	stage_take(stage);
	assert_verdict(stage, "clock_synchronised", NULL, "ok");
}

static void the_difference_to_the_relay_is_judged_in_both_directions(void **state)
{
	struct stage *stage = *state;

	stage_take(stage);
	assert_no_fact(stage, "clock_skew");
	stage->agent.has_offset = true;
	stage->agent.clock_offset_ms = -4999;
	stage_take(stage);
	assert_verdict(stage, "clock_skew", NULL, "ok");
	stage->agent.clock_offset_ms = -5000;
	stage_take(stage);
	assert_verdict(stage, "clock_skew", NULL, "warning");
	stage->agent.clock_offset_ms = 60000;
	stage_take(stage);
	assert_verdict(stage, "clock_skew", NULL, "critical");
}

static void requests_that_wait_for_the_relay_are_told(void **state)
{
	struct stage *stage = *state;

	stage->agent.queue_items = 4;
	stage_take(stage);
	assert_verdict(stage, "queue_items", NULL, "ok");
	stage->agent.queue_items = 5;
	stage_take(stage);
	assert_verdict(stage, "queue_items", NULL, "warning");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGE_TEST(a_clock_that_nothing_keeps_is_warned_of),
		STAGE_TEST(where_the_kernel_may_not_be_asked_timesyncds_sign_counts),
		STAGE_TEST(the_difference_to_the_relay_is_judged_in_both_directions),
		STAGE_TEST(requests_that_wait_for_the_relay_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
