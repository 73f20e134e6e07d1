/* The table of verbs, and a running helper behind its doors. */
#include "rig.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <towline/fs.h>
#include <towline/ipc.h>
#include <towline/jwt.h>
#include <unistd.h>

static const struct tl_verb *find(const char *name, unsigned door, unsigned state, int *ret_rc)
{
	const struct tl_verb *verb = NULL;
	size_t fds = strcmp(name, "collect.run") == 0 || strcmp(name, "roster.take") == 0 ? 1 : 0;

	*ret_rc = tl_verb_find(tl_helper_verbs, tl_helper_verb_count, name, door, state, 100, fds,
			       &verb, NULL);
	return verb;
}

static void the_table_is_sorted(void **state)
{
	(void)state;
	for (size_t i = 1; i < tl_helper_verb_count; i++)
		assert_true(strcmp(tl_helper_verbs[i - 1].name, tl_helper_verbs[i].name) < 0);
}

static void each_verb_is_refused_at_the_other_door(void **state)
{
	(void)state;
	for (size_t i = 0; i < tl_helper_verb_count; i++) {
		unsigned wrong = tl_helper_verbs[i].doors ^ (TL_DOOR_AGENT | TL_DOOR_CONSENT);
		int rc;

		assert_true(wrong == TL_DOOR_AGENT || wrong == TL_DOOR_CONSENT);
		find(tl_helper_verbs[i].name, wrong, TL_HELPER_ENROLLED, &rc);
		assert_int_equal(rc, TL_EACCES);
		find(tl_helper_verbs[i].name, tl_helper_verbs[i].doors, TL_HELPER_ENROLLED, &rc);
		assert_int_equal(rc, 0);
	}
}

static void sessions_need_an_enrolment(void **state)
{
	int rc;

	(void)state;
	find("session.request", TL_DOOR_AGENT, TL_HELPER_NEW, &rc);
	assert_int_equal(rc, TL_EBUSY);
	find("session.spawn", TL_DOOR_AGENT, TL_HELPER_NEW, &rc);
	assert_int_equal(rc, TL_EBUSY);
}

static void size_and_descriptors_are_limited(void **state)
{
	const struct tl_verb *verb;

	(void)state;
	assert_int_equal(tl_verb_find(tl_helper_verbs, tl_helper_verb_count, "hello", TL_DOOR_AGENT,
				      TL_HELPER_NEW, 4097, 0, &verb, NULL),
			 TL_ETOOBIG);
	assert_int_equal(tl_verb_find(tl_helper_verbs, tl_helper_verb_count, "hello", TL_DOOR_AGENT,
				      TL_HELPER_NEW, 10, 1, &verb, NULL),
			 TL_EINVAL);
	assert_int_equal(tl_verb_find(tl_helper_verbs, tl_helper_verb_count, "collect.run",
				      TL_DOOR_AGENT, TL_HELPER_NEW, 10, 0, &verb, NULL),
			 TL_EINVAL);
}

static void a_granted_session_runs_a_command(void **state)
{
	struct rig *rig = *state;
	tl_auto(tl_buf) struct tl_buf grant = TL_BUF_INIT(TL_JWT_MAX);
	tl_auto(tl_ipc_message) struct tl_ipc_message decision = TL_IPC_MESSAGE_INIT;
	tl_auto(tl_ipc_message) struct tl_ipc_message spawned = TL_IPC_MESSAGE_INIT;
	tl_auto(tl_ipc_message) struct tl_ipc_message refused = TL_IPC_MESSAGE_INIT;
	tl_auto(tl_ipc_message) struct tl_ipc_message ended = TL_IPC_MESSAGE_INIT;
	struct tl_err err = TL_ERR_INIT;
	tl_fd int fd = -1;
	char output[64] = "";

	rig_start(rig, TL_CONSENT_FLAG_YES);
	fd = rig_connect(rig, "helper.sock");
	assert_int_equal(rig_hello(rig, fd, &err), 0);
	rig_grant(rig, rig->identity.host_id, &grant);
	assert_int_equal(rig_request(fd, tl_buf_str(&grant), &decision, &err), 0);
	assert_string_equal(rig_text(&decision, "decision"), "yes");
	assert_int_equal(json_array_size(json_object_get(decision.json, "scopes")), 1);
	assert_int_equal(rig_call(fd, "session.spawn",
				  json_pack("{s:s, s:s, s:s}", "session",
					    rig_text(&decision, "session"), "kind", "exec",
					    "command", "echo $FORBIDDEN-$LANG; exit 3"),
				  &spawned, &err),
			 0);
	assert_int_equal(spawned.fd_count, 3);
	assert_true(read(spawned.fds[1], output, sizeof(output) - 1) > 0);
	assert_string_equal(output, "-\n");
	assert_int_equal(rig_call(fd, "session.wait",
				  json_pack("{s:s, s:s}", "session", rig_text(&decision, "session"),
					    "process", rig_text(&spawned, "process")),
				  &ended, &err),
			 0);
	assert_int_equal(json_integer_value(json_object_get(ended.json, "exit")), 3);
	/* The policy left exec only. */
	assert_int_equal(rig_call(fd, "session.spawn",
				  json_pack("{s:s, s:s, s:s}", "session",
					    rig_text(&decision, "session"), "kind", "shell", "term",
					    "xterm"),
				  &refused, &err),
			 TL_EDENIED);
	assert_says(&err, "scope is missing");
	rig_stop(rig);
}

static void a_grant_is_refused_the_second_time(void **state)
{
	struct rig *rig = *state;
	tl_auto(tl_buf) struct tl_buf grant = TL_BUF_INIT(TL_JWT_MAX);
	struct tl_err err = TL_ERR_INIT;

	rig_grant(rig, rig->identity.host_id, &grant);
	for (int round = 0; round < 2; round++) {
		tl_auto(tl_ipc_message) struct tl_ipc_message answer = TL_IPC_MESSAGE_INIT;
		tl_fd int fd = -1;
		int rc;

		rig_start(rig, TL_CONSENT_FLAG_YES);
		fd = rig_connect(rig, "helper.sock");
		assert_int_equal(rig_hello(rig, fd, &err), 0);
		rc = rig_request(fd, tl_buf_str(&grant), &answer, &err);
		assert_int_equal(rc, round == 0 ? 0 : TL_EDENIED);
		rig_stop(rig);
	}
	assert_says(&err, "used before");
}

static void grants_for_others_or_by_others_are_refused(void **state)
{
	struct rig *rig = *state;
	tl_auto(tl_buf) struct tl_buf elsewhere = TL_BUF_INIT(TL_JWT_MAX);
	tl_auto(tl_buf) struct tl_buf forged = TL_BUF_INIT(TL_JWT_MAX);
	tl_auto(tl_ipc_message) struct tl_ipc_message first = TL_IPC_MESSAGE_INIT;
	tl_auto(tl_ipc_message) struct tl_ipc_message second = TL_IPC_MESSAGE_INIT;
	struct tl_key *good = rig->authority;
	struct tl_err err = TL_ERR_INIT;
	tl_fd int fd = -1;

	rig_start(rig, TL_CONSENT_FLAG_YES);
	fd = rig_connect(rig, "helper.sock");
	assert_int_equal(rig_hello(rig, fd, &err), 0);
	rig_grant(rig, tl_id_new(tl_clock_system()).text, &elsewhere);
	assert_int_equal(rig_request(fd, tl_buf_str(&elsewhere), &first, &err), TL_EDENIED);
	assert_int_equal(tl_key_generate(&rig->authority, NULL), 0);
	rig_grant(rig, rig->identity.host_id, &forged);
	tl_key_free(rig->authority);
	rig->authority = good;
	assert_int_equal(rig_request(fd, tl_buf_str(&forged), &second, &err), TL_ESIG);
	rig_stop(rig);
}

static void silence_refuses_with_a_receipt(void **state)
{
	struct rig *rig = *state;
	tl_auto(tl_buf) struct tl_buf grant = TL_BUF_INIT(TL_JWT_MAX);
	tl_auto(tl_ipc_message) struct tl_ipc_message answer = TL_IPC_MESSAGE_INIT;
	struct tl_err err = TL_ERR_INIT;
	tl_fd int fd = -1;

	rig_start(rig, TL_CONSENT_FLAG_ASK);
	fd = rig_connect(rig, "helper.sock");
	assert_int_equal(rig_hello(rig, fd, &err), 0);
	rig_grant(rig, rig->identity.host_id, &grant);
	assert_int_equal(rig_request(fd, tl_buf_str(&grant), &answer, &err), 0);
	assert_string_equal(rig_text(&answer, "decision"), "timeout");
	assert_non_null(rig_text(&answer, "consent"));
	rig_stop(rig);
}

static void another_enrolment_is_not_believed(void **state)
{
	struct rig *rig = *state;
	struct tl_err err = TL_ERR_INIT;
	tl_fd int fd = -1;

	rig_start(rig, TL_CONSENT_FLAG_NO);
	fd = rig_connect(rig, "helper.sock");
	assert_int_equal(rig_hello(rig, fd, &err), 0);
	assert_int_equal(rig_hello(rig, fd, &err), 0);
	snprintf(rig->identity.host_id, TL_ID_LEN + 1, "%s", tl_id_new(tl_clock_system()).text);
	assert_int_equal(rig_hello(rig, fd, &err), TL_ECONFLICT);
	assert_says(&err, "first enrolment");
	rig_stop(rig);
}

static void a_process_dies_with_the_connection_that_started_it(void **state)
{
	struct rig *rig = *state;
	tl_auto(tl_buf) struct tl_buf grant = TL_BUF_INIT(TL_JWT_MAX);
	tl_auto(tl_ipc_message) struct tl_ipc_message decision = TL_IPC_MESSAGE_INIT;
	tl_auto(tl_ipc_message) struct tl_ipc_message spawned = TL_IPC_MESSAGE_INIT;
	struct tl_err err = TL_ERR_INIT;
	int fd;
	char byte;

	rig_start(rig, TL_CONSENT_FLAG_YES);
	fd = rig_connect(rig, "helper.sock");
	assert_int_equal(rig_hello(rig, fd, &err), 0);
	rig_grant(rig, rig->identity.host_id, &grant);
	assert_int_equal(rig_request(fd, tl_buf_str(&grant), &decision, &err), 0);
	assert_int_equal(rig_call(fd, "session.spawn",
				  json_pack("{s:s, s:s, s:s}", "session",
					    rig_text(&decision, "session"), "kind", "exec",
					    "command", "exec cat /dev/zero"),
				  &spawned, &err),
			 0);
	close(spawned.fds[0]);
	spawned.fds[0] = -1;
	close(fd);
	/* The pipe's end is the fact that tells of its death. */
	while (read(spawned.fds[1], &byte, 1) > 0)
		;
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_sorted),
		cmocka_unit_test(each_verb_is_refused_at_the_other_door),
		cmocka_unit_test(sessions_need_an_enrolment),
		cmocka_unit_test(size_and_descriptors_are_limited),
		WITH_RIG(a_granted_session_runs_a_command),
		WITH_RIG(a_grant_is_refused_the_second_time),
		WITH_RIG(grants_for_others_or_by_others_are_refused),
		WITH_RIG(silence_refuses_with_a_receipt),
		WITH_RIG(another_enrolment_is_not_believed),
		WITH_RIG(a_process_dies_with_the_connection_that_started_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
