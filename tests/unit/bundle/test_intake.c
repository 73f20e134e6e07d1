#include <fcntl.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <cmocka.h>

#include <sys/mman.h>
#include <towline/fs.h>
#include <towline/sealed.h>

#include "forge.h"
#include "keys.h"

/* Runs the program on what `in` reads; gives its exit status and the object that it printed. */
static int run_intake(int in, json_t **ret_json)
{
	static char program[] = INTAKE_PROGRAM;
	char *const argv[] = {program, NULL};
	int out[2];
	char text[64 * 1024]; /* as much as a pipe holds */
	posix_spawn_file_actions_t actions;
	ssize_t len;
	int status;
	pid_t pid;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	assert_int_equal(posix_spawn(&pid, program, &actions, NULL, argv, NULL), 0);
	posix_spawn_file_actions_destroy(&actions);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	len = read(out[0], text, sizeof text);
	close(out[0]);
	close(out[1]);
	assert_true(len > 0 && text[len - 1] == '\n');
	assert_int_equal(tl_json_parse(text, (size_t)len, ret_json, NULL), 0);
	return WEXITSTATUS(status);
}

static int to_fd(void *arg, const void *bytes, size_t len, struct tl_err *err)
{
	return tl_fs_write_all(*(int *)arg, bytes, len, err);
}

static void sealed_bundle_is_named_and_not_opened(void **state TL_UNUSED)
{
	tl_auto(keys) struct keys keys = {.cert_path = ""};
	tl_auto(tl_recipients) struct tl_recipients *recipients = NULL;
	tl_auto(tl_sealer) struct tl_sealer *sealer = NULL;
	tl_fd int fd = memfd_create("sealed", MFD_CLOEXEC);
	struct tl_err err = TL_ERR_INIT;
	tl_json *json = NULL;
	const json_t *recipient;

	keys_make(KEYS_RSA, "Rita", &keys);
	assert_int_equal(tl_recipients_new(&recipients, &err), 0);
	assert_int_equal(tl_recipients_add(recipients, tl_buf_str(&keys.cert_pem), "c", &err), 0);
	assert_int_equal(tl_sealer_new(recipients, to_fd, &fd, &sealer, &err), 0);
	assert_int_equal(tl_sealer_write(sealer, "not even a bundle", 17, &err), 0);
	assert_int_equal(tl_sealer_finish(sealer, &err), 0);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(run_intake(fd, &json), 0);
	assert_string_equal(json_string_value(json_object_get(json, "kind")), "sealed");
	assert_int_equal(json_integer_value(json_object_get(json, "packed_bytes")),
			 lseek(fd, 0, SEEK_END));
	recipient = json_array_get(json_object_get(json, "recipients"), 0);
	assert_string_equal(json_string_value(json_object_get(recipient, "issuer")), "CN=Rita");
}

static void sealed_bundle_without_recipients_is_refused(void **state TL_UNUSED)
{
	static const char head[] =
		"\x30\x80\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17\xa0\x80\x30\x80"
		"\x02\x01\x00\x31\x00 and more";
	tl_fd int fd = forge_fd(head, sizeof head);
	tl_json *json = NULL;

	assert_int_equal(run_intake(fd, &json), 65);
	assert_false(json_is_true(json_object_get(json, "ok")));
}

static void sound_bundle_is_described(void **state TL_UNUSED)
{
	tl_fd int fd = forge_finish(forge_sound());
	tl_json *json = NULL;

	assert_int_equal(run_intake(fd, &json), 0);
	assert_true(json_is_true(json_object_get(json, "ok")));
	assert_string_equal(json_string_value(json_object_get(json, "bundle")), FORGE_ID);
	assert_int_equal(json_integer_value(json_object_get(json, "members")), 5);
	assert_int_equal(json_array_size(json_object_get(json, "files")), 4);
	assert_int_equal(json_array_size(json_object_get(json, "errors")), 1);
	assert_true(json_is_object(json_object_get(json, "manifest")));
	assert_true(json_is_object(json_object_get(json, "redaction")));
}

static void hostile_bundle_is_refused_with_a_sentence(void **state TL_UNUSED)
{
	struct forge *forge = forge_new();
	tl_fd int fd = -1;
	tl_json *json = NULL;

	forge_manifest(forge);
	forge_file(forge, FORGE_ID "/../x", "x", 1, false);
	fd = forge_finish(forge);
	assert_int_equal(run_intake(fd, &json), tl_err_exit_status(TL_EINVAL));
	assert_true(json_is_false(json_object_get(json, "ok")));
	assert_string_equal(json_string_value(json_object_get(json, "code")), "EINVAL");
	assert_non_null(strstr(json_string_value(json_object_get(json, "text")), "unsafe path"));
}

static void bomb_is_refused_with_its_own_code(void **state TL_UNUSED)
{
	struct forge *forge = forge_new();
	size_t len = 48 * 1024 * 1024;
	char *zeros = calloc(1, len);
	tl_fd int fd = -1;
	tl_json *json = NULL;

	forge_manifest(forge);
	forge_file(forge, FORGE_ID "/zeros", zeros, len, false);
	free(zeros);
	fd = forge_finish(forge);
	assert_int_equal(run_intake(fd, &json), tl_err_exit_status(TL_ETOOBIG));
	assert_string_equal(json_string_value(json_object_get(json, "code")), "ETOOBIG");
}

static void empty_input_is_refused(void **state TL_UNUSED)
{
	tl_fd int fd = forge_fd("", 0);
	tl_json *json = NULL;

	assert_int_equal(run_intake(fd, &json), tl_err_exit_status(TL_EINVAL));
}

/* As the relay runs it: limited already, and unable to raise anything. Stays so, hence the last test. */
static void lower_limits_of_the_relay_are_no_obstacle(void **state TL_UNUSED)
{
	static const struct rlimit limit = {300, 300};
	tl_fd int fd = forge_finish(forge_sound());
	tl_json *json = NULL;

	/* Refused where there is nothing to drop. */
	prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0);
	assert_int_equal(setrlimit(RLIMIT_CPU, &limit), 0);
	assert_int_equal(run_intake(fd, &json), 0);
	assert_true(json_is_true(json_object_get(json, "ok")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sealed_bundle_is_named_and_not_opened),
		cmocka_unit_test(sealed_bundle_without_recipients_is_refused),
		cmocka_unit_test(sound_bundle_is_described),
		cmocka_unit_test(hostile_bundle_is_refused_with_a_sentence),
		cmocka_unit_test(bomb_is_refused_with_its_own_code),
		cmocka_unit_test(empty_input_is_refused),
		cmocka_unit_test(lower_limits_of_the_relay_are_no_obstacle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
