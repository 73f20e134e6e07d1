/* The table of verbs, and a running helper behind its doors. */
#include "../common/tests.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <towline/fs.h>
#include <towline/ipc.h>
#include <towline/jwt.h>
#include <unistd.h>

#include "../common/scratch.h"
#include "helper/helper.h"

#define CALL_MS 20000

struct rig {
	char dir[400];
	pid_t helper;
	struct tl_key *authority;
	struct tl_identity identity;
	void *scratch;
};

static const struct tl_verb *find(const char *name, unsigned door, unsigned state, int *ret_rc)
{
	const struct tl_verb *verb = NULL;
	size_t fds = strcmp(name, "collect.run") == 0 ? 1 : 0;

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

/* ---- a running helper ------------------------------------------------------------------------- */

static void run_helper(const struct rig *rig, enum tl_consent_flag consent, int ready)
{
	char state_dir[500], policy[500], number[16];
	struct tl_helper_options options = {.policy_file = policy,
					    .socket_dir = rig->dir,
					    .state_dir = state_dir,
					    .agent_user = number,
					    .consent = consent};
	struct tl_helper *helper = NULL;
	struct tl_err err = TL_ERR_INIT;

	snprintf(state_dir, sizeof(state_dir), "%s/helper", rig->dir);
	snprintf(policy, sizeof(policy), "%s/policy.yaml", rig->dir);
	snprintf(number, sizeof(number), "%u", (unsigned)geteuid());
	if (tl_helper_new(&options, &helper, &err) != 0) {
		fprintf(stderr, "%s\n", tl_err_text(&err));
		_exit(1);
	}
	if (write(ready, "r", 1) != 1)
		_exit(1);
	tl_helper_run(helper);
	tl_helper_free(helper);
	_exit(0);
}

static void start_helper(struct rig *rig, enum tl_consent_flag consent)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	rig->helper = fork();
	if (rig->helper == 0)
		run_helper(rig, consent, ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
}

static void stop_helper(struct rig *rig)
{
	int status;

	kill(rig->helper, SIGTERM);
	waitpid(rig->helper, &status, 0);
	assert_int_equal(status, 0);
}

static int connect_to(const struct rig *rig, const char *name)
{
	char path[500];
	int fd = -1;
	struct tl_err err = TL_ERR_INIT;

	snprintf(path, sizeof(path), "%s/%s", rig->dir, name);
	if (tl_ipc_connect(path, &fd, &err) != 0)
		fail_msg("%s", tl_err_text(&err));
	return fd;
}

static int call(int fd, const char *verb, json_t *args, struct tl_ipc_message *ret_result,
		struct tl_err *err)
{
	tl_json *owned = args;

	return tl_ipc_call(fd, verb, owned, NULL, 0, CALL_MS, ret_result, err);
}

static int hello(const struct rig *rig, int fd, struct tl_err *err)
{
	tl_auto(tl_ipc_message) struct tl_ipc_message answer = TL_IPC_MESSAGE_INIT;

	return call(fd, "hello",
		    json_pack("{s:s, s:o}", "agent_version", "1", "identity",
			      tl_identity_json(&rig->identity)),
		    &answer, err);
}

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	tl_auto(tl_buf) struct tl_buf public = TL_BUF_INIT(64);
	char policy[500];
	static const char text[] = "consent:\n  unattended: true\n  timeout: 1s\n"
				   "sessions:\n  scopes: [exec]\n  user: \"0\"\n";
	const char *end = strstr(text, "  user");

	if (scratch_set_up(&rig->scratch) != 0)
		return -1;
	snprintf(rig->dir, sizeof(rig->dir), "%s", (const char *)rig->scratch);
	snprintf(policy, sizeof(policy), "%s/policy.yaml", rig->dir);
	if (tl_fs_write_file(AT_FDCWD, policy, 0600, text,
			     geteuid() == 0 ? strlen(text) : (size_t)(end - text), NULL) != 0 ||
	    tl_key_generate(&rig->authority, NULL) != 0)
		return -1;
	tl_public_key_write(rig->authority, &public);
	snprintf(rig->identity.host_id, TL_ID_LEN + 1, "%s", tl_id_new(tl_clock_system()).text);
	snprintf(rig->identity.relay_id, TL_ID_LEN + 1, "%s", tl_id_new(tl_clock_system()).text);
	snprintf(rig->identity.url, sizeof(rig->identity.url), "https://relay");
	snprintf(rig->identity.name, sizeof(rig->identity.name), "web-1");
	snprintf(rig->identity.authority_key, sizeof(rig->identity.authority_key), "%s",
		 tl_buf_str(&public));
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	tl_key_free(rig->authority);
	scratch_tear_down(&rig->scratch);
	free(rig);
	return 0;
}

static void make_grant(const struct rig *rig, const char *host, struct tl_buf *out)
{
	int64_t now_ms = tl_clock_wall_ms(tl_clock_system());
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(512);
	tl_auto(tl_grant) struct tl_grant grant = {.lane = TL_LANE_END_TO_END,
						   .scopes = TL_SCOPE_EXEC | TL_SCOPE_TERMINAL,
						   .issued_ms = now_ms,
						   .not_before_ms = now_ms,
						   .expires_ms = now_ms + 600000,
						   .max_s = 600};
	struct tl_err err = TL_ERR_INIT;

	snprintf(grant.session, sizeof(grant.session), "%s", tl_id_new(tl_clock_system()).text);
	snprintf(grant.relay, sizeof(grant.relay), "%s", rig->identity.relay_id);
	snprintf(grant.host, sizeof(grant.host), "%s", host);
	snprintf(grant.engineer, sizeof(grant.engineer), "erin");
	snprintf(grant.name, sizeof(grant.name), "Erin");
	snprintf(grant.ticket, sizeof(grant.ticket), "T-1001");
	snprintf(grant.purpose, sizeof(grant.purpose), "it hangs");
	tl_key_ssh_line(rig->authority, "erin", &line);
	assert_int_equal(tl_strv_push(&grant.keys, tl_buf_str(&line)), 0);
	if (tl_grant_sign(&grant, rig->authority, out, &err) != 0)
		fail_msg("%s", tl_err_text(&err));
}

static int request(int fd, const char *grant, struct tl_ipc_message *ret_answer, struct tl_err *err)
{
	return call(fd, "session.request", json_pack("{s:s}", "grant", grant), ret_answer, err);
}

static const char *text_of(const struct tl_ipc_message *message, const char *name)
{
	return json_string_value(json_object_get(message->json, name));
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

	start_helper(rig, TL_CONSENT_FLAG_YES);
	fd = connect_to(rig, "helper.sock");
	assert_int_equal(hello(rig, fd, &err), 0);
	make_grant(rig, rig->identity.host_id, &grant);
	assert_int_equal(request(fd, tl_buf_str(&grant), &decision, &err), 0);
	assert_string_equal(text_of(&decision, "decision"), "yes");
	assert_int_equal(json_array_size(json_object_get(decision.json, "scopes")), 1);
	assert_int_equal(call(fd, "session.spawn",
			      json_pack("{s:s, s:s, s:s}", "session", text_of(&decision, "session"),
					"kind", "exec", "command", "echo $FORBIDDEN-$LANG; exit 3"),
			      &spawned, &err),
			 0);
	assert_int_equal(spawned.fd_count, 3);
	assert_true(read(spawned.fds[1], output, sizeof(output) - 1) > 0);
	assert_string_equal(output, "-\n");
	assert_int_equal(call(fd, "session.wait",
			      json_pack("{s:s, s:s}", "session", text_of(&decision, "session"),
					"process", text_of(&spawned, "process")),
			      &ended, &err),
			 0);
	assert_int_equal(json_integer_value(json_object_get(ended.json, "exit")), 3);
	/* The policy left exec only. */
	assert_int_equal(call(fd, "session.spawn",
			      json_pack("{s:s, s:s, s:s}", "session", text_of(&decision, "session"),
					"kind", "shell", "term", "xterm"),
			      &refused, &err),
			 TL_EDENIED);
	assert_says(&err, "scope is missing");
	stop_helper(rig);
}

static void a_grant_is_refused_the_second_time(void **state)
{
	struct rig *rig = *state;
	tl_auto(tl_buf) struct tl_buf grant = TL_BUF_INIT(TL_JWT_MAX);
	struct tl_err err = TL_ERR_INIT;

	make_grant(rig, rig->identity.host_id, &grant);
	for (int round = 0; round < 2; round++) {
		tl_auto(tl_ipc_message) struct tl_ipc_message answer = TL_IPC_MESSAGE_INIT;
		tl_fd int fd = -1;
		int rc;

		start_helper(rig, TL_CONSENT_FLAG_YES);
		fd = connect_to(rig, "helper.sock");
		assert_int_equal(hello(rig, fd, &err), 0);
		rc = request(fd, tl_buf_str(&grant), &answer, &err);
		assert_int_equal(rc, round == 0 ? 0 : TL_EDENIED);
		stop_helper(rig);
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

	start_helper(rig, TL_CONSENT_FLAG_YES);
	fd = connect_to(rig, "helper.sock");
	assert_int_equal(hello(rig, fd, &err), 0);
	make_grant(rig, tl_id_new(tl_clock_system()).text, &elsewhere);
	assert_int_equal(request(fd, tl_buf_str(&elsewhere), &first, &err), TL_EDENIED);
	assert_int_equal(tl_key_generate(&rig->authority, NULL), 0);
	make_grant(rig, rig->identity.host_id, &forged);
	tl_key_free(rig->authority);
	rig->authority = good;
	assert_int_equal(request(fd, tl_buf_str(&forged), &second, &err), TL_ESIG);
	stop_helper(rig);
}

static void silence_refuses_with_a_receipt(void **state)
{
	struct rig *rig = *state;
	tl_auto(tl_buf) struct tl_buf grant = TL_BUF_INIT(TL_JWT_MAX);
	tl_auto(tl_ipc_message) struct tl_ipc_message answer = TL_IPC_MESSAGE_INIT;
	struct tl_err err = TL_ERR_INIT;
	tl_fd int fd = -1;

	start_helper(rig, TL_CONSENT_FLAG_ASK);
	fd = connect_to(rig, "helper.sock");
	assert_int_equal(hello(rig, fd, &err), 0);
	make_grant(rig, rig->identity.host_id, &grant);
	assert_int_equal(request(fd, tl_buf_str(&grant), &answer, &err), 0);
	assert_string_equal(text_of(&answer, "decision"), "timeout");
	assert_non_null(text_of(&answer, "consent"));
	stop_helper(rig);
}

static void another_enrolment_is_not_believed(void **state)
{
	struct rig *rig = *state;
	struct tl_err err = TL_ERR_INIT;
	tl_fd int fd = -1;

	start_helper(rig, TL_CONSENT_FLAG_NO);
	fd = connect_to(rig, "helper.sock");
	assert_int_equal(hello(rig, fd, &err), 0);
	assert_int_equal(hello(rig, fd, &err), 0);
	snprintf(rig->identity.host_id, TL_ID_LEN + 1, "%s", tl_id_new(tl_clock_system()).text);
	assert_int_equal(hello(rig, fd, &err), TL_ECONFLICT);
	assert_says(&err, "first enrolment");
	stop_helper(rig);
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

	start_helper(rig, TL_CONSENT_FLAG_YES);
	fd = connect_to(rig, "helper.sock");
	assert_int_equal(hello(rig, fd, &err), 0);
	make_grant(rig, rig->identity.host_id, &grant);
	assert_int_equal(request(fd, tl_buf_str(&grant), &decision, &err), 0);
	assert_int_equal(call(fd, "session.spawn",
			      json_pack("{s:s, s:s, s:s}", "session", text_of(&decision, "session"),
					"kind", "exec", "command", "exec cat /dev/zero"),
			      &spawned, &err),
			 0);
	close(spawned.fds[0]);
	spawned.fds[0] = -1;
	close(fd);
	/* The pipe's end is the fact that tells of its death. */
	while (read(spawned.fds[1], &byte, 1) > 0)
		;
	stop_helper(rig);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

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
