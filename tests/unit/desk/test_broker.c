#include "desk/broker.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <towline/clock.h>
#include <towline/id.h>

#include <cmocka.h>

#define SESSION "01m7q5cqg0tyd2ca7vfpbv3qfd"

struct outcome {
	int calls, fd;
	char text[128];
	struct tl_broker *broker;
};

static int setup(void **state)
{
	*state = tl_broker_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	tl_broker_free(*state);
	return 0;
}

static void on_result(void *arg, int fd, const char *refusal)
{
	struct outcome *outcome = arg;

	outcome->calls++;
	outcome->fd = fd;
	snprintf(outcome->text, sizeof outcome->text, "%s", refusal ? refusal : "");
}

static void on_stop(void *arg, const char *why)
{
	struct outcome *outcome = arg;

	outcome->calls++;
	snprintf(outcome->text, sizeof outcome->text, "%s", why);
	if (outcome->broker)
		tl_broker_ended(outcome->broker, SESSION);
}

static int some_fd(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void a_call_home_reaches_the_engineer_who_waits(void **state)
{
	struct outcome outcome = {.fd = -1};
	int fd = some_fd();

	assert_int_equal(tl_broker_wait(*state, SESSION, on_result, &outcome, NULL), 0);
	assert_int_equal(tl_broker_deliver(*state, SESSION, fd, NULL), 0);
	assert_int_equal(outcome.fd, fd);
	assert_int_equal(tl_broker_deliver(*state, SESSION, fd, NULL), TL_ENOENT);
	assert_int_equal(outcome.calls, 1);
	close(fd);
}

static void a_wait_ends_once(void **state)
{
	struct outcome outcome = {.calls = 0};

	assert_int_equal(tl_broker_wait(*state, SESSION, on_result, &outcome, NULL), 0);
	tl_broker_refuse(*state, SESSION, "no");
	tl_broker_refuse(*state, SESSION, "no again");
	assert_int_equal(outcome.calls, 1);
	assert_string_equal(outcome.text, "no");
}

static void nobody_waits_twice_for_a_session(void **state)
{
	struct outcome outcome = {.calls = 0};
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_broker_wait(*state, SESSION, on_result, &outcome, NULL), 0);
	assert_int_equal(tl_broker_wait(*state, SESSION, on_result, &outcome, &err), TL_EEXIST);
}

static void a_cancelled_wait_is_not_called(void **state)
{
	struct outcome outcome = {.calls = 0};

	assert_int_equal(tl_broker_wait(*state, SESSION, on_result, &outcome, NULL), 0);
	assert_true(tl_broker_cancel(*state, SESSION));
	tl_broker_refuse(*state, SESSION, "no");
	assert_false(tl_broker_cancel(*state, SESSION));
	assert_int_equal(outcome.calls, 0);
}

static void a_wait_that_took_too_long_ends(void **state)
{
	struct outcome outcome = {.fd = -1};
	int64_t now_ms = tl_clock_mono_ms(tl_clock_system());

	assert_int_equal(tl_broker_wait(*state, SESSION, on_result, &outcome, NULL), 0);
	tl_broker_expire(*state, now_ms, "too late");
	assert_int_equal(outcome.calls, 0);
	tl_broker_expire(*state, now_ms + 60000, "too late");
	assert_int_equal(outcome.calls, 1);
	assert_int_equal(outcome.fd, -1);
	assert_string_equal(outcome.text, "too late");
	assert_false(tl_broker_cancel(*state, SESSION));
}

static void an_expected_session_keeps_a_call_home_for_the_engineer(void **state)
{
	struct outcome outcome = {.fd = -1};
	int fd = some_fd();

	tl_broker_expect(*state, SESSION);
	assert_int_equal(tl_broker_deliver(*state, SESSION, fd, NULL), 0);
	assert_int_equal(tl_broker_wait(*state, SESSION, on_result, &outcome, NULL), 0);
	assert_int_equal(outcome.fd, fd);
	assert_int_equal(outcome.calls, 1);
	close(fd);
}

/* The first one's stream, which nobody fetched, must be closed: the sanitizers do not see descriptors. */
static void what_nobody_comes_for_is_let_go(void **state)
{
	struct outcome outcome = {.fd = -1};
	int fd = some_fd();

	tl_broker_expect(*state, SESSION);
	assert_int_equal(tl_broker_deliver(*state, SESSION, fd, NULL), 0);
	tl_broker_forget(*state, SESSION);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(tl_broker_wait(*state, SESSION, on_result, &outcome, NULL), 0);
	tl_broker_forget(*state, SESSION);
	tl_broker_refuse(*state, SESSION, "no");
	assert_int_equal(outcome.calls, 1);
}

static void expected_sessions_are_bounded(void **state)
{
	struct outcome outcome = {.calls = 0};
	int fd = some_fd(), i;

	tl_broker_expect(*state, SESSION);
	assert_int_equal(tl_broker_deliver(*state, SESSION, fd, NULL), 0);
	for (i = 0; i < TL_BROKER_EXPECTED; i++)
		tl_broker_expect(*state, tl_id_new(tl_clock_system()).text);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(tl_broker_wait(*state, SESSION, on_result, &outcome, NULL), 0);
	assert_int_equal(outcome.calls, 0);
}

static void a_running_session_is_stopped_with_the_reason(void **state)
{
	struct outcome outcome = {.calls = 0};

	assert_int_equal(tl_broker_stop_session(*state, SESSION, "why"), TL_ENOENT);
	assert_int_equal(tl_broker_running(*state, SESSION, on_stop, &outcome, NULL), 0);
	assert_int_equal(tl_broker_stop_session(*state, SESSION, "why"), 0);
	assert_string_equal(outcome.text, "why");
	tl_broker_ended(*state, SESSION);
	assert_int_equal(tl_broker_stop_session(*state, SESSION, "why"), TL_ENOENT);
}

static void a_session_may_end_inside_its_own_stop(void **state)
{
	struct outcome outcome = {.broker = *state};

	assert_int_equal(tl_broker_running(*state, SESSION, on_stop, &outcome, NULL), 0);
	assert_int_equal(tl_broker_stop_session(*state, SESSION, "why"), 0);
	assert_int_equal(tl_broker_stop_session(*state, SESSION, "why"), TL_ENOENT);
	assert_int_equal(outcome.calls, 1);
}

#define BROKER_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		BROKER_TEST(a_call_home_reaches_the_engineer_who_waits),
		BROKER_TEST(a_wait_ends_once),
		BROKER_TEST(nobody_waits_twice_for_a_session),
		BROKER_TEST(a_cancelled_wait_is_not_called),
		BROKER_TEST(a_wait_that_took_too_long_ends),
		BROKER_TEST(an_expected_session_keeps_a_call_home_for_the_engineer),
		BROKER_TEST(what_nobody_comes_for_is_let_go),
		BROKER_TEST(expected_sessions_are_bounded),
		BROKER_TEST(a_running_session_is_stopped_with_the_reason),
		BROKER_TEST(a_session_may_end_inside_its_own_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
