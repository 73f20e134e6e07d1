#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <towline/buf.h>

#include "collect/command.h"

static int to_buf(void *arg, const void *bytes, size_t len, struct tl_err *err TL_UNUSED)
{
	tl_buf_append(arg, bytes, len);
	return 0;
}

static struct command_result run(const char *script, uint64_t max_bytes, int timeout_ms,
				 struct tl_buf *out)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	struct command command = {argv, max_bytes, timeout_ms, to_buf, out};
	struct command_result result;

	assert_int_equal(command_run(&command, tl_clock_system(), &result, NULL), 0);
	return result;
}

static void output_status_and_errors_are_taken(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(4096);
	struct command_result result = run("echo out; echo bad >&2; exit 3", 1000, 10000, &out);

	assert_string_equal(tl_buf_str(&out), "out\n");
	assert_string_equal(result.errors, "bad\n");
	assert_int_equal(result.exit, 3);
	assert_false(result.timed_out || result.truncated || result.missing);
}

static void environment_and_input_are_clean(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(4096);

	setenv("SECRET_OF_THE_PARENT", "canary", 1);
	run("env; cat; pwd; ls /proc/self/fd | wc -l", 1000, 10000, &out);
	assert_null(strstr(tl_buf_str(&out), "canary"));
	assert_non_null(strstr(tl_buf_str(&out), "LC_ALL=C\n"));
	assert_non_null(strstr(tl_buf_str(&out), "\n/\n4\n")); /* 0, 1, 2 and ls's own */
}

/* The agent may write in its home; what a program finds there would be run with rights that it lacks. */
static void files_of_the_accounts_home_are_not_obeyed(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(4096);

	run("echo ~", 1000, 10000, &out);
	assert_string_equal(tl_buf_str(&out), "/nonexistent\n");
}

static void hung_command_is_ended(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(4096);
	struct command_result result = run("echo begun; exec sleep 1000", 1000, 200, &out);

	assert_true(result.timed_out);
	assert_int_equal(result.signal, SIGKILL);
	assert_string_equal(tl_buf_str(&out), "begun\n");
}

static void endless_output_is_cut(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(1 << 20);
	struct command_result result = run("exec yes", 70000, 10000, &out);

	assert_true(result.truncated);
	assert_int_equal(out.len, 70000);
}

/* False for a process that is gone, or dead and not yet buried by its new parent. */
static bool is_running(pid_t pid, int64_t give_up_ms)
{
	char path[64], stat[256] = "";
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	for (;;) {
		file = fopen(path, "r");
		if (!file)
			return false;
		if (!fgets(stat, sizeof stat, file))
			stat[0] = '\0';
		fclose(file);
		if (!stat[0] || strstr(stat, ") Z ") || strstr(stat, ") X "))
			return false;
		if (strstr(stat, ") S ") && tl_clock_mono_ms(tl_clock_system()) > give_up_ms)
			return true;
	}
}

static void children_of_a_hung_command_end_with_it(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(4096);
	pid_t child = 0;

	run("sleep 1000 & echo $!; wait", 1000, 300, &out);
	assert_int_equal(sscanf(tl_buf_str(&out), "%d", &child), 1);
	/* the group's only other member: nobody is left in it */
	assert_false(is_running(child, tl_clock_mono_ms(tl_clock_system()) + 5000));
}

static void command_that_leaves_a_child_behind_is_not_waited_for(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(4096);
	struct command_result result = run("echo done; sleep 1000 &", 1000, 60000, &out);

	assert_int_equal(result.exit, 0);
	assert_true(result.ms < 30000);
	assert_string_equal(tl_buf_str(&out), "done\n");
}

static void missing_program_is_no_fault(void **state TL_UNUSED)
{
	const char *argv[] = {"no-such-program-here", NULL};
	struct command command = {argv, 100, 1000, to_buf, NULL};
	struct command_result result;

	assert_int_equal(command_run(&command, tl_clock_system(), &result, NULL), 0);
	assert_true(result.missing);
}

static int refuse(void *arg TL_UNUSED, const void *bytes TL_UNUSED, size_t len TL_UNUSED,
		  struct tl_err *err)
{
	return tl_err_set(err, TL_ENOSPC, "full");
}

static void fault_of_the_output_ends_the_command(void **state TL_UNUSED)
{
	const char *argv[] = {"yes", NULL};
	struct command command = {argv, 1 << 20, 10000, refuse, NULL};
	struct command_result result;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(command_run(&command, tl_clock_system(), &result, &err), TL_ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_status_and_errors_are_taken),
		cmocka_unit_test(environment_and_input_are_clean),
		cmocka_unit_test(files_of_the_accounts_home_are_not_obeyed),
		cmocka_unit_test(hung_command_is_ended),
		cmocka_unit_test(endless_output_is_cut),
		cmocka_unit_test(children_of_a_hung_command_end_with_it),
		cmocka_unit_test(command_that_leaves_a_child_behind_is_not_waited_for),
		cmocka_unit_test(missing_program_is_no_fault),
		cmocka_unit_test(fault_of_the_output_ends_the_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
