/* What a session may leave behind, and what those inside it may decide: nothing. */
#include "rig.h"

#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <towline/jwt.h>

#define DEATH_MS 15000
#define MANY 1000 /* answers: more than a socket holds */
#define ASK_INSIDE "--ask-inside"

/* A session whose consent is given by the flag. */
static int open_session(struct rig *rig, enum tl_consent_flag flag,
			struct tl_ipc_message *ret_decision)
{
	tl_auto(tl_buf) struct tl_buf grant = TL_BUF_INIT(TL_JWT_MAX);
	struct tl_err err = TL_ERR_INIT;
	int fd;

	rig_start(rig, flag);
	fd = rig_connect(rig, "helper.sock");
	assert_int_equal(rig_hello(rig, fd, &err), 0);
	rig_grant(rig, rig->identity.host_id, &grant);
	assert_int_equal(rig_request(fd, tl_buf_str(&grant), ret_decision, &err), 0);
	assert_string_equal(rig_text(ret_decision, "decision"), "yes");
	return fd;
}

static void spawn(int fd, const struct tl_ipc_message *session, const char *command,
		  struct tl_ipc_message *ret_spawned)
{
	struct tl_err err = TL_ERR_INIT;

	if (rig_call(fd, "session.spawn",
		     json_pack("{s:s, s:s, s:s}", "session", rig_text(session, "session"), "kind",
			       "exec", "command", command),
		     ret_spawned, &err) != 0)
		fail_msg("%s", tl_err_text(&err));
	assert_int_equal(ret_spawned->fd_count, 3);
}

static void wait_for_exit(int fd, const struct tl_ipc_message *session,
			  const struct tl_ipc_message *spawned)
{
	tl_auto(tl_ipc_message) struct tl_ipc_message ended = TL_IPC_MESSAGE_INIT;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(rig_call(fd, "session.wait",
				  json_pack("{s:s, s:s}", "session", rig_text(session, "session"),
					    "process", rig_text(spawned, "process")),
				  &ended, &err),
			 0);
}

static void end_session(int fd, const struct tl_ipc_message *session)
{
	tl_auto(tl_ipc_message) struct tl_ipc_message ended = TL_IPC_MESSAGE_INIT;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(rig_call(fd, "session.end",
				  json_pack("{s:s}", "session", rig_text(session, "session")),
				  &ended, &err),
			 0);
}

/* The pipe's end is the fact that tells that nobody holds it any more. */
static void assert_ends(int fd)
{
	struct pollfd entry = {.fd = fd, .events = POLLIN};
	char bytes[256];

	for (;;) {
		assert_int_equal(poll(&entry, 1, DEATH_MS), 1);
		if (read(fd, bytes, sizeof(bytes)) <= 0)
			return;
	}
}

static void assert_ends_with_session(struct rig *rig, const char *command)
{
	tl_auto(tl_ipc_message) struct tl_ipc_message session = TL_IPC_MESSAGE_INIT;
	tl_auto(tl_ipc_message) struct tl_ipc_message spawned = TL_IPC_MESSAGE_INIT;
	tl_fd int fd = open_session(rig, TL_CONSENT_FLAG_YES, &session);

	spawn(fd, &session, command, &spawned);
	wait_for_exit(fd, &session, &spawned);
	end_session(fd, &session);
	assert_ends(spawned.fds[1]);
	rig_stop(rig);
}

static void what_runs_in_the_background_ends_with_the_session(void **state)
{
	assert_ends_with_session(*state, "sleep 600 & exit 0");
}

static void what_left_the_terminal_ends_with_the_session(void **state)
{
	assert_ends_with_session(*state, "setsid sh -c 'setsid sleep 600 & exit 0' & exit 0");
}

static void what_ignores_the_hang_up_is_killed(void **state)
{
	assert_ends_with_session(*state, "trap '' HUP; setsid sleep 600 & exit 0");
}

static void another_sessions_programs_live_on(void **state)
{
	struct rig *rig = *state;
	tl_auto(tl_ipc_message) struct tl_ipc_message one = TL_IPC_MESSAGE_INIT;
	tl_auto(tl_ipc_message) struct tl_ipc_message two = TL_IPC_MESSAGE_INIT;
	tl_auto(tl_ipc_message) struct tl_ipc_message first = TL_IPC_MESSAGE_INIT;
	tl_auto(tl_ipc_message) struct tl_ipc_message second = TL_IPC_MESSAGE_INIT;
	tl_auto(tl_buf) struct tl_buf grant = TL_BUF_INIT(TL_JWT_MAX);
	tl_fd int fd = open_session(rig, TL_CONSENT_FLAG_YES, &one);
	struct tl_err err = TL_ERR_INIT;
	char line[8] = "";

	rig_grant(rig, rig->identity.host_id, &grant);
	assert_int_equal(rig_request(fd, tl_buf_str(&grant), &two, &err), 0);
	spawn(fd, &one, "sleep 600", &first);
	spawn(fd, &two, "read line; echo $line", &second);
	end_session(fd, &one);
	assert_ends(first.fds[1]);
	assert_int_equal(write(second.fds[0], "here\n", 5), 5);
	assert_int_equal(read(second.fds[1], line, sizeof(line) - 1), 5);
	assert_string_equal(line, "here\n");
	rig_stop(rig);
}

static void files_of_a_session_are_as_the_owners_own(void **state)
{
	struct rig *rig = *state;
	tl_auto(tl_ipc_message) struct tl_ipc_message session = TL_IPC_MESSAGE_INIT;
	tl_auto(tl_ipc_message) struct tl_ipc_message spawned = TL_IPC_MESSAGE_INIT;
	mode_t before = umask(0077);
	tl_fd int fd = open_session(rig, TL_CONSENT_FLAG_YES, &session);
	char mask[16] = "";

	umask(before);
	spawn(fd, &session, "umask", &spawned);
	assert_true(read(spawned.fds[1], mask, sizeof(mask) - 1) > 0);
	assert_string_equal(mask, "0022\n");
	rig_stop(rig);
}

/* ---- deciding --------------------------------------------------------------------------------- */

/* What runs inside the session: this program again. */
static int ask_inside(const char *socket)
{
	tl_auto(tl_ipc_message) struct tl_ipc_message answer = TL_IPC_MESSAGE_INIT;
	struct tl_err err = TL_ERR_INIT;
	tl_fd int fd = -1;
	int rc = tl_ipc_connect(socket, &fd, &err);

	if (rc == 0)
		rc = rig_call(fd, "consent.watch", json_object(), &answer, &err);
	printf("%s %s\n", tl_err_name(rc), tl_err_text(&err));
	return 0;
}

static void who_runs_inside_a_session_cannot_decide(void **state)
{
	struct rig *rig = *state;
	tl_auto(tl_ipc_message) struct tl_ipc_message session = TL_IPC_MESSAGE_INIT;
	tl_auto(tl_ipc_message) struct tl_ipc_message spawned = TL_IPC_MESSAGE_INIT;
	tl_auto(tl_ipc_message) struct tl_ipc_message outside = TL_IPC_MESSAGE_INIT;
	tl_fd int fd = open_session(rig, TL_CONSENT_FLAG_YES, &session);
	tl_fd int consent_fd = rig_connect(rig, "consent.sock");
	struct tl_err err = TL_ERR_INIT;
	char program[PATH_MAX] = "", command[2 * PATH_MAX], said[512] = "";

	assert_true(readlink("/proc/self/exe", program, sizeof(program) - 1) > 0);
	snprintf(command, sizeof(command), "setsid %s " ASK_INSIDE " %s/consent.sock", program,
		 rig->dir);
	spawn(fd, &session, command, &spawned);
	assert_true(read(spawned.fds[1], said, sizeof(said) - 1) > 0);
	assert_non_null(strstr(said, "inside a session"));
	assert_int_equal(rig_call(consent_fd, "consent.watch", json_object(), &outside, &err), 0);
	rig_stop(rig);
}

static void one_user_cannot_take_every_connection(void **state)
{
	struct rig *rig = *state;
	tl_auto(tl_ipc_message) struct tl_ipc_message answer = TL_IPC_MESSAGE_INIT;
	struct tl_err err = TL_ERR_INIT;
	int fds[TL_SERVICE_CONNECTIONS_OF_USER_MAX + 1];

	rig_start(rig, TL_CONSENT_FLAG_ASK);
	for (size_t i = 0; i < TL_ARRAY_LEN(fds); i++)
		fds[i] = rig_connect(rig, "consent.sock");
	assert_int_not_equal(rig_call(fds[TL_ARRAY_LEN(fds) - 1], "session.list", json_object(),
				      &answer, &err),
			     0);
	for (size_t i = 0; i < TL_ARRAY_LEN(fds); i++)
		close(fds[i]);
	rig_stop(rig);
}

static void a_peer_that_does_not_read_holds_no_stop_up(void **state)
{
	struct rig *rig = *state;
	tl_json *request = json_pack("{s:i, s:s}", "id", 1, "verb", "session.list");
	struct tl_err err = TL_ERR_INIT;
	tl_fd int fd = -1;

	rig_start(rig, TL_CONSENT_FLAG_ASK);
	fd = rig_connect(rig, "consent.sock");
	for (int i = 0; i < MANY; i++)
		assert_int_equal(tl_ipc_send(fd, request, NULL, 0, &err), 0);
	alarm(DEATH_MS / 1000);
	rig_stop(rig);
	alarm(0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_RIG(what_runs_in_the_background_ends_with_the_session),
		WITH_RIG(what_left_the_terminal_ends_with_the_session),
		WITH_RIG(what_ignores_the_hang_up_is_killed),
		WITH_RIG(another_sessions_programs_live_on),
		WITH_RIG(files_of_a_session_are_as_the_owners_own),
		WITH_RIG(who_runs_inside_a_session_cannot_decide),
		WITH_RIG(one_user_cannot_take_every_connection),
		WITH_RIG(a_peer_that_does_not_read_holds_no_stop_up),
	};

	if (argc == 3 && strcmp(argv[1], ASK_INSIDE) == 0)
		return ask_inside(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
