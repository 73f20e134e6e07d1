/* Starting programs. chdir(2) is wrapped: a home on a file server that does not answer. */
#include "../common/tests.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper/child.h"

static const char *const argv[] = {"sh", "-c", "exit 7", NULL};
static const char *const env[] = {NULL};

int __real_chdir(const char *path);
int __wrap_chdir(const char *path);

int __wrap_chdir(const char *path)
{
	if (strcmp(path, "/hangs") == 0)
		pause();
	return __real_chdir(path);
}

static int start(const char *program, const char *directory, pid_t *ret_pid, struct tl_err *err)
{
	const int fds[] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};

	return tl_child_start(&(struct tl_child_spec){.path = program,
						      .argv = argv,
						      .env = env,
						      .fds = fds,
						      .fd_count = 3,
						      .directory = directory},
			      ret_pid, err);
}

static void a_program_runs_without_its_directory(void **state)
{
	struct tl_err err = TL_ERR_INIT;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(start("/bin/sh", "/nowhere", &pid, &err), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 7);
}

static void a_missing_program_says_so_and_leaves_nothing(void **state)
{
	struct tl_err err = TL_ERR_INIT;
	pid_t pid;

	(void)state;
	assert_int_not_equal(start("/nowhere/sh", "/", &pid, &err), 0);
	assert_says(&err, "cannot be executed");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void a_child_that_hangs_is_given_up(void **state)
{
	struct tl_err err = TL_ERR_INIT;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(start("/bin/sh", "/hangs", &pid, &err), TL_ETIMEOUT);
	assert_says(&err, "did not start");
	assert_true(waitpid(-1, &status, 0) > 0);
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void a_confined_child_gets_no_rights_from_what_it_executes(void **state)
{
	static const char *const look[] = {"sh", "-c", "grep -q 'NoNewPrivs:.1' /proc/self/status",
					   NULL};
	static const char *const path[] = {"PATH=/usr/bin:/bin", NULL};
	const int fds[] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(tl_child_start(&(struct tl_child_spec){.path = "/bin/sh",
								.argv = look,
								.env = path,
								.fds = fds,
								.fd_count = 3,
								.no_new_rights = true},
					&pid, NULL),
			 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_runs_without_its_directory),
		cmocka_unit_test(a_missing_program_says_so_and_leaves_nothing),
		cmocka_unit_test(a_child_that_hangs_is_given_up),
		cmocka_unit_test(a_confined_child_gets_no_rights_from_what_it_executes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
