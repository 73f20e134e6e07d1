#include "../common/tests.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <towline/program.h>

#include "daemon/health.h"
#include "fake_relay.h"

/* towline-health, as the test plays it: what it is given, what it answers, and when it ends. */
static struct {
	unsigned starts;
	bool cannot_start;
	bool had_state;
	char in[256];
	const char *answer; /* NULL: it fails */
	bool is_running;
	int out_fd, next_fd;
} child;

static struct {
	unsigned calls;
	json_t *health; /* NULL: it failed */
} taken;

static struct tl_agent_health health;
static struct tl_clock_fake clock_of_test;
static uv_loop_t loop;

int __wrap_tl_program_path(const char *name, char path[static PATH_MAX], struct tl_err *err);
int __wrap_tl_program_path(const char *name, char path[static PATH_MAX],
			   struct tl_err *err TL_UNUSED)
{
	snprintf(path, PATH_MAX, "/%s", name);
	return 0;
}

int __wrap_tl_program_start(const struct tl_program_start *start, pid_t *ret_pid,
			    struct tl_err *err);
int __wrap_tl_program_start(const struct tl_program_start *start, pid_t *ret_pid,
			    struct tl_err *err)
{
	struct stat state;
	ssize_t len;

	if (child.cannot_start)
		return tl_err_set(err, TL_EIO, "no more processes");
	assert_string_equal(start->path, "/towline-health");
	assert_int_equal(start->fd_count, 5);
	len = pread(start->fds[0], child.in, sizeof child.in - 1, 0);
	child.in[len > 0 ? len : 0] = '\0';
	child.had_state =
		start->fds[3] >= 0 && fstat(start->fds[3], &state) == 0 && state.st_size > 0;
	child.out_fd = start->fds[1];
	child.next_fd = start->fds[4];
	child.is_running = true;
	child.starts++;
	*ret_pid = 4711;
	return 0;
}

pid_t __wrap_waitpid(pid_t pid, int *ret_status, int flags);
pid_t __wrap_waitpid(pid_t pid, int *ret_status, int flags TL_UNUSED)
{
	assert_int_equal(pid, 4711);
	if (child.is_running)
		return 0;
	if (ret_status)
		*ret_status = child.answer ? 0 : 1 << 8;
	return pid;
}

static unsigned kills;
int __wrap_kill(pid_t pid, int number);
int __wrap_kill(pid_t pid, int number TL_UNUSED)
{
	assert_int_equal(pid, 4711);
	kills++;
	return 0;
}

static void on_taken(void *arg TL_UNUSED, const json_t *json)
{
	taken.calls++;
	json_decref(taken.health);
	taken.health = json_incref((json_t *)(uintptr_t)json);
}

static int set_up_with(int64_t interval_ms)
{
	memset(&child, 0, sizeof child);
	json_decref(taken.health);
	memset(&taken, 0, sizeof taken);
	kills = 0;
	fake_reset();
	uv_loop_init(&loop);
	tl_clock_fake_init(&clock_of_test, 1795000000000);
	tl_agent_health_init(&health,
			     &(struct tl_agent_health_options){.loop = &loop,
							       .clock = &clock_of_test.clock,
							       .interval_ms = interval_ms,
							       .on_taken = on_taken});
	return 0;
}

static int set_up(void **state TL_UNUSED)
{
	return set_up_with(60000);
}

static int tear_down(void **state TL_UNUSED)
{
	child.is_running = false;
	tl_agent_health_close(&health);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	json_decref(taken.health);
	taken.health = NULL;
	return 0;
}

static bool take(void)
{
	tl_json *facts = json_pack("{s:i}", "queue_items", 3);

	return tl_agent_health_take(&health, facts);
}

/* The child writes what it has to say, and ends. */
static void end_child(const char *answer)
{
	child.answer = answer;
	if (answer) {
		assert_int_equal(write(child.out_fd, answer, strlen(answer)),
				 (ssize_t)strlen(answer));
		assert_int_equal(write(child.next_fd, "state", 5), 5);
	}
	child.is_running = false;
	tl_agent_health_reap(&health);
}

#define FULL "{\"full\":true,\"facts\":[],\"gone\":[]}"
#define DELTA "{\"full\":false,\"facts\":[],\"gone\":[]}"

static json_int_t seq(void)
{
	return json_integer_value(json_object_get(taken.health, "seq"));
}

static void a_snapshot_is_taken_numbered_and_remembered(void **state TL_UNUSED)
{
	assert_true(tl_agent_health_is_due(&health));
	assert_true(take());
	assert_string_equal(child.in, "{\"queue_items\":3}");
	assert_false(child.had_state);
	end_child(FULL);
	assert_int_equal(taken.calls, 1);
	assert_int_equal(seq(), 1);
	tl_agent_health_answered(&health, TL_HEALTH_TAKEN);
	assert_true(take());
	assert_true(child.had_state);
	end_child(DELTA);
	assert_int_equal(seq(), 2);
}

static void the_next_one_is_due_after_the_interval(void **state TL_UNUSED)
{
	assert_true(take());
	assert_false(tl_agent_health_is_due(&health));
	end_child(FULL);
	tl_agent_health_answered(&health, TL_HEALTH_TAKEN);
	tl_clock_fake_advance(&clock_of_test, 59999);
	assert_false(tl_agent_health_is_due(&health));
	tl_clock_fake_advance(&clock_of_test, 1);
	assert_true(tl_agent_health_is_due(&health));
}

static void an_interval_of_zero_is_never_due(void **state)
{
	tear_down(state);
	set_up_with(0);
	assert_false(tl_agent_health_is_due(&health));
}

static void only_one_is_under_way(void **state TL_UNUSED)
{
	assert_true(take());
	assert_false(take());
	end_child(FULL);
	assert_false(take()); /* the relay has not answered */
	assert_int_equal(child.starts, 1);
}

static void one_that_was_lost_is_followed_by_a_whole_one(void **state TL_UNUSED)
{
	take();
	end_child(FULL);
	tl_agent_health_answered(&health, TL_HEALTH_TAKEN);
	take();
	end_child(DELTA);
	tl_agent_health_answered(&health, TL_HEALTH_LOST);
	assert_true(take());
	assert_false(child.had_state);
	end_child(FULL);
}

static void a_new_connection_wants_a_whole_one_at_once(void **state TL_UNUSED)
{
	take();
	end_child(FULL);
	tl_agent_health_answered(&health, TL_HEALTH_TAKEN);
	tl_agent_health_forget(&health);
	assert_true(tl_agent_health_is_due(&health));
	assert_true(take());
	assert_false(child.had_state);
	end_child(FULL);
}

static void an_answer_of_the_old_connection_is_not_trusted(void **state TL_UNUSED)
{
	take();
	end_child(FULL);
	tl_agent_health_forget(&health);
	tl_agent_health_answered(&health, TL_HEALTH_TAKEN);
	assert_true(take());
	assert_false(child.had_state);
	end_child(FULL);
	tl_agent_health_answered(&health, TL_HEALTH_TAKEN);
	assert_true(take());
	assert_true(child.had_state);
	end_child(DELTA);
}

static void a_relay_that_refuses_is_left_alone_until_the_next_connection(void **state TL_UNUSED)
{
	take();
	end_child(FULL);
	tl_agent_health_answered(&health, TL_HEALTH_REFUSED);
	tl_clock_fake_advance(&clock_of_test, 3600000);
	assert_false(tl_agent_health_is_due(&health));
	tl_agent_health_forget(&health);
	assert_true(tl_agent_health_is_due(&health));
}

static void now_and_then_everything_is_told(void **state TL_UNUSED)
{
	unsigned whole = 0;

	for (unsigned i = 0; i < 2 * TL_AGENT_HEALTH_FULL_EVERY + 1; i++) {
		assert_true(take());
		whole += !child.had_state;
		end_child(child.had_state ? DELTA : FULL);
		tl_agent_health_answered(&health, TL_HEALTH_TAKEN);
	}
	assert_int_equal(whole, 3);
}

static void a_child_that_fails_is_said_and_forgotten(void **state TL_UNUSED)
{
	take();
	end_child(NULL);
	assert_int_equal(taken.calls, 1);
	assert_null(taken.health);
	assert_true(take());
	end_child("no JSON");
	assert_null(taken.health);
	assert_true(take());
	end_child("[]");
	assert_null(taken.health);
}

static void a_child_that_hangs_is_killed(void **state TL_UNUSED)
{
	take();
	assert_int_equal(fake.timer_ms, TL_AGENT_HEALTH_DEADLINE_MS);
	fake_fire();
	assert_int_equal(kills, 1);
	assert_int_equal(taken.calls, 0);
	end_child(NULL);
	assert_int_equal(taken.calls, 1);
}

static void a_message_that_is_too_large_is_not_sent(void **state TL_UNUSED)
{
	take();
	assert_int_equal(ftruncate(child.out_fd, TL_AGENT_HEALTH_BYTES_MAX + 1), 0);
	child.answer = "";
	child.is_running = false;
	tl_agent_health_reap(&health);
	assert_null(taken.health);
}

static void a_child_that_cannot_be_started_leaves_the_heartbeat_as_it_is(void **state TL_UNUSED)
{
	child.cannot_start = true;
	assert_false(take());
	assert_int_equal(taken.calls, 0);
	assert_false(tl_agent_health_is_due(&health));
}

static void another_child_that_ends_is_none_of_ours(void **state TL_UNUSED)
{
	tl_agent_health_reap(&health);
	take();
	tl_agent_health_reap(&health);
	assert_int_equal(taken.calls, 0);
	end_child(FULL);
	tl_agent_health_reap(&health);
	assert_int_equal(taken.calls, 1);
}

#define HEALTH_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HEALTH_TEST(a_snapshot_is_taken_numbered_and_remembered),
		HEALTH_TEST(the_next_one_is_due_after_the_interval),
		HEALTH_TEST(an_interval_of_zero_is_never_due),
		HEALTH_TEST(only_one_is_under_way),
		HEALTH_TEST(one_that_was_lost_is_followed_by_a_whole_one),
		HEALTH_TEST(a_new_connection_wants_a_whole_one_at_once),
		HEALTH_TEST(an_answer_of_the_old_connection_is_not_trusted),
		HEALTH_TEST(a_relay_that_refuses_is_left_alone_until_the_next_connection),
		HEALTH_TEST(now_and_then_everything_is_told),
		HEALTH_TEST(a_child_that_fails_is_said_and_forgotten),
		HEALTH_TEST(a_child_that_hangs_is_killed),
		HEALTH_TEST(a_message_that_is_too_large_is_not_sent),
		HEALTH_TEST(a_child_that_cannot_be_started_leaves_the_heartbeat_as_it_is),
		HEALTH_TEST(another_child_that_ends_is_none_of_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
