#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <towline/record.h>
#include <cmocka.h>

#include "rig.h"
#include "ssh/front.h"
#include "ssh/office.h"

#define OPTIONS \
	"-F none -i engineer -o IdentitiesOnly=yes -o StrictHostKeyChecking=no " \
	"-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "
#define BASTION "ssh " OPTIONS "-p %u web-01@127.0.0.1 "
/* -J starts its own ssh, which needs the same options: so they stand in a file. */
#define JUMP "ssh -F config web-01 "

/* The desk that the tests play: everything that the front door asks of it. */
static struct {
	struct rig *rig;
	struct tl_ssh_front *front;
	struct tl_office office;
	struct tl_key *authority;
	const char *_Atomic refusal; /* instead of a call home */
	_Atomic bool silent;	     /* neither */
	_Atomic bool other_host_key;
	_Atomic bool no_recording;
	char second_key[256]; /* of the same engineer; "" for none */
	pthread_mutex_t lock;
	char session[27];
	struct tl_session_end end;
	char end_reason[256];
	unsigned opened, ended, sealed;
	pthread_cond_t changed;
} desk;

static int office_open(void *arg, void **ret_worker, struct tl_err *err)
{
	(void)err;
	*ret_worker = arg;
	return 0;
}

static void office_close(void *worker)
{
	(void)worker;
}

static int office_engineer(void *worker, const char *key_text, struct tl_engineer *ret_engineer,
			   struct tl_err *err)
{
	(void)worker;
	if (!strstr(rig_engineer_line(desk.rig), key_text))
		return tl_err_set(err, TL_EAUTH, "the key is not registered");
	snprintf(ret_engineer->id, sizeof(ret_engineer->id), "e");
	snprintf(ret_engineer->login, sizeof(ret_engineer->login), "eva");
	snprintf(ret_engineer->name, sizeof(ret_engineer->name), "Eva Engineer");
	return 0;
}

static int office_keys(void *worker, const char *engineer_id, struct tl_strv *keys,
		       struct tl_err *err)
{
	int rc = 0;

	(void)worker;
	(void)err;
	assert_string_equal(engineer_id, "e");
	pthread_mutex_lock(&desk.lock);
	if (desk.second_key[0])
		rc = tl_strv_push(keys, desk.second_key);
	pthread_mutex_unlock(&desk.lock);
	return rc;
}

static int office_resolve(void *worker, const char *target, struct tl_session_target *ret_target,
			  struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(512);

	(void)worker;
	if (strcmp(target, "web-01") != 0)
		return tl_err_set(err, TL_ENOENT, "no host or ticket is called %s", target);
	snprintf(ret_target->host_name, sizeof(ret_target->host_name), "web-01");
	snprintf(ret_target->ticket, sizeof(ret_target->ticket), "T-1001");
	tl_key_ssh_line(desk.other_host_key ? desk.authority : rig_host_key(desk.rig), "host",
			&line);
	snprintf(ret_target->ssh_host_key, sizeof(ret_target->ssh_host_key), "%s",
		 tl_buf_str(&line));
	return 0;
}

static int office_claim(void *worker, const struct tl_session_claim *claim,
			char ret_session[static 27], struct tl_session_target *ret_target,
			struct tl_err *err)
{
	(void)worker;
	(void)ret_session;
	(void)ret_target;
	return tl_err_set(err, TL_ENOENT, "nothing waits for %s", claim->target);
}

static int office_request(void *worker, const struct tl_session_ask *ask,
			  char ret_session[static 27], struct tl_err *err)
{
	struct tl_id id = tl_id_new(tl_clock_system());
	int pair[2];

	(void)worker;
	snprintf(ret_session, 27, "%s", id.text);
	pthread_mutex_lock(&desk.lock);
	snprintf(desk.session, sizeof(desk.session), "%s", id.text);
	pthread_mutex_unlock(&desk.lock);
	tl_broker_expect(desk.office.broker, id.text);
	if (desk.silent)
		return 0;
	if (desk.refusal) {
		tl_broker_refuse(desk.office.broker, id.text, desk.refusal);
		return 0;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
		return tl_err_set(err, TL_EIO, "no socket pair");
	/* as a desk that nobody has told what to forward */
	rig_serve(desk.rig, pair[0], id.text, ask->scopes & ~(TL_SCOPE_FORWARDING | TL_SCOPE_AGENT),
		  ask->keys, ask->lane == TL_LANE_END_TO_END);
	if (tl_broker_deliver(desk.office.broker, id.text, pair[1], err) != 0)
		close(pair[1]);
	return 0;
}

static int office_opened(void *worker, const char *session, struct tl_err *err)
{
	(void)worker;
	(void)session;
	(void)err;
	__atomic_add_fetch(&desk.opened, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static int office_ended(void *worker, const char *session, const struct tl_session_end *end,
			struct tl_err *err)
{
	(void)worker;
	(void)session;
	(void)err;
	pthread_mutex_lock(&desk.lock);
	desk.end = *end;
	snprintf(desk.end_reason, sizeof(desk.end_reason), "%s", end->reason);
	desk.ended++;
	pthread_cond_broadcast(&desk.changed);
	pthread_mutex_unlock(&desk.lock);
	return 0;
}

static int office_record_open(void *worker, const char *session, int *ret_fd, struct tl_err *err)
{
	char path[200];

	(void)worker;
	if (desk.no_recording)
		return tl_err_set(err, TL_ENOSPC, "no space left for recordings");
	snprintf(path, sizeof(path), "%s/%s.jsonl", rig_dir(desk.rig), session);
	*ret_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	return *ret_fd >= 0 ? 0 : tl_err_set(err, TL_EIO, "no recording file");
}

static int office_record_seal(void *worker, const char *session, struct tl_err *err)
{
	(void)worker;
	(void)session;
	(void)err;
	__atomic_add_fetch(&desk.sealed, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static void wait_ended(void)
{
	pthread_mutex_lock(&desk.lock);
	while (desk.ended == 0)
		pthread_cond_wait(&desk.changed, &desk.lock);
	desk.ended--;
	pthread_mutex_unlock(&desk.lock);
}

static int setup(void **state)
{
	struct tl_ssh_front_config config = {.listen = "127.0.0.1:0", .listen_fd = -1};
	struct rig_run run;

	(void)state;
	memset(&desk, 0, sizeof(desk));
	pthread_mutex_init(&desk.lock, NULL);
	pthread_cond_init(&desk.changed, NULL);
	desk.rig = rig_new();
	assert_int_equal(tl_key_generate(&desk.authority, NULL), 0);
	desk.office = (struct tl_office){
		.open = office_open,
		.close = office_close,
		.engineer = office_engineer,
		.keys = office_keys,
		.resolve = office_resolve,
		.claim = office_claim,
		.request = office_request,
		.opened = office_opened,
		.ended = office_ended,
		.record_open = office_record_open,
		.record_seal = office_record_seal,
		.broker = tl_broker_new(),
		.authority = desk.authority,
		.clock = tl_clock_system(),
		.arg = &desk,
	};
	config.office = &desk.office;
	config.host_key = desk.authority;
	assert_int_equal(tl_ssh_front_start(NULL, &config, &desk.front, NULL), 0);
	run = rig_sh(desk.rig, NULL,
		     "printf 'Host *\\nIdentityFile engineer\\nIdentitiesOnly yes\\n"
		     "StrictHostKeyChecking no\\nUserKnownHostsFile /dev/null\\nLogLevel ERROR\\n"
		     "Host relay\\nHostname 127.0.0.1\\nPort %u\\n"
		     "Host web-01\\nProxyCommand ssh -F config -W %%%%h:%%%%p relay\\n' > config",
		     tl_ssh_front_port(desk.front));
	rig_run_clear(&run);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tl_ssh_front_stop(desk.front, 2000);
	tl_broker_free(desk.office.broker);
	tl_key_free(desk.authority);
	rig_free(desk.rig);
	return 0;
}

#define assert_text(actual, expected) \
	do { \
		if (!strstr(actual, expected)) \
			fail_msg("\"%s\" is not in \"%s\"", expected, actual); \
	} while (0)

static void assert_recording(const struct tl_key *key, const char *contents)
{
	struct tl_record_facts facts = {0};
	struct tl_err err = TL_ERR_INIT;
	struct rig_run run;
	char path[200];
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s.jsonl", rig_dir(desk.rig), desk.session);
	in = fopen(path, "r");
	assert_non_null(in);
	if (tl_record_verify(in, key, &facts, &err) != 0)
		fail_msg("%s", tl_err_text(&err));
	assert_true(facts.sealed);
	fclose(in);
	run = rig_sh(desk.rig, NULL, "grep -qF '%s' %s.jsonl", contents, desk.session);
	assert_int_equal(run.status, 0);
	rig_run_clear(&run);
}

static void bastion_runs_a_command_and_records_it(void **state)
{
	struct rig_run run = rig_sh(desk.rig, NULL, BASTION "'echo out; echo err >&2; exit 7'",
				    tl_ssh_front_port(desk.front));

	(void)state;
	assert_string_equal(run.err, "err\n");
	assert_string_equal(run.out, "out\n");
	assert_int_equal(run.status, 7);
	wait_ended();
	assert_string_equal(desk.end_reason, "the engineer left");
	assert_true(desk.end.has_recording);
	assert_int_equal(desk.opened, 1);
	assert_int_equal(desk.sealed, 1);
	assert_recording(desk.authority, "\"d\":\"out\\n\"");
	assert_recording(desk.authority, "\"k\":\"x\",\"status\":7");
	rig_run_clear(&run);
}

static void bastion_gives_a_terminal(void **state)
{
	struct rig_run run =
		rig_sh(desk.rig, "tty; stty size; exit 3\n",
		       "export TERM=xterm; script -qec \"stty rows 33 cols 99; " BASTION
		       "-tt\" /dev/null",
		       tl_ssh_front_port(desk.front));

	(void)state;
	assert_text(run.out, "/dev/pts/");
	assert_text(run.out, "33 99");
	assert_int_equal(run.status, 3);
	wait_ended();
	assert_recording(desk.authority, "\"columns\":99,\"rows\":33");
	rig_run_clear(&run);
}

static void a_terminal_of_unknown_size_has_no_size_and_is_recorded(void **state)
{
	struct rig_run run = rig_sh(desk.rig, NULL, BASTION "-tt 'stty size' </dev/null",
				    tl_ssh_front_port(desk.front));

	(void)state;
	assert_text(run.out, "0 0");
	rig_run_clear(&run);
	wait_ended();
	assert_recording(desk.authority, "\"columns\":80,\"rows\":24");
}

static void bastion_carries_bytes_intact_both_ways(void **state)
{
	struct rig_run run =
		rig_sh(desk.rig, NULL,
		       "head -c 33554432 /dev/urandom > big && sha256sum < big && " BASTION
		       "-o RekeyLimit=4M cat < big | sha256sum",
		       tl_ssh_front_port(desk.front));

	(void)state;
	assert_int_equal(run.status, 0);
	assert_memory_equal(run.out, run.out + 68, 68);
	wait_ended();
	assert_recording(desk.authority, "\"out_bytes\":33554432,\"in_bytes\":33554432");
	rig_run_clear(&run);
}

static void jump_runs_a_command_that_the_endpoint_records(void **state)
{
	struct rig_run run = rig_sh(desk.rig, NULL, JUMP "'echo out; echo err >&2; exit 7'");

	(void)state;
	assert_string_equal(run.err, "err\n");
	assert_string_equal(run.out, "out\n");
	assert_int_equal(run.status, 7);
	wait_ended();
	assert_false(desk.end.has_recording);
	assert_int_equal(desk.sealed, 0);
	rig_wait_end(desk.rig);
	assert_recording(rig_agent_key(desk.rig), "\"d\":\"out\\n\"");
	rig_run_clear(&run);
}

static void jump_takes_another_registered_key_at_the_endpoint(void **state)
{
	struct rig_run run = rig_sh(desk.rig, NULL,
				    "ssh-keygen -q -t ed25519 -N '' -C '' -f second; "
				    "printf 'Host relay\nIdentityFile engineer\nHost web-01\n"
				    "IdentityFile second\n' > two; "
				    "grep -v IdentityFile config >> two; cat second.pub");

	(void)state;
	pthread_mutex_lock(&desk.lock);
	snprintf(desk.second_key, sizeof(desk.second_key), "%.*s", (int)strcspn(run.out, "\n"),
		 run.out);
	pthread_mutex_unlock(&desk.lock);
	rig_run_clear(&run);
	run = rig_sh(desk.rig, NULL, "sed -i s/config/two/ two; ssh -F two web-01 'echo in'");
	assert_string_equal(run.out, "in\n");
	rig_run_clear(&run);
	wait_ended();
	rig_wait_end(desk.rig);
}

static void jump_carries_bytes_intact_both_ways(void **state)
{
	struct rig_run run =
		rig_sh(desk.rig, NULL,
		       "head -c 33554432 /dev/urandom > big && sha256sum < big && " JUMP
		       "-o RekeyLimit=4M cat < big | sha256sum");

	(void)state;
	assert_int_equal(run.status, 0);
	assert_memory_equal(run.out, run.out + 68, 68);
	rig_run_clear(&run);
}

static void a_refusal_is_read_by_the_engineer_in_both_lanes(void **state)
{
	struct rig_run run;

	(void)state;
	desk.refusal = "the user on web-01 said no";
	run = rig_sh(desk.rig, NULL, BASTION "true", tl_ssh_front_port(desk.front));
	assert_text(run.err, "the user on web-01 said no");
	assert_int_equal(run.status, 255);
	rig_run_clear(&run);
	run = rig_sh(desk.rig, NULL, JUMP "true");
	assert_text(run.err, "the user on web-01 said no");
	assert_int_equal(run.status, 255);
	rig_run_clear(&run);
}

static void an_unknown_target_is_named(void **state)
{
	struct rig_run run = rig_sh(desk.rig, NULL, "ssh " OPTIONS "-p %u db-09@127.0.0.1 true",
				    tl_ssh_front_port(desk.front));

	(void)state;
	assert_text(run.err, "no host or ticket is called db-09");
	assert_int_equal(run.status, 255);
	rig_run_clear(&run);
}

static void waiting_is_said_and_leaving_ends_the_session(void **state)
{
	struct rig_run run;

	(void)state;
	desk.silent = true;
	run = rig_sh(desk.rig, NULL, "timeout 2 " BASTION "true", tl_ssh_front_port(desk.front));
	assert_text(run.err, "waiting for consent on web-01 (ticket T-1001)");
	rig_run_clear(&run);
	wait_ended();
	assert_string_equal(desk.end_reason, "the engineer left");
}

static void another_host_key_than_the_enrolled_one_is_refused(void **state)
{
	struct rig_run run;

	(void)state;
	desk.other_host_key = true;
	run = rig_sh(desk.rig, NULL, BASTION "true", tl_ssh_front_port(desk.front));
	assert_text(run.err, "another host key than the enrolled one");
	assert_int_equal(run.status, 255);
	rig_run_clear(&run);
}

static void without_a_recording_there_is_no_session(void **state)
{
	struct rig_run run;

	(void)state;
	desk.no_recording = true;
	run = rig_sh(desk.rig, NULL, BASTION "'touch ran'", tl_ssh_front_port(desk.front));
	assert_text(run.err, "no space left for recordings");
	assert_int_equal(run.status, 255);
	rig_run_clear(&run);
	run = rig_sh(desk.rig, NULL, "test ! -e ran");
	assert_int_equal(run.status, 0);
	rig_run_clear(&run);
}

static void a_stop_ends_the_session_with_its_reason(void **state)
{
	struct rig_run run;

	(void)state;
	run = rig_sh(desk.rig, NULL,
		     BASTION "'echo ready; exec sleep 600' < /dev/null > said 2> why & "
			     "until grep -q ready said; do :; done",
		     tl_ssh_front_port(desk.front));
	rig_run_clear(&run);
	assert_int_equal(tl_broker_stop_session(desk.office.broker, desk.session,
						"a supervisor stopped the session"),
			 0);
	wait_ended();
	assert_string_equal(desk.end_reason, "a supervisor stopped the session");
	run = rig_sh(desk.rig, NULL, "until grep -q stopped why; do :; done; cat why");
	assert_text(run.out, "a supervisor stopped the session");
	rig_run_clear(&run);
}

static void several_programs_share_one_session(void **state)
{
	struct rig_run run = rig_sh(desk.rig, NULL,
				    BASTION "-o ControlMaster=yes -o ControlPath=mux -f -N; "
					    "for i in 1 2 3 4; do ssh -F none -S mux x 'echo '$i & "
					    "done; wait; ssh -F none -S mux -O exit x 2>/dev/null",
				    tl_ssh_front_port(desk.front));

	(void)state;
	for (const char *digit = "1234"; *digit; digit++)
		assert_non_null(strchr(run.out, *digit));
	wait_ended();
	assert_int_equal(desk.opened, 1);
	rig_run_clear(&run);
}

static void unregistered_keys_are_refused(void **state)
{
	struct rig_run run = rig_sh(desk.rig, NULL,
				    "ssh-keygen -q -t ed25519 -N '' -f other; "
				    "ssh -F none -p %u -i other -o IdentitiesOnly=yes "
				    "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
				    "web-01@127.0.0.1 true",
				    tl_ssh_front_port(desk.front));

	(void)state;
	assert_text(run.err, "Permission denied (publickey)");
	assert_int_equal(run.status, 255);
	rig_run_clear(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(bastion_runs_a_command_and_records_it),
		T(bastion_gives_a_terminal),
		T(a_terminal_of_unknown_size_has_no_size_and_is_recorded),
		T(bastion_carries_bytes_intact_both_ways),
		T(jump_runs_a_command_that_the_endpoint_records),
		T(jump_takes_another_registered_key_at_the_endpoint),
		T(jump_carries_bytes_intact_both_ways),
		T(a_refusal_is_read_by_the_engineer_in_both_lanes),
		T(an_unknown_target_is_named),
		T(waiting_is_said_and_leaving_ends_the_session),
		T(another_host_key_than_the_enrolled_one_is_refused),
		T(without_a_recording_there_is_no_session),
		T(a_stop_ends_the_session_with_its_reason),
		T(several_programs_share_one_session),
		T(unregistered_keys_are_refused),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
