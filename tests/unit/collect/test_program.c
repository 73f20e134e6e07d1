#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <cmocka.h>

#include <towline/bundle.h>

struct program {
	int request, result, bundle, errors;
	int status;
	char text[1 << 20];
	char said[1024];
};

static pid_t start(struct program *program)
{
	static char path[] = COLLECT_PROGRAM;
	char *const argv[] = {path, NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, program->request, 0);
	posix_spawn_file_actions_adddup2(&actions, program->result, 1);
	posix_spawn_file_actions_adddup2(&actions, program->errors, 2);
	if (program->bundle >= 0)
		posix_spawn_file_actions_adddup2(&actions, program->bundle, 3);
	else
		posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	assert_int_equal(posix_spawn(&pid, path, &actions, NULL, argv, NULL), 0);
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

static void finish(struct program *program, pid_t pid)
{
	ssize_t len;

	assert_int_equal(waitpid(pid, &program->status, 0), pid);
	len = pread(program->result, program->text, sizeof program->text - 1, 0);
	program->text[len > 0 ? len : 0] = '\0';
	len = pread(program->errors, program->said, sizeof program->said - 1, 0);
	program->said[len > 0 ? len : 0] = '\0';
}

/* High numbers, so that none is in the way of 0 to 4. */
static int memory_file(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	int high = fcntl(fd, F_DUPFD_CLOEXEC, 20);

	close(fd);
	return high;
}

static void run(struct program *program, const char *request, int bundle)
{
	program->request = memory_file();
	program->result = memory_file();
	program->errors = memory_file();
	program->bundle = bundle;
	assert_int_equal(write(program->request, request, strlen(request)), strlen(request));
	lseek(program->request, 0, SEEK_SET);
	finish(program, start(program));
	close(program->request);
	close(program->result);
	close(program->errors);
}

static struct program program;

/* No bundle is claimed, and the result says why in the code's name. */
static void assert_failed_with(int code)
{
	tl_json *result = NULL;

	assert_int_equal(WEXITSTATUS(program.status), tl_err_exit_status(code));
	assert_int_equal(tl_json_parse(program.text, strlen(program.text), &result, NULL), 0);
	assert_null(json_object_get(result, "sha256"));
	assert_string_equal(json_string_value(json_object_get(result, "code")), tl_err_name(code));
	assert_non_null(strstr(program.said, json_string_value(json_object_get(result, "text"))));
}

static void bundle_and_result_agree(void **state TL_UNUSED)
{
	tl_fd int bundle = memory_file();
	tl_auto(tl_bundle_facts) struct tl_bundle_facts facts = {.members = 0};
	tl_json *result = NULL;

	run(&program, "{\"profile\":\"quick\",\"summary\":\"slow\"}", bundle);
	assert_int_equal(WEXITSTATUS(program.status), 0);
	assert_int_equal(tl_json_parse(program.text, strlen(program.text), &result, NULL), 0);
	lseek(bundle, 0, SEEK_SET);
	assert_int_equal(tl_bundle_check(bundle, &tl_bundle_limits_default, &facts, NULL), 0);
	assert_string_equal(facts.sha256, json_string_value(json_object_get(result, "sha256")));
	assert_string_equal(facts.id, json_string_value(json_object_get(result, "bundle")));
	assert_int_equal(facts.packed_bytes, json_integer_value(json_object_get(result, "size")));
}

static void malformed_request_is_refused_with_a_sentence(void **state TL_UNUSED)
{
	tl_fd int bundle = memory_file();

	run(&program, "{\"profile\":", bundle);
	assert_failed_with(TL_EINVAL);
	assert_memory_equal(program.said, "towline-collect: ", 17);
}

static void bundle_descriptor_must_be_open(void **state TL_UNUSED)
{
	run(&program, "{}", -1);
	assert_int_equal(WEXITSTATUS(program.status), tl_err_exit_status(TL_EUSAGE));
	assert_non_null(strstr(program.said, "descriptor 3"));
}

static void full_disk_claims_no_result(void **state TL_UNUSED)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	tl_fd int bundle = fcntl(full, F_DUPFD_CLOEXEC, 20);

	close(full);
	run(&program, "{\"profile\":\"quick\"}", bundle);
	assert_failed_with(TL_ENOSPC);
	assert_non_null(strstr(program.said, "the bundle cannot be written"));
}

/* Signalled while it waits for its request, once its handler is in place. */
static void signal_ends_it_without_a_result(void **state TL_UNUSED)
{
	int pipe_fds[2];
	tl_fd int bundle = memory_file();
	pid_t pid;

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	program.request = fcntl(pipe_fds[0], F_DUPFD_CLOEXEC, 20);
	program.result = memory_file();
	program.errors = memory_file();
	program.bundle = bundle;
	pid = start(&program); /* waits for a request that does not come */
	for (bool ready = false; !ready;) {
		char path[64], line[128] = "";
		FILE *file;

		snprintf(path, sizeof path, "/proc/%d/status", pid);
		file = fopen(path, "r");
		assert_non_null(file);
		while (!ready && fgets(line, sizeof line, file))
			ready = strncmp(line, "SigCgt:", 7) == 0 &&
				(strtoull(line + 7, NULL, 16) & (1ull << (SIGTERM - 1)));
		fclose(file);
	}
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(write(pipe_fds[1], "{}", 2), 2);
	close(pipe_fds[1]);
	finish(&program, pid);
	assert_true(WIFEXITED(program.status));
	assert_failed_with(TL_ECANCELED);
	close(pipe_fds[0]);
	close(program.request);
	close(program.result);
	close(program.errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bundle_and_result_agree),
		cmocka_unit_test(malformed_request_is_refused_with_a_sentence),
		cmocka_unit_test(bundle_descriptor_must_be_open),
		cmocka_unit_test(full_disk_claims_no_result),
		cmocka_unit_test(signal_ends_it_without_a_result),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
