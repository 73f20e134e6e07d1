#include "../common/tests.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/scratch.h"
#include "daemon/dialler.h"

static uv_loop_t loop;
static uv_signal_t child_ended;
static struct tl_dialler dialler;
static char program[PATH_MAX];
static json_t *lines;
static unsigned exits;

int __wrap_tl_program_path(const char *name, char path[static PATH_MAX], struct tl_err *err);
int __wrap_tl_program_path(const char *name, char path[static PATH_MAX],
			   struct tl_err *err TL_UNUSED)
{
	assert_string_equal(name, "towline-session");
	snprintf(path, PATH_MAX, "%s", program);
	return 0;
}

static void on_line(void *arg TL_UNUSED, const json_t *line)
{
	json_array_append(lines, (json_t *)(uintptr_t)line);
}

static void on_exit_of_child(void *arg TL_UNUSED)
{
	exits++;
	uv_close((uv_handle_t *)&child_ended, NULL);
	tl_dialler_close(&dialler);
}

static void on_child(uv_signal_t *watch TL_UNUSED, int number TL_UNUSED)
{
	tl_dialler_reap(&dialler);
}

static int set_up(void **state)
{
	signal(SIGPIPE, SIG_IGN); /* as in the agent: a child may end before it has read */
	exits = 0;
	lines = json_array();
	uv_loop_init(&loop);
	uv_signal_init(&loop, &child_ended);
	uv_signal_start(&child_ended, on_child, SIGCHLD);
	tl_dialler_init(&dialler, on_line, on_exit_of_child, NULL);
	return scratch_set_up(state);
}

static int tear_down(void **state)
{
	json_decref(lines);
	if (uv_loop_close(&loop) != 0)
		return -1;
	return scratch_tear_down(state);
}

/* Starts a shell script in towline-session's place, with one request. */
static void start(const char *dir, const char *script)
{
	tl_json *request = json_pack("{s:s}", "session", "s1");
	FILE *file;

	snprintf(program, sizeof(program), "%s/towline-session", dir);
	file = fopen(program, "we");
	assert_non_null(file);
	fprintf(file, "#!/bin/sh\n%s\n", script);
	fclose(file);
	assert_int_equal(chmod(program, 0700), 0);
	assert_int_equal(tl_dialler_start(&dialler, &loop, request, NULL), 0);
}

static const char *text(size_t line, const char *name)
{
	return json_string_value(json_object_get(json_array_get(lines, line), name));
}

static void the_request_is_the_childs_first_line(void **state)
{
	start(*state, "read -r line; printf '{\"got\":%s}\\n' \"$line\"");
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_string_equal(json_string_value(json_object_get(
				    json_object_get(json_array_get(lines, 0), "got"), "session")),
			    "s1");
}

static void assert_only_standard_descriptors(pid_t pid)
{
	char path[64];
	const struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			assert_in_range(strtoul(entry->d_name, NULL, 10), 0, 2);
	}
	closedir(dir);
}

static void the_child_has_stdin_stdout_and_stderr_only(void **state)
{
	int open_fds[3];

	/* As a library would leave them: they would pass to the child. */
	assert_int_equal(pipe2(open_fds, 0), 0);
	open_fds[2] = fcntl(open_fds[0], F_DUPFD, 200);
	start(*state, "exec cat");
	while (json_array_size(lines) == 0) /* its request comes back: it is cat now */
		uv_run(&loop, UV_RUN_ONCE);
	assert_only_standard_descriptors(dialler.pid);
	for (size_t i = 0; i < TL_ARRAY_LEN(open_fds); i++)
		close(open_fds[i]);
	tl_dialler_kill(&dialler);
	uv_run(&loop, UV_RUN_DEFAULT);
}

static void lines_come_whole_and_what_is_no_object_is_left_out(void **state)
{
	start(*state, "printf '{\"a\":\"'; printf 'x\"}\\nnonsense\\n[1]\\n{\"a\":\"y\"}\\n'");
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(json_array_size(lines), 2);
	assert_string_equal(text(0, "a"), "x");
	assert_string_equal(text(1, "a"), "y");
}

static void its_end_is_told_once_after_its_lines(void **state)
{
	start(*state, "echo '{\"reason\":\"done\"}'");
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(exits, 1);
	assert_string_equal(text(0, "reason"), "done");
}

static void an_order_reaches_it(void **state)
{
	tl_json *order = json_pack("{s:s}", "stop", "enough");

	start(*state, "read -r request; read -r order; echo \"$order\"");
	tl_dialler_tell(&dialler, order);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_string_equal(text(0, "stop"), "enough");
}

static void one_that_does_not_end_can_be_killed(void **state)
{
	start(*state, "exec tail -f /dev/null");
	tl_dialler_kill(&dialler);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(exits, 1);
}

static void a_line_without_end_is_no_reason_to_grow(void **state)
{
	start(*state, "exec cat /dev/zero | tr '\\0' x");
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(exits, 1);
	assert_int_equal(json_array_size(lines), 0);
}

int main(void)
{
#define DIALLER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		DIALLER_TEST(the_request_is_the_childs_first_line),
		DIALLER_TEST(the_child_has_stdin_stdout_and_stderr_only),
		DIALLER_TEST(lines_come_whole_and_what_is_no_object_is_left_out),
		DIALLER_TEST(its_end_is_told_once_after_its_lines),
		DIALLER_TEST(an_order_reaches_it),
		DIALLER_TEST(one_that_does_not_end_can_be_killed),
		DIALLER_TEST(a_line_without_end_is_no_reason_to_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
