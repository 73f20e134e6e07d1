/* The administrator's commands, as programs: RELAY_PROGRAM is the built towline-relay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <towline/str.h>

#include <cmocka.h>

struct bench {
	char dir[128];
	char out[8192]; /* of the last command: stdout and stderr */
	int status;
};

static void run(struct bench *bench, const char *format, ...) TL_PRINTF(2, 3);

static void run(struct bench *bench, const char *format, ...)
{
	char command[2048] = RELAY_PROGRAM " ";
	size_t len = strlen(command);
	va_list args;
	FILE *pipe;
	int r;

	va_start(args, format);
	vsnprintf(command + len, sizeof command - len - 8, format, args);
	va_end(args);
	strcat(command, " 2>&1");
	pipe = popen(command, "r");
	assert_non_null(pipe);
	bench->out[fread(bench->out, 1, sizeof bench->out - 1, pipe)] = '\0';
	r = pclose(pipe);
	bench->status = WIFEXITED(r) ? WEXITSTATUS(r) : -1;
}

static void must(const struct bench *bench)
{
	if (bench->status)
		fail_msg("status %d: %s", bench->status, bench->out);
}

static int setup(void **state)
{
	const char *base = getenv("TMPDIR");
	struct bench *bench = calloc(1, sizeof *bench);

	if (!bench)
		return -1;
	snprintf(bench->dir, sizeof bench->dir, "%s/towline-relay-XXXXXX", base ? base : "/tmp");
	*state = bench;
	return mkdtemp(bench->dir) ? 0 : -1;
}

static int teardown(void **state)
{
	struct bench *bench = *state;
	char command[256];
	int r;

	snprintf(command, sizeof command, "rm -rf '%s'", bench->dir);
	r = system(command);
	free(bench);
	return r;
}

#define CONFIG "--config %s/relay/relay.yaml"

static void init_relay(struct bench *bench)
{
	run(bench, "init %s/relay --listen 127.0.0.1:0 --ssh-listen 127.0.0.1:0", bench->dir);
	must(bench);
}

static void init_makes_private_files_and_refuses_a_second_time(void **state)
{
	static const char *const secrets[] = {"ca.key",	   "server.key",   "authority.key",
					      "token.key", "ssh_host.key", "relay.yaml",
					      "relay.db"};
	struct bench *bench = *state;
	struct stat status;
	char path[256];
	size_t i;

	init_relay(bench);
	for (i = 0; i < TL_ARRAY_LEN(secrets); i++) {
		snprintf(path, sizeof path, "%s/relay/%s", bench->dir, secrets[i]);
		assert_int_equal(stat(path, &status), 0);
		assert_int_equal(status.st_mode & 0777, 0600);
	}
	run(bench, "init %s/relay", bench->dir);
	assert_int_equal(bench->status, 73);
	assert_non_null(strstr(bench->out, "holds a relay already"));
}

static void an_interrupted_init_is_made_anew(void **state)
{
	struct bench *bench = *state;
	char path[256];

	init_relay(bench);
	snprintf(path, sizeof path, "%s/relay/relay.yaml", bench->dir);
	assert_int_equal(unlink(path), 0);
	init_relay(bench);
	run(bench, "check-config " CONFIG, bench->dir);
	must(bench);
}

static void a_token_is_printed_alone_and_kept_as_hash(void **state)
{
	struct bench *bench = *state;

	init_relay(bench);
	run(bench, "user add erin --name Erin --role engineer " CONFIG, bench->dir);
	must(bench);
	run(bench, "token create --user erin --expires 8h " CONFIG, bench->dir);
	must(bench);
	assert_int_equal(strlen(bench->out), 4 + 43 + 1);
	assert_true(tl_str_starts(bench->out, "tlt_"));
	run(bench, "token create --user nobody " CONFIG, bench->dir);
	assert_int_equal(bench->status, 66);
}

static void a_user_is_added_once_and_with_a_known_role(void **state)
{
	struct bench *bench = *state;

	init_relay(bench);
	run(bench, "user add erin --role engineer,auditor " CONFIG, bench->dir);
	must(bench);
	run(bench, "user add erin " CONFIG, bench->dir);
	assert_int_equal(bench->status, 73);
	run(bench, "user add bob --role king " CONFIG, bench->dir);
	assert_int_equal(bench->status, 65);
	assert_non_null(strstr(bench->out, "\"king\""));
	run(bench, "user list " CONFIG, bench->dir);
	assert_non_null(strstr(bench->out, "engineer,auditor"));
}

static void an_enrolment_token_names_the_url(void **state)
{
	struct bench *bench = *state;
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(4096);

	init_relay(bench);
	run(bench, "enrol-token create " CONFIG, bench->dir);
	assert_int_equal(bench->status, 78); /* neither configured nor running */
	run(bench, "enrol-token create --url https://relay.example " CONFIG, bench->dir);
	must(bench);
	assert_true(tl_str_starts(bench->out, "tl1."));
	assert_int_equal(tl_base64url_decode(&text, bench->out + 4, strcspn(bench->out, "\n") - 4),
			 0);
	assert_non_null(strstr(text.data, "\"u\":\"https://relay.example\""));
}

static void an_unknown_key_is_named_with_its_line(void **state)
{
	struct bench *bench = *state;
	char path[256];
	FILE *file;

	init_relay(bench);
	snprintf(path, sizeof path, "%s/relay/relay.yaml", bench->dir);
	file = fopen(path, "a");
	assert_non_null(file);
	fputs("colour: blue\n", file);
	assert_int_equal(fclose(file), 0);
	run(bench, "check-config " CONFIG, bench->dir);
	assert_int_equal(bench->status, 78);
	assert_non_null(strstr(bench->out, "colour"));
	assert_non_null(strstr(bench->out, "relay.yaml:7"));
}

static void the_audit_trail_verifies(void **state)
{
	struct bench *bench = *state;

	init_relay(bench);
	run(bench, "user add erin " CONFIG, bench->dir);
	run(bench, "audit verify " CONFIG, bench->dir);
	must(bench);
	assert_string_equal(bench->out, "1 entries, the chain is whole\n");
	run(bench, "audit export " CONFIG, bench->dir);
	assert_non_null(strstr(bench->out, "\"user.add\""));
}

#define BENCH_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		BENCH_TEST(init_makes_private_files_and_refuses_a_second_time),
		BENCH_TEST(an_interrupted_init_is_made_anew),
		BENCH_TEST(a_token_is_printed_alone_and_kept_as_hash),
		BENCH_TEST(a_user_is_added_once_and_with_a_known_role),
		BENCH_TEST(an_enrolment_token_names_the_url),
		BENCH_TEST(an_unknown_key_is_named_with_its_line),
		BENCH_TEST(the_audit_trail_verifies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
