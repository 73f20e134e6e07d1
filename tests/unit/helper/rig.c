#include "rig.h"

#include <signal.h>
#include <sys/wait.h>
#include <towline/fs.h>
#include <towline/jwt.h>

#include "../common/scratch.h"

#define CALL_MS 20000

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

void rig_start(struct rig *rig, enum tl_consent_flag consent)
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

void rig_stop(struct rig *rig)
{
	int status;

	kill(rig->helper, SIGTERM);
	waitpid(rig->helper, &status, 0);
	assert_int_equal(status, 0);
}

int rig_connect(const struct rig *rig, const char *name)
{
	char path[500];
	int fd = -1;
	struct tl_err err = TL_ERR_INIT;

	snprintf(path, sizeof(path), "%s/%s", rig->dir, name);
	if (tl_ipc_connect(path, &fd, &err) != 0)
		fail_msg("%s", tl_err_text(&err));
	return fd;
}

int rig_call(int fd, const char *verb, json_t *args, struct tl_ipc_message *ret_result,
	     struct tl_err *err)
{
	tl_json *owned = args;

	return tl_ipc_call(fd, verb, owned, NULL, 0, CALL_MS, ret_result, err);
}

int rig_hello(const struct rig *rig, int fd, struct tl_err *err)
{
	tl_auto(tl_ipc_message) struct tl_ipc_message answer = TL_IPC_MESSAGE_INIT;

	return rig_call(fd, "hello",
			json_pack("{s:s, s:o}", "agent_version", "1", "identity",
				  tl_identity_json(&rig->identity)),
			&answer, err);
}

int rig_set_up(void **state)
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

int rig_tear_down(void **state)
{
	struct rig *rig = *state;

	tl_key_free(rig->authority);
	scratch_tear_down(&rig->scratch);
	free(rig);
	return 0;
}

void rig_grant(const struct rig *rig, const char *host, struct tl_buf *out)
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

int rig_request(int fd, const char *grant, struct tl_ipc_message *ret_answer, struct tl_err *err)
{
	return rig_call(fd, "session.request", json_pack("{s:s}", "grant", grant), ret_answer, err);
}

const char *rig_text(const struct tl_ipc_message *message, const char *name)
{
	return json_string_value(json_object_get(message->json, name));
}
