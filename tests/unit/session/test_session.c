#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "rig.h"

/* The stock client, without the configuration of whoever runs the tests. */
#define SSH \
	"ssh -F none -p %u -i engineer -o IdentitiesOnly=yes -o StrictHostKeyChecking=no " \
	"-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR whoever@127.0.0.1 "
#define RECORD_ROOM 4096
#define SCOPES (TL_SCOPE_TERMINAL | TL_SCOPE_EXEC)

static struct rig *rig;

static int setup(void **state)
{
	(void)state;
	rig = rig_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_free(rig);
	return 0;
}

#define assert_text(actual, expected) \
	do { \
		if (!strstr(actual, expected)) \
			fail_msg("\"%s\" is not in \"%s\"", expected, actual); \
	} while (0)

static void exec_returns_output_and_exit_status(void **state)
{
	unsigned port = rig_listen(rig, SCOPES, false);
	struct rig_run run = rig_sh(rig, NULL, SSH "'echo out; echo err >&2; exit 7'", port);

	(void)state;
	assert_string_equal(run.err, "err\n");
	assert_string_equal(run.out, "out\n");
	assert_int_equal(run.status, 7);
	rig_run_clear(&run);
}

static void stdin_reaches_the_program_until_its_end(void **state)
{
	unsigned port = rig_listen(rig, SCOPES, false);
	struct rig_run run = rig_sh(rig, "one\ntwo\n", SSH "'cat; echo end'", port);

	(void)state;
	assert_string_equal(run.out, "one\ntwo\nend\n");
	assert_int_equal(run.status, 0);
	rig_run_clear(&run);
}

static void hundred_mebibytes_pass_each_way_intact(void **state)
{
	unsigned port = rig_listen(rig, SCOPES, false);
	struct rig_run run =
		rig_sh(rig, NULL,
		       "head -c 104857600 /dev/urandom > big && sha256sum < big && " SSH
		       "cat < big | sha256sum",
		       port);

	(void)state;
	assert_int_equal(run.status, 0);
	assert_int_equal(run.out_len, 2 * 68);
	assert_memory_equal(run.out, run.out + 68, 68);
	rig_run_clear(&run);
}

static void small_rekey_limits_corrupt_nothing(void **state)
{
	unsigned port = rig_listen(rig, SCOPES, false);
	struct rig_run run = rig_sh(rig, NULL,
				    "head -c 16777216 /dev/urandom > big && sha256sum < big && " SSH
				    "-o RekeyLimit=1M cat < big | sha256sum",
				    port);

	(void)state;
	assert_int_equal(run.status, 0);
	assert_memory_equal(run.out, run.out + 68, 68);
	rig_run_clear(&run);
}

static void output_before_the_exit_is_never_lost(void **state)
{
	unsigned port = rig_listen(rig, SCOPES, false);

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct rig_run run = rig_sh(rig, NULL, SSH "'seq 1 200000'", port);

		assert_int_equal(run.out_len, 1288895);
		assert_int_equal(run.status, 0);
		rig_run_clear(&run);
	}
}

static void a_shell_runs_on_a_terminal_of_the_asked_size(void **state)
{
	unsigned port = rig_listen(rig, SCOPES, false);
	struct rig_run run = rig_sh(rig, "tty; stty size; echo $TERM; exit 3\n",
				    "export TERM=xterm; script -qec \"stty rows 33 cols 99; " SSH
				    "-tt\" /dev/null",
				    port);

	(void)state;
	assert_text(run.out, "/dev/pts/");
	assert_text(run.out, "33 99");
	assert_text(run.out, "xterm");
	assert_int_equal(run.status, 3);
	rig_run_clear(&run);
}

static void a_killed_program_is_told_as_its_signal(void **state)
{
	unsigned port = rig_listen(rig, SCOPES, false);
	struct rig_run run = rig_sh(rig, NULL, SSH "-v 'kill -KILL $$' 2>&1", port);

	(void)state;
	assert_text(run.out, "exit-signal");
	assert_int_equal(run.status, 255);
	rig_run_clear(&run);
}

static void several_channels_share_one_connection(void **state)
{
	unsigned port = rig_listen(rig, SCOPES, false);
	struct rig_run run =
		rig_sh(rig, NULL,
		       SSH "-o ControlMaster=yes -o ControlPath=mux -f -N; "
			   "for i in 1 2 3 4; do ssh -F none -S mux x 'echo '$i & done; wait; "
			   "ssh -F none -S mux -O exit x 2>/dev/null",
		       port);

	(void)state;
	for (const char *digit = "1234"; *digit; digit++)
		assert_non_null(strchr(run.out, *digit));
	rig_run_clear(&run);
}

static void the_helper_is_told_what_the_client_would_set(void **state)
{
	unsigned port = rig_listen(rig, SCOPES, false);
	struct rig_run run =
		rig_sh(rig, NULL,
		       "LC_TEST=yes LD_TEST=no " SSH
		       "-o SendEnv=LC_TEST -o SendEnv=LD_TEST 'echo $LC_TEST-$LD_TEST-'",
		       port);

	(void)state;
	assert_string_equal(run.out, "yes-no-\n"); /* this helper allows everything */
	rig_run_clear(&run);
}

static void other_keys_and_certificates_are_refused(void **state)
{
	unsigned port = rig_listen(rig, SCOPES, false);
	struct rig_run run;

	(void)state;
	run = rig_sh(rig, NULL, "ssh-keygen -q -t ed25519 -N '' -f other; " SSH "-i other true",
		     port);
	rig_run_clear(&run);
	run = rig_sh(rig, NULL,
		     "ssh -F none -p %u -i other -o IdentitiesOnly=yes -o StrictHostKeyChecking=no "
		     "-o UserKnownHostsFile=/dev/null x@127.0.0.1 true",
		     port);
	assert_text(run.err, "Permission denied (publickey)");
	assert_int_equal(run.status, 255);
	rig_run_clear(&run);
	run = rig_sh(rig, NULL,
		     "ssh-keygen -q -t ed25519 -N '' -f ca && mkdir c && mv engineer c/k && "
		     "mv engineer.pub c/k.pub && ssh-keygen -q -s ca -I x -n x c/k.pub && "
		     "ssh -F none -p %u -i c/k -o CertificateFile=c/k-cert.pub -v "
		     "-o PubkeyAcceptedAlgorithms=ssh-ed25519-cert-v01@openssh.com "
		     "-o IdentitiesOnly=yes -o StrictHostKeyChecking=no "
		     "-o UserKnownHostsFile=/dev/null x@127.0.0.1 true",
		     port);
	assert_text(run.err, "Permission denied (publickey)");
	assert_int_equal(run.status, 255);
	rig_run_clear(&run);
}

static void scopes_of_the_consent_hold(void **state)
{
	unsigned port = rig_listen(rig, TL_SCOPE_EXEC, false);
	struct rig_run run = rig_sh(rig, NULL, SSH "-tt < /dev/null", port);

	(void)state;
	assert_text(run.err, "ask for the scope terminal");
	assert_int_equal(run.status, 255);
	rig_run_clear(&run);
	run = rig_sh(rig, NULL, SSH "echo fine", port);
	assert_string_equal(run.out, "fine\n");
	rig_run_clear(&run);
}

static void forwardings_and_what_consent_does_not_cover_are_refused(void **state)
{
	unsigned port = rig_listen(rig, SCOPES, false);
	struct rig_run run = rig_sh(rig, NULL, SSH "-W 127.0.0.1:1", port);

	(void)state;
	assert_text(run.err, "stdio forwarding failed");
	assert_int_not_equal(run.status, 0);
	rig_run_clear(&run);
	run = rig_sh(rig, NULL, SSH "-o ExitOnForwardFailure=yes -R 0:127.0.0.1:1 true", port);
	assert_text(run.err, "remote port forwarding failed");
	rig_run_clear(&run);
	run = rig_sh(rig, NULL, SSH "-s netconf", port);
	assert_text(run.err, "the only subsystem is sftp");
	rig_run_clear(&run);
	run = rig_sh(rig, NULL, SSH "-s sftp", port);
	assert_text(run.err, "consent does not cover file transfer");
	rig_run_clear(&run);
}

static void a_stop_ends_everything_and_says_why(void **state)
{
	unsigned port = rig_listen(rig, SCOPES, false);
	struct rig_run run;

	(void)state;
	run = rig_sh(rig, NULL,
		     SSH "'echo ready; exec sleep 600' < /dev/null > said 2> why & "
			 "until grep -q ready said; do :; done",
		     port);
	rig_run_clear(&run);
	rig_stop_session(rig, "the user stopped the session");
	assert_string_equal(rig_wait_end(rig), "the user stopped the session");
	run = rig_sh(rig, NULL, "until grep -q stopped why; do :; done; cat why");
	assert_text(run.out, "the user stopped the session");
	rig_run_clear(&run);
}

static void set_file_limit(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void what_cannot_be_recorded_does_not_pass(void **state)
{
	unsigned port = rig_listen(rig, SCOPES, true);
	struct rig_run run;

	(void)state;
	set_file_limit(RECORD_ROOM);
	run = rig_sh(rig, NULL, SSH "'yes | head -c 1000000'", port);
	assert_text(rig_wait_end(rig), "the recording failed");
	set_file_limit(RLIM_INFINITY);
	assert_in_range(run.out_len, 0, RECORD_ROOM);
	rig_run_clear(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(exec_returns_output_and_exit_status),
		T(stdin_reaches_the_program_until_its_end),
		T(hundred_mebibytes_pass_each_way_intact),
		T(small_rekey_limits_corrupt_nothing),
		T(output_before_the_exit_is_never_lost),
		T(a_shell_runs_on_a_terminal_of_the_asked_size),
		T(a_killed_program_is_told_as_its_signal),
		T(several_channels_share_one_connection),
		T(the_helper_is_told_what_the_client_would_set),
		T(other_keys_and_certificates_are_refused),
		T(scopes_of_the_consent_hold),
		T(forwardings_and_what_consent_does_not_cover_are_refused),
		T(a_stop_ends_everything_and_says_why),
		T(what_cannot_be_recorded_does_not_pass),
	};

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
