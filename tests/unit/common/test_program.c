#include <towline/program.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests.h"

static void a_sibling_is_found_beside_the_program(void **state TL_UNUSED)
{
	char path[PATH_MAX], own[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", own, sizeof own - 1);
	struct tl_err err = TL_ERR_INIT;

	assert_true(len > 0);
	own[len] = '\0';
	assert_int_equal(tl_program_path(strrchr(own, '/') + 1, path, &err), 0);
	assert_string_equal(path, own);
}

static void a_missing_program_is_named_with_its_places(void **state TL_UNUSED)
{
	struct tl_err err = TL_ERR_INIT;
	char path[PATH_MAX];

	assert_int_equal(tl_program_path("towline-none", path, &err), TL_ENOENT);
	assert_says(&err, "towline-none");
}

static void the_search_path_does_not_count(void **state TL_UNUSED)
{
	struct tl_err err = TL_ERR_INIT;
	char path[PATH_MAX];

	assert_int_equal(tl_program_path("sh", path, &err), TL_ENOENT);
	assert_int_equal(tl_program_path("../sh", path, &err), TL_EINVAL);
}

/* Runs /bin/sh with a script, its output into `text`; returns its wait status. */
static int run_shell(const char *script, const char *const *env, int input, char text[static 256])
{
	const char *argv[] = {"sh", "-c", script, NULL};
	struct tl_err err = TL_ERR_INIT;
	int ends[2], status;
	size_t len = 0;
	ssize_t got;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(tl_program_start(
				 &(struct tl_program_start){
					 .path = "/bin/sh",
					 .argv = argv,
					 .env = env,
					 .fds = (const int[]){input, ends[1]},
					 .fd_count = 2,
				 },
				 &pid, &err),
			 0);
	close(ends[1]);
	while (len < 255 && (got = read(ends[0], text + len, 255 - len)) > 0)
		len += (size_t)got;
	text[len] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void a_companion_gets_the_descriptors_named_and_no_other(void **state TL_UNUSED)
{
	char text[256];
	int stray = dup(STDERR_FILENO); /* not close-on-exec */

	assert_int_equal(run_shell("cat; for fd in 3 4 5 6 7 8 9; do test -e /proc/$$/fd/$fd && "
				   "echo $fd; done; :",
				   NULL, -1, text),
			 0);
	assert_string_equal(text, "");
	close(stray);
}

static void a_companion_gets_the_environment_named(void **state TL_UNUSED)
{
	static const char *const env[] = {"A=1", NULL};
	char text[256];

	assert_int_equal(run_shell("echo \"$A-$HOME\"", env, -1, text), 0);
	assert_string_equal(text, "1-\n");
}

static void a_companion_starts_with_no_signal_blocked_or_ignored(void **state TL_UNUSED)
{
	sigset_t all, before;
	char text[256];
	int status;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	signal(SIGPIPE, SIG_IGN);
	status = run_shell("kill -PIPE $$", NULL, -1, text);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGPIPE);
}

static void descriptors_may_change_places(void **state TL_UNUSED)
{
	static const char *const argv[] = {"sh", "-c", "exec 3<&0; cat <&1 >&3", NULL};
	struct tl_err err = TL_ERR_INIT;
	int in[2], out[2], status;
	char byte = 0;
	pid_t pid;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(tl_program_start(
				 &(struct tl_program_start){
					 .path = "/bin/sh",
					 .argv = argv,
					 .fds = (const int[]){out[1], in[0]},
					 .fd_count = 2,
				 },
				 &pid, &err),
			 0);
	close(in[0]);
	close(out[1]);
	assert_int_equal(write(in[1], "x", 1), 1);
	close(in[1]);
	assert_int_equal(read(out[0], &byte, 1), 1);
	assert_int_equal(byte, 'x');
	close(out[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void a_program_that_is_not_there_is_one_sentence(void **state TL_UNUSED)
{
	static const char *const argv[] = {"none", NULL};
	struct tl_err err = TL_ERR_INIT;
	pid_t pid;

	assert_int_equal(tl_program_start(&(struct tl_program_start){.path = "/none", .argv = argv},
					  &pid, &err),
			 TL_ENOENT);
	assert_says(&err, "/none cannot be started");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sibling_is_found_beside_the_program),
		cmocka_unit_test(a_missing_program_is_named_with_its_places),
		cmocka_unit_test(the_search_path_does_not_count),
		cmocka_unit_test(a_companion_gets_the_descriptors_named_and_no_other),
		cmocka_unit_test(a_companion_gets_the_environment_named),
		cmocka_unit_test(a_companion_starts_with_no_signal_blocked_or_ignored),
		cmocka_unit_test(descriptors_may_change_places),
		cmocka_unit_test(a_program_that_is_not_there_is_one_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
